"""Sprig's functions of lists and mappings, and of values that may be missing.

`set`, `unset`, `merge` and `mergeOverwrite` change their first mapping, as templates rely on: give templates copies.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.inject.go_template import values
from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.functions import Functions, function
from lateen.inject.go_template.records import Record
from lateen.inject.go_template.texts import bounded, strval

_LONGEST = 100_000


def pairs(name: str, operands: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    """Keys and values that follow each other; a last key without a value has an empty text, as in sprig."""
    for place in range(0, len(operands), 2):
        if isinstance(operands[place], Mapping | list | Record):
            raise Refused(f"{name}: a key is a text, not {values.kind_of(operands[place])}")
        yield strval(operands[place]), operands[place + 1] if place + 1 < len(operands) else ""


def _default(standard: Any, *given: Any) -> Any:
    return given[0] if given and values.truth(given[0]) else standard


def _ternary(then: Any, otherwise: Any, condition: Any) -> Any:
    if not isinstance(condition, bool):
        raise Refused(f"ternary decides by a boolean, not by {values.kind_of(condition)}")
    return then if condition else otherwise


def _join(separator: str, items: Any) -> str:
    texts = [strval(item) for item in items if item is not None] if isinstance(items, list) else [strval(items)]
    bounded(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _get(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key, "")


def _pluck(key: str, *mappings: Any) -> list[Any]:
    return [mapping[key] for mapping in mappings if isinstance(mapping, Mapping) and key in mapping]


def _dig(*operands: Any) -> Any:
    *path, standard, found = operands
    for key in path:
        if not isinstance(key, str):
            raise Refused(f"dig: a key is a text, not {values.kind_of(key)}")
        if not isinstance(found, Mapping) or key not in found:
            return standard
        found = found[key]
    return found


def _merged(*mappings: dict[str, Any]) -> dict[str, Any]:
    """The first mapping wins, at every level."""
    merged: dict[str, Any] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            have = merged.get(key)
            if isinstance(have, dict) and isinstance(value, dict):
                merged[key] = _merged(have, value)
            elif not values.truth(have):
                merged[key] = value
    return merged


def _replaced(mapping: dict[str, Any], contents: dict[str, Any]) -> dict[str, Any]:
    mapping.update(contents)
    return mapping


def _set(mapping: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    mapping[key] = value
    return mapping


def _unset(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    mapping.pop(key, None)
    return mapping


def _same(left: Any, right: Any) -> bool:
    """Whether two values are of one kind and equal: to Go `true` is not 1."""
    return values.kind_of(left) == values.kind_of(right) and bool(left == right)


def _has(needle: Any, items: list[Any]) -> bool:
    return any(_same(needle, item) for item in items)


def _without(items: list[Any], *gone: Any) -> list[Any]:
    return [item for item in items if not _has(item, list(gone))]


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    seen = set()
    for item in items:
        mark = (values.kind_of(item), values.text(item))
        if mark not in seen:
            seen.add(mark)
            found.append(item)
    return found


def _until(count: int) -> list[int]:
    if abs(count) > _LONGEST:
        raise Refused(f"until: a list may have {_LONGEST} places, not {count}")
    return list(range(count)) if count >= 0 else list(range(0, count, -1))


def _split(separator: str, text: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _kind(value: Any) -> str:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (Mapping, "map")):
        if isinstance(value, kind):
            return name
    return "struct" if isinstance(value, Record) else "invalid" if value is None else "slice"


LISTS_AND_MAPS: Functions = {
    "default": function("any any...", _default),
    "coalesce": function("any...", lambda *given: next((value for value in given if values.truth(value)), None)),
    "empty": function("any", lambda value: not values.truth(value)),
    "all": function("any...", lambda *given: all(map(values.truth, given))),
    "any": function("any...", lambda *given: any(map(values.truth, given))),
    "ternary": function("any any any", _ternary),
    "kindOf": function("any", _kind),
    "kindIs": function("text any", lambda kind, value: _kind(value) == kind),
    "list": function("any...", lambda *items: list(items)),
    "tuple": function("any...", lambda *items: list(items)),
    "first": function("list", lambda items: items[0] if items else None),
    "last": function("list", lambda items: items[-1] if items else None),
    "rest": function("list", lambda items: list(items[1:])),
    "initial": function("list", lambda items: list(items[:-1])),
    "append": function("list any", lambda items, item: [*items, item]),
    "prepend": function("list any", lambda items, item: [item, *items]),
    "concat": function("list...", lambda *lists: [item for items in lists for item in items]),
    "reverse": function("list", lambda items: list(reversed(items))),
    "uniq": function("list", _unique),
    "without": function("list any...", _without),
    "compact": function("list", lambda items: [item for item in items if values.truth(item)]),
    "has": function("any list", _has),
    "sortAlpha": function("list", lambda items: sorted(map(strval, items))),
    "until": function("int", _until),
    "join": function("text any", _join),
    "splitList": function("text text", _split),
    "dict": function("any...", lambda *operands: dict(pairs("dict", operands))),
    "get": function("map text", _get),
    "set": function("map text any", _set),
    "unset": function("map text", _unset),
    "hasKey": function("map text", lambda mapping, key: key in mapping),
    "keys": function("map...", lambda *mappings: [key for mapping in mappings for key in sorted(mapping)]),
    "values": function("map", lambda mapping: [mapping[key] for key in sorted(mapping)]),
    "pick": function("map text...", lambda mapping, *wanted: {k: v for k, v in mapping.items() if k in wanted}),
    "omit": function("map text...", lambda mapping, *gone: {k: v for k, v in mapping.items() if k not in gone}),
    "pluck": function("text any...", _pluck),
    "dig": function("any any any any...", _dig),
    "merge": function("map map...", lambda first, *others: _replaced(first, _merged(first, *others))),
    "mergeOverwrite": function("map map...", lambda *all_of: _replaced(all_of[0], _merged(*reversed(all_of)))),
}
