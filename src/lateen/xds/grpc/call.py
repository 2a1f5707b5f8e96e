"""One gRPC call on the server's side, and what may handle it. Calls are driven by callbacks, so an idle one costs no
task.

A `Handler` is made for each call by the factory registered for its path. What it raises ends the call: a `CallError`
with its own status, anything else as an internal error that is logged.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from urllib.parse import quote

import msgspec

from lateen.xds.grpc.engine import Engine, Headers, Limits, Reset
from lateen.xds.grpc.message import PREFIX_SIZE, Message, MessageReader
from lateen.xds.grpc.status import CallError, Status

_FED: Final = 64 << 10
"""The engine is given so much of a body at a time, so that a slow reader does not hold copies of what others share."""

_OPENING: Final = ((b":status", b"200"), (b"content-type", b"application/grpc"))
_UNESCAPED: Final = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) != "%")


_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end: an address, or the process behind a unix socket.

    `certificate` is what the client of a TLS connection showed and the server has verified, in DER; `uris` are the
    URIs among its alternative names. Both are empty if it was not asked for one.
    """

    address: str
    pid: int | None = None
    uid: int | None = None
    certificate: bytes = b""
    uris: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.address if self.pid is None else f"{self.address} (pid {self.pid}, uid {self.uid})"


class Handler(Protocol):
    """What a call is for."""

    def received(self, message: bytes) -> None:
        """A message of the client, in order."""

    def ended(self) -> None:
        """The client sends no more messages; the handler is expected to finish the call."""

    def lost(self) -> None:
        """The call is over, whoever ended it. Called exactly once, and nothing after it."""


class Carrier(Protocol):
    """What a call needs of its connection."""

    engine: Engine

    def wants_to_send(self, call: "Call") -> None:
        """The call has something to write."""

    def resumed(self, call: "Call") -> None:
        """The call reads again."""

    def abandoned(self, call: "Call") -> None:
        """The call is over, and what it has not sent is not to be sent."""


HandlerFactory = Callable[["Call"], Handler]


