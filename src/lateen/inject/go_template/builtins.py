"""The functions that Go's text/template itself has. `and` and `or` are the evaluation's, as they look at no
more arguments than they need."""

from collections.abc import Mapping
from typing import Any

from lateen.inject.go_template import values
from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.functions import Functions, function
from lateen.inject.go_template.printf import printf
from lateen.inject.go_template.records import Texts


def _eq(left: Any, right: Any, *others: Any) -> bool:
    return any(values.equal(left, other) for other in (right, *others))


def _print(*operands: Any) -> str:
    """Operands next to each other, with a blank between two that are both no texts."""
    written: list[str] = []
    for place, operand in enumerate(operands):
        if place and not isinstance(operand, str) and not isinstance(operands[place - 1], str):
            written.append(" ")
        written.append(values.text(operand))
    return "".join(written)


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | tuple | Mapping):
        return len(value)
    raise Refused(f"len counts texts, lists and mappings, not {values.kind_of(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = _at(value, key)
    return value


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            raise Refused(f"index: the keys of a mapping are texts, not {values.kind_of(key)}")
        return value.get(key, "" if isinstance(value, Texts) else None)
    if isinstance(value, list | tuple | str):
        if not isinstance(key, int) or isinstance(key, bool):
            raise Refused(f"index: places of {values.kind_of(value)} are whole numbers, not {values.kind_of(key)}")
        items = value.encode() if isinstance(value, str) else value
        if not 0 <= key < len(items):
            raise Refused(
                f"index: there is no place {key}; places are 0 to {len(items) - 1}" if items else "index: empty"
            )
        return items[key]
    raise Refused(f"index looks into lists, mappings and texts, not into {values.kind_of(value)}")


def _slice(value: Any, *places: Any) -> Any:
    if not isinstance(value, list | tuple | str):
        raise Refused(f"slice cuts lists and texts, not {values.kind_of(value)}")
    items = value.encode() if isinstance(value, str) else value
    start, end = [*places, *(0, len(items))[len(places) :]][:2]
    if not 0 <= start <= end <= len(items):
        raise Refused(f"slice: {start} to {end} is outside of 0 to {len(items)}")
    cut = items[start:end]
    return cut.decode(errors="replace") if isinstance(cut, bytes) else list(cut)


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}


def _html(*operands: Any) -> str:
    return "".join(_ESCAPES.get(character, character) for character in _print(*operands))


LAZY = ("and", "or")
"""Functions that the evaluation itself has."""

BUILTINS: Functions = {
    "not": function("any", lambda value: not values.truth(value)),
    "eq": function("any any any...", _eq),
    "ne": function("any any", lambda left, right: not values.equal(left, right)),
    "lt": function("any any", lambda left, right: values.compared("lt", left, right) < 0),
    "le": function("any any", lambda left, right: values.compared("le", left, right) <= 0),
    "gt": function("any any", lambda left, right: values.compared("gt", left, right) > 0),
    "ge": function("any any", lambda left, right: values.compared("ge", left, right) >= 0),
    "len": function("any", _len),
    "index": function("any any...", _index),
    "slice": function("any int? int?", _slice),
    "print": function("any...", _print),
    "println": function("any...", lambda *operands: " ".join(map(values.text, operands)) + "\n"),
    "printf": function("text any...", printf),
    "html": function("any...", _html),
}
