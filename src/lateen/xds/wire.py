"""Discovery responses as bytes: bodies that responses share, encoded once, and a small tail for each.

A serialised protobuf message may be put together from the serialised fields in any order and any grouping, so a
response is the concatenation of bodies (the repeated `resources`) and a tail (everything else).
Field numbers are those of envoy.service.discovery.v3.
"""

from collections.abc import Callable, Iterable
from typing import Final

from lateen.xds.resource import Resource

Encoder = Callable[[str, Iterable[Resource]], bytes]
"""Resources of a type as they stand in a response of one variant."""

_LENGTH_DELIMITED: Final = 2
_SMALL: Final = tuple(bytes((value,)) for value in range(0x80))


def _varint(value: int) -> bytes:
    if value < 0x80:
        return _SMALL[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _header(number: int, size: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _field(number: int, payload: bytes) -> bytes:
    return _header(number, len(payload)) + payload


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode()) if text else b""


def version_text(version: bytes) -> str:
    """How a version is written in requests and responses."""
    return version.hex()


def delta_resources(type_url: str, resources: Iterable[Resource]) -> bytes:
    """Field 2 (`resources`) of a delta response: `Resource{version = 1, resource = 2, name = 3}` each."""
    pieces: list[bytes] = []
    for resource in resources:
        size, any_head = _any_head(type_url, resource)
        before = _text(1, version_text(resource.version)) + _header(2, size + len(any_head)) + any_head
        after = _text(3, resource.name)
        pieces += (_header(2, len(before) + size + len(after)), before, *resource.pieces, after)
    return b"".join(pieces)


def world_resources(type_url: str, resources: Iterable[Resource]) -> bytes:
    """Field 2 (`resources`) of a state-of-the-world response: an `Any` each."""
    pieces: list[bytes] = []
    for resource in resources:
        size, any_head = _any_head(type_url, resource)
        pieces += (_header(2, size + len(any_head)), any_head, *resource.pieces)
    return b"".join(pieces)


def tail(type_url: str, version: str, nonce: str, removed: Iterable[str] = ()) -> bytes:
    """Everything of a response but its resources; only the delta variant has the list of what is removed.

    Field numbers are the same in both: version 1, type URL 4, nonce 5; `removed_resources` is 6.
    """
    fields = (_text(1, version), _text(4, type_url), _text(5, nonce))
    return b"".join((*fields, *[_text(6, name) for name in removed]))


def _any_head(type_url: str, resource: Resource) -> tuple[int, bytes]:
    """The size of the resource's value, and what stands before it in an `Any{type_url = 1, value = 2}`."""
    size = sum(map(len, resource.pieces))
    return size, _text(1, type_url) + (_header(2, size) if size else b"")
