"""Label and field selectors as query parameters write them. Pure.

Source: Kubernetes, Labels and Selectors; Field Selectors.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Json = dict[str, Any]
Predicate = Callable[[Json], bool]
LabelTest = Callable[[Mapping[str, str]], bool]

_SET_BASED: Final = re.compile(r"^(?P<key>[\w./-]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUALITY: Final = re.compile(r"^(?P<key>[\w./-]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)$")
_EXISTS: Final = re.compile(r"^(?P<absent>!?)\s*(?P<key>[\w./-]+)$")


def label_selector(text: str) -> Predicate:
    """Whether an object's labels meet all of `a=b,c!=d,e in (x,y),f notin (z),g,!h`. Raises `ValueError`."""
    tests = [_label_test(part) for part in _requirements(text)]

    def selects(raw: Json) -> bool:
        labels = raw["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return selects


def field_selector(text: str) -> Predicate:
    """Whether an object's fields meet all of `metadata.name=a,status.phase!=Running`. Raises `ValueError`."""
    wanted: list[tuple[list[str], bool, str]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([\w.]+)(==|=|!=)(.*)", part)
        if found is None:
            raise ValueError(f"invalid field selector {part!r}: write field=value or field!=value")
        wanted.append((found[1].split("."), found[2] != "!=", found[3]))

    def selects(raw: Json) -> bool:
        return all((_field(raw, path) == value) is equal for path, equal, value in wanted)

    return selects


def _requirements(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def _label_test(part: str) -> LabelTest:
    if found := _SET_BASED.match(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY.match(part):
        key, value = found["key"], found["value"]
        if found["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(part):
        key, absent = found["key"], bool(found["absent"])
        return lambda labels: (key in labels) is not absent
    raise ValueError(f"invalid label selector {part!r}: write key=value, key!=value, key in (a,b), key or !key")


def _field(raw: Json, path: list[str]) -> str:
    value: Any = raw
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
