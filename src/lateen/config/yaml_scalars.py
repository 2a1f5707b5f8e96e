"""Plain YAML scalars as Kubernetes reads them: YAML 1.1 booleans and octal numbers, no dates, no base-60 numbers.

`yes`, `on` and `y` are booleans; `017` is 15; `2024-01-01` and `12:30` are text.
"""

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = (
    dict.fromkeys(["", "~", "null", "Null", "NULL"], None)
    | dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True)
    | dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False)
    | dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf)
    | dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf)
    | dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan)
)
_LONGEST_WORD = max(map(len, _WORDS))
_NUMBER_STARTS = frozenset("+-.0123456789")
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*|0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def plain(text: str) -> Scalar:
    """The value of a scalar written without quotes."""
    if len(text) <= _LONGEST_WORD and text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMBER_STARTS else text


def _number(text: str) -> Scalar:
    digits = text.replace("_", "")
    if _OCTAL.fullmatch(digits):
        return int(digits, 8)
    if _INTEGER.fullmatch(digits):
        return int(digits, 0)
    return float(digits) if _FLOAT.fullmatch(digits) else text


def as_key(value: Scalar) -> str:
    """A scalar as the key of a mapping, where JSON allows only text."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
