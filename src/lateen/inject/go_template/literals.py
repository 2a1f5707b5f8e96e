"""Constants in Go's notation."""

import re

from lateen.inject.go_template.errors import Source
from lateen.inject.go_template.lexer import Kind, Token

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_NAMED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_LONGEST_NUMBER = 400


def value(source: Source, token: Token) -> str | int | float:
    """The value of a constant. Raises `TemplateError`."""
    try:
        match token.kind:
            case Kind.RAW:
                return token.text[1:-1].replace("\r", "")
            case Kind.STRING:
                return _unescaped(token.text[1:-1])
            case Kind.CHARACTER:
                return ord(_unescaped(token.text[1:-1]))
            case _:
                return _number(token.text)
    except (ValueError, TypeError, OverflowError):
        raise source.error(token.at, f"{token.text[:40]} is not a constant of Go") from None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    byte, short, long, octal, named = found.groups()
    if named is not None:
        if named not in _NAMED:
            raise ValueError
        return _NAMED[named]
    code = int(octal, 8) if octal else int(byte or short or long, 16)
    character = chr(code)
    character.encode()  # half a surrogate pair is no character: a ValueError
    return character


def _number(text: str) -> int | float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError
    digits = text.lstrip("+-").lower()
    if digits.startswith(("0x", "0b", "0o")):
        whole = int(text, 0)
    elif set(digits) & set(".e"):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError
        return number
    else:
        octal = len(digits) > 1 and digits.startswith("0")
        whole = int(text, 8 if octal else 10)
    if not -(2**63) <= whole < 2**64:
        raise ValueError
    return whole
