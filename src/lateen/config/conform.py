"""A plain mapping held against the struct it should become: every problem at once, and a cleaned copy.

The slow path of `convert`, taken when msgspec refuses a mapping, as msgspec stops at the first problem. Cleaning brings
what protobuf's JSON allows (snake_case names, numbers as text, enums by number, null for "unset") into the one form
that msgspec takes. Types are described by `msgspec.inspect`, so that the structs stay the single source.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from lateen.config.problems import Path, Problem
from lateen.config.values import Duration, IstioMessage

_FEW_FIELDS = 12


class _Field(msgspec.Struct, frozen=True):
    name: str
    type: inspect.Type
    required: bool


class _Shape(msgspec.Struct, frozen=True):
    """What a struct takes, by the names of its fields in JSON; `forbids` unknown ones."""

    title: str
    forbids: bool
    fields: dict[str, _Field]
    aliases: dict[str, str]


@cache
def _shape(struct: type) -> _Shape:
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    fields = {field.encode_name: _Field(field.encode_name, field.type, field.required) for field in described.fields}
    is_protobuf = issubclass(struct, IstioMessage)
    snake = {field.name.rstrip("_"): field.encode_name for field in described.fields} if is_protobuf else {}
    return _Shape(struct.__name__, described.forbid_unknown_fields, fields, snake)


_WRONG = object()
"""Stands for a value that cannot be used, until the mapping around it is made without it."""


def conform(raw: Mapping[str, Any], struct: type) -> tuple[dict[str, Any], list[Problem]]:
    """The mapping, cleaned, and all that is wrong with it, in the order written.

    The copy is without what is wrong: fields, entries of maps, whole lists. It converts, unless a required field is
    missing.
    """
    walk = _Walk()
    return walk.struct(raw, _shape(struct), ()), walk.problems


class _Walk:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def struct(self, raw: Mapping[str, Any], shape: _Shape, path: Path) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, value in raw.items():
            name = key if key in shape.fields else shape.aliases.get(key)
            if name is None:
                if shape.forbids:
                    self._report((*path, key), _unknown_field(key, shape))
            elif name in cleaned:
                self._report((*path, key), f"`{name}` is given twice, under two spellings; keep one")
            elif value is not None:
                cleaned[name] = self.value(value, shape.fields[name].type, (*path, key))
        for field in shape.fields.values():
            if field.required and field.name not in cleaned:
                self._report((*path, field.name), "missing; it is required")
        return {name: value for name, value in cleaned.items() if value is not _WRONG}

    def value(self, value: Any, kind: inspect.Type, path: Path) -> Any:
        match kind:
            case inspect.UnionType():
                return self._union(value, kind, path)
            case inspect.StructType():
                if isinstance(value, Mapping):
                    return self.struct(value, _shape(kind.cls), path)
                return self._expected("a mapping", value, path)
            case inspect.DictType():
                return self._dict(value, kind, path)
            case inspect.VarTupleType():
                return self._list(value, kind, path)
            case inspect.EnumType():
                return self._enum(value, kind.cls, path)
            case inspect.AnyType():
                return value
            case _:
                return self._scalar(value, kind, path)

    def _union(self, value: Any, kind: inspect.UnionType, path: Path) -> Any:
        """Either `T | None`, or a number or text."""
        choices = [choice for choice in kind.types if not isinstance(choice, inspect.NoneType)]
        if len(choices) == 1:
            return self.value(value, choices[0], path)
        if isinstance(value, int | str) and not isinstance(value, bool):
            return value
        return self._expected("a number or text", value, path)

    def _list(self, value: Any, kind: inspect.VarTupleType, path: Path) -> Any:
        """The whole list is wrong if an item is: the others would seem to be at other positions."""
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return self._expected("a list (each item on a line of its own after `- `)", value, path)
        items = [self.value(item, kind.item_type, (*path, i)) for i, item in enumerate(value)]
        return _WRONG if any(item is _WRONG for item in items) else items

    def _dict(self, value: Any, kind: inspect.DictType, path: Path) -> Any:
        if not isinstance(value, Mapping):
            return self._expected("a mapping", value, path)
        entries = {key: self.value(item, kind.value_type, (*path, key)) for key, item in value.items()}
        return {key: item for key, item in entries.items() if item is not _WRONG}

    def _enum(self, value: Any, enum: Any, path: Path) -> Any:
        names = [str(member) for member in enum]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        if isinstance(value, str) and value in names:
            return value
        return self._expected(f"one of {', '.join(names)}", value, path)

    def _scalar(self, value: Any, kind: inspect.Type, path: Path) -> Any:
        match kind:
            case inspect.StrType():
                if isinstance(value, str):
                    return value
                hint = " in quotes" if isinstance(value, int | float) else ""
                return self._expected(f"text{hint}", value, path)
            case inspect.BoolType():
                return value if isinstance(value, bool) else self._expected("true or false", value, path)
            case inspect.IntType():
                return self._integer(value, kind, path)
            case inspect.FloatType():
                return self._float(value, path)
            case inspect.CustomType():
                return self._duration(value, path)
            case inspect.BytesType():
                return self._bytes(value, path)
            case inspect.DateTimeType():
                return self._datetime(value, path)
        raise TypeError(f"no rule for {kind}")

    def _integer(self, value: Any, kind: inspect.IntType, path: Path) -> Any:
        number = value
        is_text = isinstance(value, str) and value.removeprefix("-").isdecimal()
        if is_text or (isinstance(value, float) and value.is_integer()):
            number = int(value)
        if not isinstance(number, int) or isinstance(number, bool):
            return self._expected("a whole number", value, path)
        if kind.ge is not None and number < kind.ge:
            return self._expected(f"at least {kind.ge}", value, path)
        if kind.lt is not None and number >= kind.lt:
            return self._expected(f"less than {kind.lt}", value, path)
        return number

    def _float(self, value: Any, path: Path) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        try:
            return float(value) if isinstance(value, str) else self._expected("a number", value, path)
        except ValueError:
            return self._expected("a number", value, path)

    def _duration(self, value: Any, path: Path) -> Any:
        if not isinstance(value, str):
            return self._expected("a duration with a unit, such as `10s`", value, path)
        try:
            Duration.parse(value)
        except ValueError as error:
            self._report(path, str(error))
            return _WRONG
        return value

    def _bytes(self, value: Any, path: Path) -> Any:
        try:
            b64decode(value, validate=True)
        except (ValueError, TypeError):
            return self._expected("bytes in base64", value, path)
        return value

    def _datetime(self, value: Any, path: Path) -> Any:
        try:
            datetime.fromisoformat(value)
        except (ValueError, TypeError):
            return self._expected("a time such as `2024-01-31T12:00:00Z`", value, path)
        return value

    def _expected(self, what: str, value: Any, path: Path) -> Any:
        self._report(path, f"must be {what}, not {_shown(value)}")
        return _WRONG

    def _report(self, path: Path, message: str) -> None:
        self.problems.append(Problem(path, message))


def _shown(value: Any) -> str:
    match value:
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
        case _:
            return str(value)


def _unknown_field(key: str, shape: _Shape) -> str:
    near = nearest(key, list(shape.fields))
    if near:
        return f"unknown field; did you mean `{near}`?"
    if len(shape.fields) <= _FEW_FIELDS:
        return f"unknown field; {shape.title} has {', '.join(shape.fields)}"
    return f"unknown field: {shape.title} has none of this name"


def nearest(word: str, words: Sequence[str], alike: float = 0.7) -> str | None:
    """The known word that the unknown one most likely stands for, whatever its case; from 0 to 1 at least so alike."""
    lowered = {known.lower(): known for known in words}
    found = get_close_matches(word.lower().replace("_", ""), lowered, n=1, cutoff=alike)
    return lowered[found[0]] if found else None