class Call:
    """A call: messages in through its handler, messages out through `send`, and one end through `finish`."""

    __slots__ = ("_carrier", "_final", "_given", "_limits", "_opened", "_outbox", "_paused", "_reader", "_seen",
                 "_unread", "_waiting", "handler", "headers", "path", "peer", "stream_id")  # fmt: skip

    def __init__(
        self, carrier: Carrier, stream_id: int, headers: Mapping[str, str], peer: Peer, limits: Limits
    ) -> None:
        self._carrier = carrier
        self.stream_id = stream_id
        self.headers = headers
        self.path = headers.get(":path", "")
        self.peer = peer
        self.handler: Handler | None = None
        self._reader = MessageReader(limits.max_message_bytes)
        self._limits = limits
        self._outbox: deque[bytes | memoryview] = deque()
        self._waiting = 0
        self._given = 0
        self._seen = (-1, 0.0)
        self._opened = False
        self._final: Headers | None = None
        self._paused = False
        self._unread: deque[tuple[bytes, int, bool]] = deque()

    # for handlers

    def send(self, message: Message) -> None:
        """Send one message. Nothing is sent after `finish`."""
        if self._final is not None:
            return
        self._outbox.extend(message.pieces)
        self._waiting += PREFIX_SIZE + message.size
        if self._waiting > self._limits.max_unsent_bytes:
            self.abandon(Status.RESOURCE_EXHAUSTED, f"{self._waiting} bytes wait to be read")
        else:
            self._carrier.wants_to_send(self)

    def finish(self, status: Status = Status.OK, message: str = "") -> None:
        """End the call, after what has been sent. Only the first end counts."""
        if self._final is not None:
            return
        trailers = [(b"grpc-status", str(int(status)).encode())]
        if message:
            trailers.append((b"grpc-message", quote(message, safe=_UNESCAPED).encode()))
        self._final = trailers
        self._carrier.wants_to_send(self)

    def abandon(self, status: Status, message: str) -> None:
        """End the call without what has not been sent yet.

        A client that has been sent nothing is told the status; one that has is told by HTTP/2 that it went too far.
        """
        self._outbox.clear()
        self._waiting = 0
        if not self._opened:
            self.finish(status, message)
        elif self._final is None or self.queued_in_engine:
            self._final = ()
            self._carrier.engine.reset(self.stream_id, Reset.CALM)
            self._carrier.abandoned(self)

    @property
    def timeout(self) -> float | None:
        """How many seconds the client gives the call; None if it does not say. Raises `CallError` if it is unclear."""
        text = self.headers.get("grpc-timeout")
        if text is None:
            return None
        found = _TIMEOUT.fullmatch(text)
        if found is None:
            raise CallError(Status.INTERNAL, f"grpc-timeout {text!r} is not 1 to 8 digits and one of H, M, S, m, u, n")
        return int(found[1]) * _UNITS[found[2]]

    @property
    def unsent(self) -> bool:
        """Something waits for the client to read it."""
        return bool(self._outbox) or self.queued_in_engine > 0

    @property
    def queued_in_engine(self) -> int:
        """How many bytes the engine holds for this call alone."""
        return self._carrier.engine.queued(self.stream_id)

    def pause(self) -> None:
        """Take no more messages for now; the client may send as much as its window allows, and no more."""
        self._paused = True

    def resume(self) -> None:
        """Take messages again."""
        self._paused = False
        self._carrier.resumed(self)

    # for the connection

    def read_on(self) -> None:
        """Take what came in while the call was paused."""
        while self._unread and not self._paused:
            self._read(*self._unread.popleft())

    def body(self, data: bytes, size: int, ended: bool) -> None:
        """A piece of the client's body."""
        if self._paused:
            self._unread.append((data, size, ended))
        else:
            self._read(data, size, ended)

    def _read(self, data: bytes, size: int, ended: bool) -> None:
        if size:
            self._carrier.engine.consumed(self.stream_id, size)
        if self._final is not None or self.handler is None:
            return
        for message in self._reader.feed(data) if data else ():
            self.handler.received(message)
            if self._final is not None:
                return
        if ended:
            if self._reader.incomplete:
                raise CallError(Status.INTERNAL, "the client's last message is incomplete")
            self.handler.ended()

    def pump(self) -> bool:
        """Give the engine as much as it should have at a time. True once everything has been given to it."""
        engine = self._carrier.engine
        if not self._opened:
            self._opened = True
            if not self._outbox and self._final is not None:
                engine.respond(self.stream_id, (*_OPENING, *self._final), True)
                return True
            engine.respond(self.stream_id, _OPENING, False)
        while self._outbox:
            room = _FED - engine.queued(self.stream_id)
            if room <= 0:
                return False
            piece = self._outbox.popleft()
            if len(piece) > room:
                self._outbox.appendleft(memoryview(piece)[room:])
                piece = memoryview(piece)[:room]
            self._given += len(piece)
            self._waiting -= len(piece)
            engine.send(self.stream_id, piece)
        if self._final is not None:
            engine.trailers(self.stream_id, self._final)
        return True

    def stalled(self, now: float) -> bool:
        """True if for `stalled_after` seconds, as seen at each call, the client took nothing of what waits for it."""
        taken = self._given - self.queued_in_engine
        if taken != self._seen[0] or not self.unsent:
            self._seen = taken, now
        return now - self._seen[1] > self._limits.stalled_after

    @property
    def finished(self) -> bool:
        """The call has been ended from here."""
        return self._final is not None


def unary(answer: Callable[[bytes, Call], bytes]) -> HandlerFactory:
    """The factory for calls of one request and one response."""
    return lambda call: _Unary(call, answer)


class _Unary:
    def __init__(self, call: Call, answer: Callable[[bytes, Call], bytes]) -> None:
        self._call = call
        self._answer = answer
        self._request: bytes | None = None

    def received(self, message: bytes) -> None:
        if self._request is not None:
            raise CallError(Status.INTERNAL, "more than one message in a unary call")
        self._request = message

    def ended(self) -> None:
        if self._request is None:
            raise CallError(Status.INTERNAL, "no message in a unary call")
        self._call.send(Message(self._answer(self._request, self._call)))
        self._call.finish()

    def lost(self) -> None:
        pass
