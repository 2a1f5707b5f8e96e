"""Frozen values that cost nothing to declare: `dataclasses` would take a third of the time that the program has.

A subclass lists its fields as annotations, with defaults; two values are equal when their types and fields are.
"""

from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """Base of the package's values."""

    _names: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls._names = cls.__match_args__ = tuple(cls.__annotations__)  # type: ignore[attr-defined, misc] # mypy has its own

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self._names, values, strict=False)) | named
        if len(values) > len(self._names) or not given.keys() <= set(self._names):
            raise TypeError(f"{type(self).__name__} has no such fields: {sorted(given)}")
        for name in self._names:
            if name in given:
                self.__dict__[name] = given[name]
            elif not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs the field {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed to {value!r}: it is a frozen value")

    def replaced(self, **changes: Any) -> Self:
        """The same value with other fields."""
        return type(self)(**{**self.__dict__, **changes})

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and type(other) is type(self) and other._fields() == self._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names)
        return f"{type(self).__name__}({shown})"
