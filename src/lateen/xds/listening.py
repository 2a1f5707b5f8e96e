"""Where servers listen: addresses as people write them, and the listening sockets that they mean.

parse_address(":15010")                      every address of this machine
parse_address("unix:///run/lateen/xds.sock")
parse_address("fd://3")                      a listening socket that the parent process has left open
"""

import asyncio
import contextlib
import re
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

BACKLOG: Final = 4096
_HANDSHAKE_S: Final = 10.0
_OPEN_TO_ALL: Final = 0o666
"""Whoever can reach the file may connect, since Envoy runs as another user."""
_FORMS: Final = "write HOST:PORT, :PORT, unix:///PATH or fd://NUMBER"
_HOST_AND_PORT: Final = re.compile(r"(?P<host>\[[^\[\]/]+\]|[^\[\]:/]*):(?P<port>[^:]*)")


class TcpAddress(msgspec.Struct, frozen=True):
    """No host means every address of this machine; port 0 that the system chooses one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(msgspec.Struct, frozen=True):
    """The file of a unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix://{self.path}"


class InheritedSocket(msgspec.Struct, frozen=True):
    """A descriptor that was open when the program started: a socket of any family that listens already."""

    descriptor: int

    def __str__(self) -> str:
        return f"fd://{self.descriptor}"


Address = TcpAddress | UnixAddress | InheritedSocket


def parse_address(text: str) -> Address:
    """The address that a text means. Raises `ValueError`, which says what would be right."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: the path of a unix socket must be absolute, as in unix:///run/lateen/xds.sock")
        return UnixAddress(Path(path))
    if text.startswith("fd:"):
        number = text.removeprefix("fd://")
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"{text!r}: a descriptor is a number, as in fd://3")
        return InheritedSocket(int(number))
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an address; {_FORMS}, with an IPv6 address in brackets")
    host, port = found["host"].strip("[]"), found["port"]
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{text!r}: the port {port!r} must be a number from 0 to 65535")
    return TcpAddress(host, int(port))


class Listener:
    """A server that takes connections; `address` is where, with the port that the system chose."""

    def __init__(self, server: asyncio.Server, address: Address, inode: int | None = None) -> None:
        self.address = address
        self._server = server
        self._inode = inode

    @property
    def port(self) -> int:
        """The TCP port; 0 where there is none."""
        return self.address.port if isinstance(self.address, TcpAddress) else 0

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    async def closed(self) -> None:
        """Return once it is over, and the socket's file gone."""
        await self._server.wait_closed()
        if isinstance(self.address, UnixAddress) and self._inode is not None:
            _remove_own(self.address.path, self._inode)


async def listen(
    address: Address, protocol: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext | None = None
) -> Listener:
    """Serve each connection to an address by a protocol of its own, over TLS if there is a context.

    The file of a unix socket that nobody listens on any more is replaced. Raises `OSError` where it cannot be done: a
    server listens there, something else than a socket is in the way, or the descriptor is not a listening socket.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"backlog": BACKLOG}
    if context is not None:
        options |= {"ssl": context, "ssl_handshake_timeout": _HANDSHAKE_S}
    match address:
        case TcpAddress(host, port):
            server = await loop.create_server(protocol, host or None, port, **options)
            return Listener(server, TcpAddress(host, server.sockets[0].getsockname()[1]))
        case UnixAddress(path):
            _remove_stale(path)
            server = await loop.create_unix_server(protocol, path, **options)
            path.chmod(_OPEN_TO_ALL)
            return Listener(server, address, path.stat().st_ino)
        case InheritedSocket(descriptor):
            sock = _inherited(descriptor)
            create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            return Listener(await create(protocol, sock=sock, **options), address)


def _inherited(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.detach()
        raise OSError("it is not a stream socket that listens")
    sock.set_inheritable(False)
    return sock


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
