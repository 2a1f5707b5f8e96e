"""What values are to Go: their truth, how they are shown and compared, and their size.

Values are None (nil), booleans, whole numbers, floats, texts, lists, mappings with text keys and `Record`s.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lateen.inject.go_template.errors import Exhausted, Refused
from lateen.inject.go_template.records import Record

MAX_NESTING = 40
"""Levels of lists and mappings inside each other."""

NO_VALUE = "<no value>"
_TEXT_PER_STEP = 64
_HEAVIEST = 1_000_000
_FIRST_EXPONENT = 6


def truth(value: Any) -> bool:
    """Go's: zero, empty and nil are false, a record is true."""
    return value.data is not None if isinstance(value, Record) else bool(value)


def is_nil(value: Any) -> bool:
    return value is None or (isinstance(value, Record) and value.data is None)


def plain(value: Any) -> Any:
    """The value with its records as what they hold."""
    if isinstance(value, Record):
        return value.data
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """The value as an action shows it."""
    return NO_VALUE if is_nil(value) else text(value)


def text(value: Any) -> str:
    """The value as `print` shows it: `map[a:b]`, `[a b]`, `<nil>`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, Record):
        return text(value.data)
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(text, value)) + "]"
    return str(value)


def shortest(value: float) -> str:
    """A float in the fewest digits that tell it, with an exponent from a million on, as Go's `%v`."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) - 1 + exponent
    if value == 0 or -4 <= power < _FIRST_EXPONENT:
        whole = f"{Decimal(repr(value)):f}"
        return whole.removesuffix(".0")
    first, rest = digits[0], "".join(map(str, digits[1:]))
    mantissa = f"{first}.{rest}" if rest else str(first)
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02}"


def kind_of(value: Any) -> str:
    """A word for what a value is, for messages."""
    if isinstance(value, Record):
        return f"a {value.name}"
    if isinstance(value, Mapping):
        return "a mapping"
    for types, word in _KINDS:
        if isinstance(value, types):
            return word
    return "nil"


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "a boolean"),
    (int | float, "a number"),
    (str, "a text"),
    (list | tuple, "a list"),
)


def equal(left: Any, right: Any) -> bool:
    """Go's `==` of basic values; nil equals nothing but nil. Raises `Refused` for values that do not compare."""
    if is_nil(left) or is_nil(right):
        return is_nil(left) and is_nil(right)
    return bool(compared("eq", left, right) == 0)


def compared(what: str, left: Any, right: Any) -> int:
    """-1, 0 or 1. Raises `Refused` for what is neither two texts nor two numbers; booleans only know `eq` and `ne`."""
    kinds = kind_of(left), kind_of(right)
    if kinds[0] != kinds[1]:
        raise Refused(f"{what} cannot compare {kinds[0]} with {kinds[1]}")
    if kinds[0] not in ("a text", "a number") and not (kinds[0] == "a boolean" and what in ("eq", "ne")):
        raise Refused(f"{what} cannot compare {kinds[0]} with another; it compares texts and numbers")
    return int(left > right) - int(left < right)


def weight(value: Any) -> int:
    """Steps that a value counts for. Raises `Exhausted` for one that is nested too deep."""
    return _weight(value, 0)


def _weight(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return 1 + len(value) // _TEXT_PER_STEP
    if not isinstance(value, list | dict):
        return 1
    if depth >= MAX_NESTING:
        raise Exhausted(f"lists and mappings may be nested {MAX_NESTING} levels deep")
    total = 1
    for item in value.values() if isinstance(value, dict) else value:
        total += _weight(item, depth + 1)
        if total > _HEAVIEST:
            break
    return total
