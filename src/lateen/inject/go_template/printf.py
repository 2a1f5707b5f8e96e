"""Go's `printf`, and what it writes where a verb and its value do not fit."""

import json
import re
from typing import Any

from lateen.inject.go_template import values
from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.records import Record

_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+)?)?(.)?", re.DOTALL)
_HAS_PRECISION = re.compile(r"\.(\d+)?")
_WIDEST = 200
_DEFAULT_PRECISION = 6


def printf(form: str, *operands: Any) -> str:
    """The form with its verbs filled. Raises `Refused` for a width or precision above 200."""
    rest = list(operands)

    def filled(found: re.Match[str]) -> str:
        flags, width, _, verb = found.groups()
        if verb == "%":
            return "%"
        if verb is None:
            return "%!(NOVERB)"
        if not rest:
            return f"%!{verb}(MISSING)"
        precision = _precision(found.group())
        return _padded(_one(verb, flags, precision, rest.pop(0)), flags, _bounded(width), verb)

    text = _VERB.sub(filled, form)
    if rest:
        text += "%!(EXTRA " + ", ".join(f"{_type(value)}={values.text(value)}" for value in rest) + ")"
    return text


def _bounded(digits: str | None) -> int:
    if not digits:
        return 0
    if len(digits) > len(str(_WIDEST)) or int(digits) > _WIDEST:
        raise Refused(f"printf: a width or precision may be {_WIDEST}, not {digits[:20]}")
    return int(digits)


def _precision(verb: str) -> int | None:
    found = _HAS_PRECISION.search(verb[:-1])
    return _bounded(found.group(1)) if found else None


def _padded(text: str, flags: str, width: int, verb: str) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and verb in "dboxXfFeEgGvsq":
        sign = text[0] if text[:1] in ("+", "-") and verb not in "sq" else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _one(verb: str, flags: str, precision: int | None, value: Any) -> str:
    if verb == "v":
        return _go_syntax(value) if "#" in flags else _signed(values.text(value), flags, value)
    if verb == "T":
        return _type(value)
    if isinstance(value, bool):
        return values.text(value) if verb == "t" else _wrong(verb, value)
    if isinstance(value, int):
        return _whole(verb, flags, value)
    if isinstance(value, float):
        return _float(verb, flags, precision, value)
    if isinstance(value, str):
        return _text(verb, precision, value)
    if value is not None and verb in "sqdxX":
        return _of_parts(verb, flags, precision, value)
    return _wrong(verb, value)


def _of_parts(verb: str, flags: str, precision: int | None, value: Any) -> str:
    """A list or mapping: the verb goes to what is in it."""
    inner = value.data if isinstance(value, Record) else value
    if isinstance(inner, dict):
        shown = (f"{_one(verb, flags, precision, k)}:{_one(verb, flags, precision, inner[k])}" for k in sorted(inner))
        return "map[" + " ".join(shown) + "]"
    return "[" + " ".join(_one(verb, flags, precision, item) for item in inner or ()) + "]"


def _whole(verb: str, flags: str, value: int) -> str:
    if verb == "c":
        return chr(value) if 0 <= value < 0xD800 or 0xE000 <= value < 0x110000 else "\ufffd"
    if verb == "q":
        return f"'{_whole('c', '', value)}'"
    if verb == "U":
        return f"U+{value:04X}"
    if verb not in "dboxX":
        return _wrong(verb, value)
    prefix = {"x": "0x", "X": "0X", "b": "0b", "o": "0"}.get(verb, "") if "#" in flags else ""
    return _signed(("-" if value < 0 else "") + prefix + format(abs(value), verb), flags, value)


def _float(verb: str, flags: str, precision: int | None, value: float) -> str:
    if verb not in "feEgGF":
        return _wrong(verb, value)
    if verb in "gG" and precision is None:
        return _signed(values.shortest(value), flags, value)
    return _signed(format(value, f".{_DEFAULT_PRECISION if precision is None else precision}{verb}"), flags, value)


def _text(verb: str, precision: int | None, value: str) -> str:
    cut = value if precision is None else value[:precision]
    match verb:
        case "s":
            return cut
        case "q":
            return quoted(cut)
        case "x" | "X":
            return cut.encode().hex().upper() if verb == "X" else cut.encode().hex()
    return _wrong(verb, value)


def quoted(text: str) -> str:
    """Text in double quotes, escaped as Go escapes it."""
    return json.dumps(text, ensure_ascii=False)


def _signed(text: str, flags: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return text
    return "+" + text if "+" in flags else " " + text if " " in flags else text


def _go_syntax(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else values.text(value)


def _wrong(verb: str, value: Any) -> str:
    return f"%!{verb}({_type(value)}={values.text(value)})" if value is not None else f"%!{verb}(<nil>)"


def _type(value: Any) -> str:
    """Go's name of a value's type."""
    if isinstance(value, Record):
        return value.name
    for kind, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "float64"),
        (str, "string"),
        (dict, "map[string]interface {}"),
    ):
        if isinstance(value, kind):
            return name
    return "<nil>" if value is None else "[]interface {}"
