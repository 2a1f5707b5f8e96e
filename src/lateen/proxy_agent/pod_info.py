"""The pod's labels and annotations, from the files of the downward API, and its addresses. Pure: text in, value out.

A line is `key="value"`, the value quoted as Go quotes strings.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}


class PodInfo(NamedTuple):
    """What the pod's object says of itself."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


def parse(text: str) -> dict[str, str]:
    """The map of a downward API file. Raises `ValueError` naming the line."""
    result = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        key, separator, quoted = line.partition("=")
        if not separator or len(quoted) < 2 or quoted[0] != '"' or quoted[-1] != '"':
            raise ValueError(f'line {number}: key="value" is expected')
        try:
            result[key] = _unquote(quoted[1:-1])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return result


def global_addresses(table: str) -> tuple[str, ...]:
    """The IPv6 addresses of the kernel's table of them that are neither for a link nor for this host alone.

    A line is the address in hexadecimal, then the numbers of the interface, of the prefix, of the scope, and others.
    """
    rows = [line.split() for line in table.splitlines()]
    return tuple(str(ip_address(bytes.fromhex(row[0]))) for row in rows if row[3] == "00" and row[5] != "lo")


def _unquote(text: str) -> str:
    if "\\" not in text:
        return text
    result = bytearray()
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char != "\\":
            result += char.encode()
            continue
        kind = text[position : position + 1]
        position += 1
        if kind in _HEX_DIGITS:
            digits = text[position : position + _HEX_DIGITS[kind]]
            position += len(digits)
            code = int(digits, 16)
            # \x gives a byte of the text's encoding, \u and \U a character.
            result += bytes([code]) if kind == "x" else chr(code).encode()
        elif kind in _ESCAPES:
            result += _ESCAPES[kind].encode()
        else:
            raise ValueError(f"unknown escape \\{kind}")
    return result.decode(errors="replace")
