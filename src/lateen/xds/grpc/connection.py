"""One client connection: an asyncio protocol between a transport, an HTTP/2 engine and calls.

Back-pressure: while the transport's buffer is full nothing is taken from the engine, and nothing is read from the
client either, since what it sends asks for answers. A call gives the engine a little at a time (see `Call.pump`), so
what waits for a slow reader are references to shared bytes.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Final, cast

from lateen.xds.grpc.call import Call, HandlerFactory, Peer
from lateen.xds.grpc.engine import Engine, EngineError, EngineKind, Headers, Limits
from lateen.xds.grpc.status import CallError, Status

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


class GrpcConnection(asyncio.Protocol):
    """Serves the calls of one connection by the handlers registered for their paths."""

    def __init__(
        self,
        handlers: Mapping[str, HandlerFactory],
        kind: EngineKind,
        limits: Limits,
        joined: Callable[["GrpcConnection"], None],
        left: Callable[["GrpcConnection"], None],
    ) -> None:
        self._handlers = handlers
        self._joined = joined
        self._left = left
        self._limits = limits
        self.engine: Engine = new_engine(kind, self, limits)
        self._calls: dict[int, Call] = {}
        self._backlog: dict[int, Call] = {}
        self._ending: dict[int, Call] = {}
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("?")
        self._blocked = False
        self._inside = False

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
        failed = False
        try:
            self.engine.receive(data)
        except EngineError as error:
            failed = True
            _log.warning("%s: HTTP/2 error, closing: %s", self._peer, error)
        finally:
            self._inside = False
        self._flush()
        if self._transport is not None and (failed or self.engine.finished):
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
            self._flush()

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._left(self)
        self._transport = None
        self._backlog.clear()
        self._ending.clear()
        for stream_id in list(self._calls):
            self._lose(stream_id)

    # the engine's side

    def request(self, stream_id: int, headers: Headers, ended: bool) -> None:
        """See `EngineSink`."""
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        call = Call(self, stream_id, fields, self._peer, self._limits)
        if not fields.get("content-type", "").startswith("application/grpc"):
            self.engine.respond(stream_id, _NOT_GRPC, True)
            return
        self._calls[stream_id] = call
        factory = self._handlers.get(call.path)
        if factory is None:
            call.finish(Status.UNIMPLEMENTED, f"unknown method {call.path}")
            return
        try:
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

    # the server's side

    def shut_down(self, message: str) -> None:
        """End all calls as unavailable, say goodbye and close once the client has been told."""
        for call in list(self._calls.values()):
            call.finish(Status.UNAVAILABLE, message)
        self.engine.refuse_new()
        self._flush()
        if self._transport is not None:
            self._transport.close()

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
        if self._ending:
            self._end_calls()

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
            self.engine.reset(stream_id, cancel=False)
        if self._transport is not None and not self._blocked and (data := self.engine.take(_CHUNK)):
            self._transport.write(data)

    def _lose(self, stream_id: int) -> None:
        call = self._calls.pop(stream_id, None)
        if call is not None and call.handler is not None:
            handler, call.handler = call.handler, None
            try:
                handler.lost()
            except Exception:
                _log.exception("%s: %s: error at the end of a call", self._peer, call.path)

    def _failed(self, call: Call, error: Exception) -> None:
        if isinstance(error, CallError):
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
    return Peer(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
