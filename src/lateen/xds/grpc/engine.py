"""What the gRPC layer needs of an HTTP/2 engine, so that engines can be exchanged. Bytes in, bytes out, no IO.

An engine does all framing, header compression, flow control and validation of one server-side connection. It tells an
`EngineSink` what came in while `receive` runs, and hands out what is to be written when asked.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Protocol

import msgspec

Headers = Iterable[tuple[bytes, bytes]]


class EngineKind(StrEnum):
    """The engines there are."""

    NGH2 = "ngh2"
    H2 = "h2"


class Limits(msgspec.Struct, frozen=True):
    """What a client may ask of one connection. Sizes in bytes, times in seconds.

    A client that reads nothing costs `max_unsent_bytes` for each of its calls, most of them shared with others, until
    `stalled_after`. A connection on which nothing was heard for `ping_after` is asked for a sign of life, and dropped
    without one after `ping_timeout`. One without calls is closed after `idle_after`.
    """

    max_concurrent_streams: int = 100
    max_header_bytes: int = 16 << 10
    max_message_bytes: int = 8 << 20
    stream_window: int = 256 << 10
    connection_window: int = 1 << 20
    max_unsent_bytes: int = 256 << 20
    stalled_after: float = 60.0
    ping_after: float = 30.0
    ping_timeout: float = 20.0
    idle_after: float = 300.0


class Reset(IntEnum):
    """Why a stream is abandoned, in HTTP/2's error codes. gRPC clients make a status of it."""

    COMPLETE = 0x0
    REFUSED = 0x7
    CALM = 0xB


class EngineError(Exception):
    """The connection cannot go on; what the engine still has to say to the client (GOAWAY) may be taken."""


class EngineSink(Protocol):
    """Whoever is told what came in."""

    def request(self, stream_id: int, headers: Headers, ended: bool) -> None:
        """A client opened a stream; `ended` if no body follows."""

    def body(self, stream_id: int, data: bytes, size: int, ended: bool) -> None:
        """A piece of a body. `size` is to be given to `Engine.consumed` once the client may send that much more."""

    def reset(self, stream_id: int) -> None:
        """The stream is over before its time, by the client's wish or by an error in it."""


class Engine(Protocol):
    """One HTTP/2 connection, as a server. Sending to a stream that is over does nothing."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the client. Raises `EngineError`."""

    def take(self, limit: int) -> bytes:
        """At most about `limit` bytes to be written; empty if nothing may be sent now."""

    def respond(self, stream_id: int, headers: Headers, end: bool) -> None:
        """Begin a response; `end` if it has no body and no trailers."""

    def send(self, stream_id: int, data: bytes | memoryview) -> None:
        """Add to a response's body."""

    def queued(self, stream_id: int) -> int:
        """How much of a body waits to be taken. Callers stop adding when it is more than they like."""

    def trailers(self, stream_id: int, headers: Headers) -> None:
        """End a response, after its body."""

    def reset(self, stream_id: int, reason: Reset) -> None:
        """Abandon a stream, with whatever of it has not been taken yet."""

    def consumed(self, stream_id: int, size: int) -> None:
        """Let the client send so much more body."""

    def refuse_new(self) -> None:
        """Tell the client to open no more streams here (GOAWAY). Those that there are go on."""

    def ping(self) -> None:
        """Ask the client for a sign of life."""

    def leave(self) -> None:
        """Let go of the sink, which is told nothing more: neither is kept alive by the other."""

    @property
    def failure(self) -> str:
        """What the client did wrong, if that is why the connection is over; else empty."""

    @property
    def finished(self) -> bool:
        """The connection is over, and everything has been taken."""
