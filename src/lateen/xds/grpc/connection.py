"""One client connection: an asyncio protocol between a transport, an HTTP/2 engine and calls.

Back-pressure: while the transport's buffer is full nothing is taken from the engine, and nothing is read from the
client either, since what it sends asks for answers. A call gives the engine a little at a time (see `Call.pump`), so
what waits for a slow reader are references to shared bytes, and not for ever (see `Limits`).
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from typing import Final, cast

from lateen.xds.grpc.call import Call, HandlerFactory, Peer
from lateen.xds.grpc.engine import Engine, EngineError, EngineKind, Headers, Limits, Reset
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.grpc.turns import Turns

_log = logging.getLogger(__name__)

_CHUNK: Final = 64 << 10
_NOT_GRPC: Final = ((b":status", b"415"),)


def new_engine(kind: EngineKind, sink: "GrpcConnection", limits: Limits) -> Engine:
    """The engine of that kind, for one connection. Only the one that is used is imported."""
    if kind is EngineKind.NGH2:
        from lateen.xds.grpc.ngh2_engine import Ngh2Engine

        return Ngh2Engine(sink, limits)
    from lateen.xds.grpc.h2_engine import H2Engine

    return H2Engine(sink, limits)


class _Times:
    """When a connection was last seen to be heard of, to have calls, and to take what is written."""

    __slots__ = ("heard", "idle", "open")

    def __init__(self) -> None:
        self.heard: float | None = None
        self.idle: float | None = None
        self.open: float | None = None


class GrpcConnection(asyncio.Protocol):
    """Serves the calls of one connection by the handlers registered for their paths."""

    def __init__(
        self,
        handlers: Mapping[str, HandlerFactory],
        kind: EngineKind,
        limits: Limits,
        turns: Turns,
        joined: Callable[["GrpcConnection"], None],
        left: Callable[["GrpcConnection"], None],
    ) -> None:
        self._handlers = handlers
        self._joined = joined
        self._left = left
        self._limits = limits
        self._turns = turns
        self.engine: Engine = new_engine(kind, self, limits)
        self.dropped_for = ""
        """Why the connection was given up, if it was."""
        self._calls: dict[int, Call] = {}
        self._backlog: dict[int, Call] = {}
        self._ending: dict[int, Call] = {}
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("?")
        self._blocked = False
        self._inside = False
        self._draining = False
        self._deadlines: dict[int, asyncio.TimerHandle] = {}
        self._heard = True
        self._pinged = False
        self._times = _Times()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        # uvloop's transports have the interface without being of the class.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=_CHUNK)
        self._peer = _peer(transport)
        self._joined(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._inside = True
        self._heard = True
        failed = False
        try:
            self.engine.receive(data)
        except EngineError:
            failed = True
        finally:
            self._inside = False
        self._flush()
        if self._transport is not None and (failed or self.engine.finished):
            if why := self.engine.failure:
                self.dropped_for = "HTTP/2 error"
                _log.warning("%s: HTTP/2 error, closing: %s", self._peer, why)
            self._transport.close()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._blocked = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._blocked = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._turns.ask(self._flush)

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._left(self)
        self._transport = None
        self._backlog.clear()
        self._ending.clear()
        for stream_id in list(self._calls):
            self._lose(stream_id)
        self.engine.leave()

    # the engine's side

    def request(self, stream_id: int, headers: Headers, ended: bool) -> None:
        """See `EngineSink`."""
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        call = Call(self, stream_id, fields, self._peer, self._limits)
        if self._draining:
            self.engine.reset(stream_id, Reset.REFUSED)
            return
        if not fields.get("content-type", "").startswith("application/grpc"):
            self.engine.respond(stream_id, _NOT_GRPC, True)
            return
        self._calls[stream_id] = call
        factory = self._handlers.get(call.path)
        if factory is None:
            call.finish(Status.UNIMPLEMENTED, f"unknown method {call.path}")
            return
        try:
            if (timeout := call.timeout) is not None:
                loop = asyncio.get_running_loop()
                self._deadlines[stream_id] = loop.call_later(timeout, self._overdue, call)
            call.handler = factory(call)
            if ended:
                call.body(b"", 0, True)
        except Exception as error:
            self._failed(call, error)

    def body(self, stream_id: int, data: bytes, size: int, ended: bool) -> None:
        """See `EngineSink`."""
        call = self._calls.get(stream_id)
        if call is None:
            self.engine.consumed(stream_id, size)
            return
        try:
            call.body(data, size, ended)
        except Exception as error:
            self._failed(call, error)

    def reset(self, stream_id: int) -> None:
        """See `EngineSink`."""
        self._backlog.pop(stream_id, None)
        self._ending.pop(stream_id, None)
        self._lose(stream_id)

    # the calls' side

    def wants_to_send(self, call: Call) -> None:
        """See `Carrier`."""
        if self._transport is None or call.stream_id not in self._calls:
            return
        self._backlog[call.stream_id] = call
        if not self._inside:
            self._flush()

    def resumed(self, call: Call) -> None:
        """See `Carrier`."""
        try:
            call.read_on()
        except Exception as error:
            self._failed(call, error)
        self._flush()

    def abandoned(self, call: Call) -> None:
        """See `Carrier`."""
        _log.warning("%s: %s: the client does not read what it is sent, dropped", self._peer, call.path)
        self.reset(call.stream_id)
        self._flush()

    def _overdue(self, call: Call) -> None:
        call.finish(Status.DEADLINE_EXCEEDED, "the time that the client gave the call is over")

    # the server's side

    def check(self, now: float) -> None:
        """To be called every few seconds with the event loop's time: drops clients that are dead, stuck or idle."""
        times, limits = self._times, self._limits
        if self._transport is None or self._transport.is_closing():
            return
        if self._heard or times.heard is None:
            times.heard, self._heard, self._pinged = now, False, False
        if self._calls or times.idle is None:
            times.idle = now
        if not self._blocked or times.open is None:
            times.open = now
        for call in [each for each in self._calls.values() if each.stalled(now)]:
            call.abandon(Status.RESOURCE_EXHAUSTED, "the client does not read what it is sent")
        if now - times.open > limits.stalled_after:
            self._drop("does not read")
        elif not self._blocked and now - times.heard > limits.ping_after + limits.ping_timeout:
            self._drop("gives no sign of life")
        elif now - times.idle > limits.idle_after:
            self.shut_down("idle")
        elif now - times.heard > limits.ping_after and not self._pinged:
            self._pinged = True
            self.engine.ping()
            self._flush()

    def _drop(self, why: str) -> None:
        self.dropped_for = why
        _log.warning("%s: %s, dropped", self._peer, why)
        self.abort()

    def drain(self) -> None:
        """Let the client open no more calls, and close once those that there are have ended."""
        if not self._draining:
            self._draining = True
            self.engine.refuse_new()
        self._flush()

    def shut_down(self, message: str) -> None:
        """End all calls as unavailable, and close once the client has been told."""
        self.drain()
        for call in list(self._calls.values()):
            call.finish(Status.UNAVAILABLE, message)
        self._flush()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None or self._inside:
            return
        while not self._blocked:
            if self._backlog:
                for call in list(self._backlog.values()):
                    self._pump(call)
            data = self.engine.take(_CHUNK)
            if data:
                transport.write(data)
            if not data or (len(data) < _CHUNK and not self._backlog):
                break
        if self._ending and not self._blocked:
            self._end_calls()
        if self._draining and not (self._calls or self._blocked):
            transport.close()

    def _pump(self, call: Call) -> None:
        if call.pump():
            del self._backlog[call.stream_id]
            if call.finished:
                self._ending[call.stream_id] = call

    def _end_calls(self) -> None:
        """Calls whose last byte has left are over, even if the client would like to send more."""
        for stream_id in [each for each in self._ending if not self.engine.queued(each)]:
            del self._ending[stream_id]
            self._lose(stream_id)
            self.engine.reset(stream_id, Reset.COMPLETE)
        if self._transport is not None and not self._blocked and (data := self.engine.take(_CHUNK)):
            self._transport.write(data)

    def _lose(self, stream_id: int) -> None:
        call = self._calls.pop(stream_id, None)
        if self._deadlines and (deadline := self._deadlines.pop(stream_id, None)) is not None:
            deadline.cancel()
        if call is not None and call.handler is not None:
            handler, call.handler = call.handler, None
            try:
                handler.lost()
            except Exception:
                _log.exception("%s: %s: error at the end of a call", self._peer, call.path)

    def _failed(self, call: Call, error: Exception) -> None:
        if isinstance(error, CallError):
            level = logging.INFO if error.status is Status.UNAVAILABLE else logging.WARNING
            _log.log(level, "%s: %s: ended, %s: %s", self._peer, call.path, error.status.name, error.message)
            call.finish(error.status, error.message)
        else:
            _log.error("%s: %s: internal error", self._peer, call.path, exc_info=error)
            call.finish(Status.INTERNAL, "internal error")


def _peer(transport: asyncio.Transport) -> Peer:
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        pid, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return Peer("unix", pid, uid)
    name = transport.get_extra_info("peername")
    if not name:
        return Peer("?")
    host, port = name[:2]
    certificate, uris = _certificate(transport.get_extra_info("ssl_object"))
    return Peer(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", certificate=certificate, uris=uris)


def _certificate(tls: ssl.SSLObject | None) -> tuple[bytes, tuple[str, ...]]:
    """What the client has proved to be; nothing where the server's context does not verify it."""
    verified = tls.getpeercert() if tls is not None else None
    if tls is None or not verified:
        return b"", ()
    names = cast("tuple[tuple[str, str], ...]", verified.get("subjectAltName", ()))
    return tls.getpeercert(binary_form=True) or b"", tuple(value for kind, value in names if kind == "URI")
