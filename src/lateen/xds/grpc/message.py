"""Length-prefixed messages, as gRPC puts them into the body of an HTTP/2 stream: a flag, a length, the message."""

import struct
from collections.abc import Sequence
from typing import Final

from lateen.xds.grpc.status import CallError, Status

_PREFIX: Final = struct.Struct("!BI")
PREFIX_SIZE: Final = _PREFIX.size
_JOINED: Final = 16 << 10
"""Messages up to this size are made one piece; the pieces of larger ones are not copied together."""


class Message:
    """A message made ready to be written, with its prefix, once for all calls that send it; `size` is without.

    What it consists of may be shared with other messages.
    """

    __slots__ = ("pieces", "size")

    def __init__(self, *pieces: bytes) -> None:
        self.size = sum(map(len, pieces))
        whole = (_PREFIX.pack(0, self.size), *pieces)
        self.pieces: Sequence[bytes] = (b"".join(whole),) if self.size <= _JOINED else tuple(filter(None, whole))

    @property
    def body(self) -> bytes:
        """The message itself, joined."""
        return b"".join(self.pieces)[_PREFIX.size :]


class MessageReader:
    """Cuts a body into messages of at most `max_bytes` each."""

    __slots__ = ("_buffer", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. Raises `CallError` for one that is too large or compressed."""
        if not self._buffer and len(data) >= _PREFIX.size:
            flag, size = _PREFIX.unpack_from(data)
            self._check(flag, size)
            if len(data) == _PREFIX.size + size:  # nearly always
                return [data[_PREFIX.size :]]
        self._buffer += data
        return self._cut()

    @property
    def incomplete(self) -> bool:
        """A message has begun and not ended."""
        return bool(self._buffer)

    def _cut(self) -> list[bytes]:
        messages: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _PREFIX.size:
            flag, size = _PREFIX.unpack_from(self._buffer, start)
            self._check(flag, size)
            end = start + _PREFIX.size + size
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[start + _PREFIX.size : end]))
            start = end
        del self._buffer[:start]
        return messages

    def _check(self, flag: int, size: int) -> None:
        if flag == 1:
            raise CallError(Status.UNIMPLEMENTED, "compressed messages are not supported; send identity encoding")
        if flag != 0:
            raise CallError(Status.INTERNAL, f"flag {flag} before a message; 0 was expected")
        if size > self._max_bytes:
            raise CallError(
                Status.RESOURCE_EXHAUSTED, f"message of {size} bytes is larger than the limit of {self._max_bytes}"
            )
