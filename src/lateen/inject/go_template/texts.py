"""Sprig's functions of texts."""

from collections.abc import Callable
from typing import Any

from lateen.inject.go_template import values
from lateen.inject.go_template.errors import Exhausted
from lateen.inject.go_template.functions import Functions, function
from lateen.inject.go_template.printf import quoted

_LONGEST = 1_000_000


def bounded(characters: int) -> None:
    """Raises `Exhausted` before a text of that size is made."""
    if characters > _LONGEST:
        raise Exhausted(f"a text of {characters} characters is longer than the {_LONGEST} that it may have")


def strval(value: Any) -> str:
    """A value as sprig makes a text of it."""
    return values.text(value)


def indented(spaces: int, text: str, first: bool = True) -> str:
    """Every line that many blanks further in, the first one too unless told otherwise."""
    bounded(len(text) + max(spaces, 0) * (text.count("\n") + 1))
    moved = text.replace("\n", "\n" + " " * spaces)
    return " " * spaces + moved if first else moved


def _replace(old: str, new: str, text: str) -> str:
    bounded(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _repeat(count: int, text: str) -> str:
    bounded(max(count, 0) * len(text))
    return text * count


def _quote(mark: Callable[[str], str]) -> Callable[..., str]:
    return lambda *operands: " ".join(mark(strval(operand)) for operand in operands if operand is not None)


def _trunc(length: int, text: str) -> str:
    return text[:length] if length >= 0 else text[length:]


def _substr(start: int, end: int, text: str) -> str:
    if start < 0:
        return text[: max(end, 0)]
    return text[start:] if end < 0 or end > len(text) else text[start:end]


TEXTS: Functions = {
    "upper": function("text", str.upper),
    "lower": function("text", str.lower),
    "title": function("text", lambda text: " ".join(word[:1].upper() + word[1:] for word in text.split(" "))),
    "trim": function("text", str.strip),
    "trimAll": function("text text", lambda characters, text: text.strip(characters) if characters else text),
    "trimPrefix": function("text text", lambda prefix, text: text.removeprefix(prefix)),
    "trimSuffix": function("text text", lambda suffix, text: text.removesuffix(suffix)),
    "replace": function("text text text", _replace),
    "repeat": function("int text", _repeat),
    "trunc": function("int text", _trunc),
    "substr": function("int int text", _substr),
    "nospace": function("text", lambda text: "".join(text.split())),
    "contains": function("text text", lambda needle, haystack: needle in haystack),
    "hasPrefix": function("text text", lambda prefix, text: text.startswith(prefix)),
    "hasSuffix": function("text text", lambda suffix, text: text.endswith(suffix)),
    "quote": function("any...", _quote(quoted)),
    "squote": function("any...", _quote(lambda text: f"'{text}'")),
    "cat": function("any...", lambda *operands: " ".join(strval(o) for o in operands if o is not None)),
    "indent": function("int text", indented),
    "nindent": function("int text", lambda spaces, text: "\n" + indented(spaces, text)),
    "toString": function("any", strval),
}
