"""What a function of templates is: a Python function of values, and the kinds of its arguments as words."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lateen.inject.go_template import values
from lateen.inject.go_template.errors import Refused


class Function(msgspec.Struct, frozen=True):
    """`kinds` are words, one an argument: `any`, `text`, `int`, `list` or `map`.

    A word with `?` may be left out; the last one may be `text...` for any number.
    """

    call: Callable[..., Any]
    kinds: tuple[str, ...]

    def __call__(self, name: str, arguments: list[Any]) -> Any:
        """The result. Raises `Refused` for the wrong number or kind of arguments."""
        return self.call(*self._checked(name, arguments))

    def _checked(self, name: str, arguments: list[Any]) -> list[Any]:
        variadic = bool(self.kinds) and self.kinds[-1].endswith("...")
        most = len(self.kinds) - variadic
        least = most - sum(kind.endswith("?") for kind in self.kinds)
        if len(arguments) < least or (len(arguments) > most and not variadic):
            wanted = f"at least {least}" if variadic else str(least) if least == most else f"{least} to {most}"
            raise Refused(f"{name} takes {wanted} arguments, not {len(arguments)}")
        kinds = [*self.kinds[:most], *self.kinds[most:] * max(0, len(arguments) - most)]
        checked = []
        for place, (argument, kind) in enumerate(zip(arguments, kinds, strict=False), 1):
            word = kind.rstrip(".?")
            if not _FITS[word](argument):
                raise Refused(f"{name}: argument {place} is {values.kind_of(argument)}; expected {_WORDS[word]}")
            checked.append(_as(word, argument))
        return checked


Functions = Mapping[str, Function]


def function(kinds: str, call: Callable[..., Any]) -> Function:
    return Function(call, tuple(kinds.split()))


def _as(kind: str, argument: Any) -> Any:
    if kind == "int":
        return int(argument)
    if argument is None and kind == "list":
        return []
    return {} if argument is None and kind == "map" else argument


def _is_whole(value: Any) -> bool:
    """Whether Go could hold it as a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -(2**63) <= value < 2**64 and value == int(value)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "any": lambda _: True,
    "text": lambda value: isinstance(value, str),
    "int": _is_whole,
    "list": lambda value: value is None or isinstance(value, list | tuple),
    "map": lambda value: value is None or isinstance(value, dict),
}
_WORDS = {"text": "a text", "int": "a whole number", "list": "a list", "map": "a mapping"}
