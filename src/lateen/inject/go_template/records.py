"""Records: JSON objects seen through a table of Go's field names. What is not in the table cannot be reached."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.suggestions import known


class Texts(dict[str, str]):
    """Texts by name, such as labels: a name that is missing stands for an empty text."""


class Field(msgspec.Struct, frozen=True):
    """Where a field's value is, and what it is.

    Kinds: `text`, `int`, `bool`, `any` (plain values), `texts` (`Texts`), else the name of a record type; `pointer`
    means that a missing value is nil, `many` a list of them.
    """

    key: str
    kind: str
    pointer: bool = False
    many: bool = False


class Types:
    """Tables of fields by type.

    A table is words: `Name` is a text under `name`, `Replicas:int` says the kind, `HTTPGet=httpGet` the key; `*Probe`
    is a pointer, `[Container]` a list.
    """

    def __init__(self, tables: Mapping[str, str]) -> None:
        self._types = {name: dict(map(_field, table.split())) for name, table in tables.items()}

    def record(self, name: str, data: Mapping[str, Any] | None) -> "Record":
        """Data as a type; None is a nil pointer to it."""
        return Record(self, name, data)

    def fields(self, name: str) -> Mapping[str, Field]:
        return self._types[name]


class Record:
    """One object of such a type. Its only contents are those that `get` finds by the table."""

    __slots__ = ("_types", "data", "name")

    def __init__(self, types: Types, name: str, data: Mapping[str, Any] | None) -> None:
        self._types = types
        self.name = name
        self.data = data

    def get(self, field: str) -> Any:
        """A field's value; `GetX` is field X, and allowed on nil. Raises `Refused` for names that the type lacks."""
        fields = self._types.fields(self.name)
        name = field.removeprefix("Get") if field not in fields else field
        found = fields.get(name)
        if found is None:
            raise Refused(f"{self.name} has no field {field}; {known(field, fields)}")
        if self.data is None and name == field:
            raise Refused(f"cannot read {field} of a {self.name} that is not set (nil); ask for it with `with` before")
        return self._value(found, (self.data or {}).get(found.key))

    def _value(self, field: Field, value: Any) -> Any:
        if field.many:
            items = value if isinstance(value, list | tuple) else ()
            return [self._one(field, item) for item in items]
        return self._one(field, value)

    def _one(self, field: Field, value: Any) -> Any:
        match field.kind:
            case "text":
                return "" if value is None else value
            case "int":
                return 0 if value is None else value
            case "bool":
                return False if value is None else value
            case "texts":
                return Texts(value if isinstance(value, Mapping) else {})
            case "any":
                return value
            case _:
                data = value if isinstance(value, Mapping) else None
                return Record(self._types, field.kind, data if field.pointer else data or {})


def _field(word: str) -> tuple[str, Field]:
    named, _, kind = word.partition(":")
    name, _, key = named.partition("=")
    many, pointer = kind.startswith("["), kind.startswith("*")
    return name, Field(key or name[0].lower() + name[1:], kind.strip("[]*") or "text", pointer, many)
