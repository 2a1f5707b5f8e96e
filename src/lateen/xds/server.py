"""The gRPC edge: listens, and serves each connection by the handlers it is given.

server = GrpcServer(ads_handlers(service))
await server.listen(parse_address("unix:///run/lateen/xds.sock"))
...
await server.close("the control plane is shutting down")
"""

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Mapping

from lateen.xds.grpc.call import HandlerFactory
from lateen.xds.grpc.connection import GrpcConnection
from lateen.xds.grpc.engine import EngineKind, Limits
from lateen.xds.grpc.tls import TlsConnection
from lateen.xds.grpc.turns import Turns
from lateen.xds.listening import Address, Listener, listen


class GrpcServer:
    """A gRPC server with the given methods, by path. May listen in several places."""

    def __init__(
        self,
        handlers: Mapping[str, HandlerFactory],
        *,
        engine: EngineKind = EngineKind.NGH2,
        limits: Limits | None = None,
    ) -> None:
        self._handlers = handlers
        self.engine = engine
        self.dropped: Counter[str] = Counter()
        """Connections that were given up, by reason."""
        self._limits = limits or Limits()
        self._turns = Turns()
        self._connections: set[GrpcConnection] = set()
        self._listeners: list[Listener] = []
        self._gone = asyncio.Event()
        self._watchdog: asyncio.TimerHandle | None = None

    async def listen(self, address: Address, context: ssl.SSLContext | None = None) -> Listener:
        """Listen at an address, with TLS if there is a context; returns once it takes connections.

        `context` is the server's, with its certificate. Where it asks clients for a certificate, `Peer.certificate` is
        the one that was verified. Raises `OSError` as `listening.listen` does.
        """
        if context is not None:
            context.set_alpn_protocols(["h2"])

        def protocol() -> asyncio.Protocol:
            connection = GrpcConnection(
                self._handlers, self.engine, self._limits, self._turns, self._joined, self._left
            )
            return connection if context is None else TlsConnection(context, connection)

        listener = await listen(address, protocol)
        self._listeners.append(listener)
        if self._watchdog is None:
            self._watch()
        return listener

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def close(
        self, message: str = "the server is shutting down", *, drain: float = 0.0, grace: float = 2.0
    ) -> None:
        """Stop listening, and end all calls in order.

        Clients are told to open no more calls. Those that there are get `drain` seconds to end by themselves, and are
        then ended as unavailable; a client that has not read that after another `grace` seconds is dropped.
        """
        for listener in self._listeners:
            listener.close()
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        for connection in list(self._connections):
            connection.drain()
        await self._all_gone(drain)
        for connection in list(self._connections):
            connection.shut_down(message)
        await self._all_gone(grace)
        for connection in list(self._connections):
            connection.abort()
        for listener in self._listeners:
            await listener.closed()
        self._listeners.clear()

    async def _all_gone(self, seconds: float) -> None:
        self._gone = asyncio.Event()
        if self._connections and seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), seconds)

    def _watch(self) -> None:
        """Look after the connections: one timer for all of them."""
        limits, now = self._limits, asyncio.get_running_loop().time()
        for connection in list(self._connections):
            connection.check(now)
        pause = min(limits.stalled_after, limits.ping_after, limits.ping_timeout, limits.idle_after) / 4
        self._watchdog = asyncio.get_running_loop().call_later(pause, self._watch)

    def _joined(self, connection: GrpcConnection) -> None:
        self._connections.add(connection)

    def _left(self, connection: GrpcConnection) -> None:
        if connection.dropped_for:
            self.dropped[connection.dropped_for] += 1
        self._connections.discard(connection)
        if not self._connections:
            self._gone.set()
