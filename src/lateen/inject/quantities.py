"""Kubernetes quantities such as `100m` and `1.5Gi`, and their canonical text."""

import re
from decimal import Decimal, InvalidOperation

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?\d+))?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def is_quantity(text: str) -> bool:
    """Whether Kubernetes reads the text as a quantity."""
    return _FORM.fullmatch(text) is not None


def canonical(value: str | int | float) -> str:
    """The same amount with the largest suffix of its family that leaves a whole number; text that is none stays."""
    text = str(value)
    found = _FORM.fullmatch(text)
    if found is None:
        return text
    number, suffix, exponent = found.groups()
    try:
        amount = Decimal(number)
    except InvalidOperation:
        return text
    if amount == 0:
        return "0"
    if suffix in _BINARY[1:]:
        return _binary(amount * 1024 ** _BINARY.index(suffix))
    scaled = amount.scaleb(int(exponent) if exponent else _DECIMAL[suffix or ""])
    return _exponent(scaled) if exponent else _decimal(scaled)


def _binary(amount: Decimal) -> str:
    # Fractions of a byte are not kept apart: they are shown as a decimal quantity.
    if amount != amount.to_integral_value():
        return _decimal(amount)
    whole, power = int(amount), 0
    while whole % 1024 == 0 and power + 1 < len(_BINARY):
        whole, power = whole // 1024, power + 1
    return f"{whole}{_BINARY[power]}"


def _decimal(amount: Decimal) -> str:
    for suffix, exponent in reversed(_DECIMAL.items()):
        scaled = amount.scaleb(-exponent)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int(amount.scaleb(9).to_integral_value(rounding='ROUND_UP'))}n"


def _exponent(amount: Decimal) -> str:
    for exponent in range(18, -12, -3):
        scaled = amount.scaleb(-exponent)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}e{exponent}" if exponent else str(int(scaled))
    return _decimal(amount)
