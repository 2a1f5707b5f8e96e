"""The gRPC edge: listens on unix sockets and TCP, and serves each connection by the handlers it is given.

server = GrpcServer(ads_handlers(service))
await server.listen_unix(Path("/run/lateen/xds.sock"))
...
await server.close("the control plane is shutting down")
"""

import asyncio
import contextlib
import socket
import ssl
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lateen.xds.grpc.call import HandlerFactory
from lateen.xds.grpc.connection import GrpcConnection
from lateen.xds.grpc.engine import EngineKind, Limits
from lateen.xds.grpc.tls import TlsConnection

_BACKLOG: Final = 4096


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
        self._engine = engine
        self._limits = limits or Limits()
        self._connections: set[GrpcConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._paths: dict[Path, int] = {}
        self._gone = asyncio.Event()
        self._watchdog: asyncio.TimerHandle | None = None

    async def listen_unix(self, path: Path, mode: int = 0o666) -> None:
        """Listen on a unix socket. A socket file that nobody listens on any more is replaced.

        Everybody who can reach the file may connect, since Envoy runs as another user. Raises `OSError` if a server
        listens there, or if something else than a socket is in the way.
        """
        _remove_stale(path)
        listener = await asyncio.get_running_loop().create_unix_server(self._connection, path, backlog=_BACKLOG)
        self._paths[path] = _open_to(path, mode)
        self._listening(listener)

    async def listen_tls(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen with TLS; returns the port as `listen_tcp` does. `context` is the server's, with its certificate.

        Where it asks clients for a certificate, `Peer.certificate` is the one that was verified.
        """
        context.set_alpn_protocols(["h2"])

        def connection() -> TlsConnection:
            return TlsConnection(context, self._connection())

        return await self._listen_tcp(connection, host, port)

    async def listen_tcp(self, host: str, port: int) -> int:
        """Listen in plain text; returns the port, which the system chooses if it was 0."""
        return await self._listen_tcp(self._connection, host, port)

    async def _listen_tcp(self, connection: Callable[[], asyncio.Protocol], host: str, port: int) -> int:
        listener = await asyncio.get_running_loop().create_server(connection, host, port, backlog=_BACKLOG)
        self._listening(listener)
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

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
            await listener.wait_closed()
        self._listeners.clear()
        for path, inode in self._paths.items():
            _remove_own(path, inode)
        self._paths.clear()

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

    def _listening(self, listener: asyncio.Server) -> None:
        self._listeners.append(listener)
        if self._watchdog is None:
            self._watch()

    def _connection(self) -> GrpcConnection:
        return GrpcConnection(self._handlers, self._engine, self._limits, self._joined, self._left)

    def _joined(self, connection: GrpcConnection) -> None:
        self._connections.add(connection)

    def _left(self, connection: GrpcConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._gone.set()


def _open_to(path: Path, mode: int) -> int:
    """Set the socket's permissions; returns its inode."""
    path.chmod(mode)
    return path.stat().st_ino


def _remove_own(path: Path, inode: int) -> None:
    """Remove our socket, and not that of a server that has taken our place."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(f"{path}: is in the way of the server's socket and is no socket itself")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except TimeoutError:
            pass
    raise FileExistsError(f"{path}: another server listens there")
