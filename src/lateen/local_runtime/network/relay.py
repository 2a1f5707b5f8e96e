"""Published ports: a TCP relay from a port of this machine into the mesh namespace.

Either side may end its half and still receive; a side that does not read slows the other one down; a reset on one side
resets the other.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, Self

from lateen.local_runtime.errors import PortInUse, PortReserved
from lateen.local_runtime.network.network import MeshNetwork
from lateen.xds.port_owner import by_whom

ChooseTarget = Callable[[], Awaitable[tuple[str, int] | None]]

_CHUNK: Final = 65536
_log = logging.getLogger(__name__)


class Relay:
    """One published port; every connection asks anew where to go."""

    def __init__(self, mesh: MeshNetwork, target: ChooseTarget, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._mesh = mesh
        self._target = target
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @classmethod
    async def listen(cls, mesh: MeshNetwork, host: str, port: int, target: ChooseTarget) -> Self:
        """Listen on host:port (0: any free one). Raises `PortInUse` or `PortReserved`.

        `target` gives (ip, port) inside the mesh, or None to reset the connection.
        """
        relay = cls(mesh, target, host, port)
        try:
            relay._server = await asyncio.start_server(relay._accept, host, port, limit=_CHUNK)
        except OSError as error:
            if error.errno == errno.EACCES:
                raise PortReserved(
                    f"{host}:{port}: only root may listen on ports below net.ipv4.ip_unprivileged_port_start; "
                    "publish another port with --publish"
                ) from None
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUse(f"{host}:{port} is taken{by_whom(port)}; publish another port with --publish") from None
        relay.port = relay._server.sockets[0].getsockname()[1]
        return relay

    async def close(self) -> None:
        """Stop listening and end the connections."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._relay(reader, writer)
        except OSError as error:
            _log.debug("published port %d: %s", self.port, error)
        except asyncio.CancelledError:
            pass  # close() did this, and asyncio would report it as an error of the server's
        finally:
            self._connections.discard(task)
            _reset(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = await self._target()
        if target is None:
            return
        inner = await self._mesh.connect(*target)
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner_reader, inner_writer = await asyncio.open_connection(sock=inner, limit=_CHUNK)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, inner_writer))
                group.create_task(_pump(inner_reader, writer))
            await _finish(writer)
            await _finish(inner_writer)
        except* OSError as errors:
            _log.debug("published port %d: %s", self.port, errors.exceptions[0])
        finally:
            _reset(inner_writer)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(_CHUNK):
        sink.write(piece)
        await sink.drain()
    sink.write_eof()


async def _finish(writer: asyncio.StreamWriter) -> None:
    """Both halves have ended: close after what is buffered has gone out."""
    writer.close()
    await writer.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once, with a reset; nothing happens when it was closed in peace."""
    if writer.is_closing():
        return
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
