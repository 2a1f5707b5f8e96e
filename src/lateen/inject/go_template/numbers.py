"""Sprig's functions of numbers: whole ones have 64 bits, as in Go."""

from collections.abc import Callable
from typing import Any

from lateen.inject.go_template.errors import Refused
from lateen.inject.go_template.functions import Functions, function
from lateen.inject.go_template.records import Record

_HALF = 2**63
_LONGEST = 400


def whole(value: Any) -> int:
    """A number out of anything: text that is none counts as 0, as in sprig."""
    if isinstance(value, str):
        value = value.strip()[:_LONGEST]
        try:
            return wrapped(int(value, 10))
        except ValueError:
            return wrapped(_truncated(fraction(value)))
    if isinstance(value, bool | int):
        return wrapped(int(value))
    return _truncated(value) if isinstance(value, float) else 0


def fraction(value: Any) -> float:
    """A float out of anything: text that is none counts as 0."""
    if isinstance(value, list | dict | Record) or value is None:
        return 0.0
    try:
        return float(value)
    except (ValueError, OverflowError):
        return 0.0


def wrapped(number: int) -> int:
    return (number + _HALF) % (2 * _HALF) - _HALF


def _truncated(number: float) -> int:
    return wrapped(int(number)) if abs(number) < _HALF else 0


def _of_whole(call: Callable[[int, int], int]) -> Callable[..., int]:
    def folded(first: Any, *others: Any) -> int:
        total = whole(first)
        for other in others:
            total = wrapped(call(total, whole(other)))
        return total

    return folded


def _divided(left: int, right: int) -> int:
    if right == 0:
        raise Refused("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _rounded(call: Callable[[float], float]) -> Callable[[Any], float]:
    return lambda value: float(call(fraction(value)))


NUMBERS: Functions = {
    "int": function("any", whole),
    "int64": function("any", whole),
    "float64": function("any", fraction),
    "atoi": function("text", whole),
    "add": function("any...", lambda *operands: _of_whole(lambda a, b: a + b)(0, *operands)),
    "add1": function("any", lambda value: wrapped(whole(value) + 1)),
    "sub": function("any any", _of_whole(lambda a, b: a - b)),
    "mul": function("any any...", _of_whole(lambda a, b: a * b)),
    "div": function("any any", _of_whole(_divided)),
    "mod": function("any any", _of_whole(lambda a, b: a - b * _divided(a, b))),
    "max": function("any any...", lambda *operands: max(map(whole, operands))),
    "min": function("any any...", lambda *operands: min(map(whole, operands))),
    "floor": function("any", _rounded(lambda value: value // 1)),
    "ceil": function("any", _rounded(lambda value: -(-value // 1))),
}
