"""Asks a container what its probes and hooks want to know, from inside the mesh network as a kubelet would (edge)."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, assert_never

from lateen.local_runtime.network.network import MeshNetwork
from lateen.local_runtime.pods.probes import Action, Assumed, Execute, GrpcCheck, HttpGet, TcpConnect

_MAX_STATUS_LINE: Final = 4096

RunsCommand = Callable[[tuple[str, ...]], Awaitable[int]]
"""Runs a command in the container; its exit code."""


async def ask(
    action: Action, seconds: float | None, address: str, network: MeshNetwork, execute: RunsCommand
) -> str | None:
    """Ask the pod at `address` once, within so many seconds (None: however long): what is wrong, or None."""
    try:
        async with asyncio.timeout(seconds):
            return await _ask(action, address, network, execute)
    except TimeoutError:
        return f"no answer within {seconds or 0:g} s"
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


async def _ask(action: Action, address: str, network: MeshNetwork, execute: RunsCommand) -> str | None:
    match action:
        case HttpGet() as get:
            status = await _http_status(get, address, network)
            return None if 200 <= status < 400 else f"HTTP status {status}"
        case TcpConnect(port=port, host=host):
            (await network.connect(host or address, port)).close()
            return None
        case GrpcCheck(port=port, service=service):
            from lateen.xds.health_check import check_health  # loaded by the first such probe, not by every mesh

            async with _streams(network, address, port) as (reader, writer):
                return await check_health(reader, writer, f"{address}:{port}", service)
        case Execute(command=command):
            code = await execute(command)
            return None if code == 0 else f"exit code {code}"
        case Assumed():
            return None
        case _:
            assert_never(action)


async def _http_status(get: HttpGet, address: str, network: MeshNetwork) -> int:
    security = _any_certificate() if get.tls else None
    async with _streams(network, get.host or address, get.port, security) as (reader, writer):
        writer.write(request_bytes(get, get.host or address))
        received = b""
        while b"\n" not in received and len(received) < _MAX_STATUS_LINE:
            chunk = await reader.read(_MAX_STATUS_LINE)
            if not chunk:
                break
            received += chunk
        return status_code(received)


@asynccontextmanager
async def _streams(
    network: MeshNetwork, host: str, port: int, security: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection from inside the mesh network, dropped without ceremony at the end."""
    connection = await network.connect(host, port)
    try:
        name = host if security else None
        reader, writer = await asyncio.open_connection(sock=connection, ssl=security, server_hostname=name)
    except BaseException:
        connection.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _any_certificate() -> ssl.SSLContext:
    """TLS as probes use it: whoever answers at the pod's address is the pod."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def request_bytes(get: HttpGet, authority: str) -> bytes:
    """The request of a probe, as a kubelet sends it."""
    headers: Mapping[str, str] = {
        "Host": f"{authority}:{get.port}",
        "User-Agent": "kube-probe/1.36",
        "Accept": "*/*",
        "Connection": "close",
    }
    chosen = {name.lower(): (name, value) for name, value in (*headers.items(), *get.headers)}
    path = get.path if get.path.startswith("/") else f"/{get.path}"
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in chosen.values()), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def status_code(received: bytes) -> int:
    """The status code of an HTTP/1 response. Raises `ValueError` for bytes that are none."""
    parts = received.split(b"\n", 1)[0].split()
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
        raise ValueError("not an HTTP response")
    return int(parts[1])
