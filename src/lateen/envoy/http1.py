"""A small HTTP/1.1 client over asyncio streams: one request, one connection.

For the peers a proxy's agent talks to: Envoy's admin interface, an application's metrics and probes. A full client
would double the memory of an agent and the time it takes to start.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from lateen.envoy.errors import HttpError

_HEAD_LIMIT = 64 * 1024
_CHUNK = 64 * 1024


class Target(NamedTuple):
    """Where to connect, and how."""

    host: str
    port: int
    tls: bool = False
    """Encrypted, with any certificate."""
    source: str | None = None
    """The address to connect from."""


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """By lower-case name; of a repeated header the last value."""
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class Incoming(NamedTuple):
    """A response whose body is still to be read."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


async def fetch(
    target: Target,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = 5.0,
    max_bytes: int = 64 << 20,
) -> Response:
    """The whole response, whatever its status. `seconds` is the time for all of it.

    Raises `HttpError` when there is none, or when its body is longer than `max_bytes`.
    """
    try:
        async with asyncio.timeout(seconds), opened(target, path, method=method, headers=headers, body=body) as answer:
            received = bytearray()
            async for chunk in answer.chunks:
                received += chunk
                if len(received) > max_bytes:
                    raise HttpError(f"{_name(target)}{path}: the answer is longer than {max_bytes} bytes")
            return Response(answer.status, answer.headers, bytes(received))
    except TimeoutError:
        raise HttpError(f"{_name(target)}{path}: no answer within {seconds:g} s") from None


@asynccontextmanager
async def opened(
    target: Target,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> AsyncIterator[Incoming]:
    """The response as it arrives; the connection is closed at the end of the block. No timeout. Raises `HttpError`."""
    try:
        reader, writer = await _connect(target)
    except OSError as error:
        raise HttpError(f"{_name(target)}: {error.strerror or error}") from error
    try:
        writer.write(_request(target, path, method, headers or {}, body))
        await writer.drain()
        status, received = await _head(reader)
        bodiless = method == "HEAD" or status in (204, 304)
        yield Incoming(status, received, _nothing() if bodiless else _body(reader, received))
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise HttpError(f"{_name(target)}{path}: {str(error) or type(error).__name__}") from error
    finally:
        writer.transport.abort()


async def _connect(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = None
    if target.tls:
        import ssl  # of a few probes only

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    source = (target.source, 0) if target.source else None
    return await asyncio.open_connection(target.host, target.port, ssl=context, local_addr=source, limit=_HEAD_LIMIT)


def _request(target: Target, path: str, method: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {"host": _name(target), "connection": "close", **{name.lower(): text for name, text in headers.items()}}
    if body or method in ("POST", "PUT"):
        fields["content-length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    if any("\r" in line or "\n" in line for line in lines) or " " in path:
        raise ValueError("a request may not hold a line break, nor its path a blank")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ValueError("the answer is not HTTP/1")
        status = int(rest[:3])
        if status >= 200:
            pairs = (line.partition(":") for line in lines[1:] if line)
            return status, {name.strip().lower(): text.strip() for name, _, text in pairs}


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while size := int((await reader.readline()).split(b";")[0], 16):
            async for chunk in _exactly(reader, size):
                yield chunk
            await reader.readexactly(2)
    elif "content-length" in headers:
        async for chunk in _exactly(reader, int(headers["content-length"])):
            yield chunk
    else:
        while chunk := await reader.read(_CHUNK):
            yield chunk


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size > 0:
        chunk = await reader.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError("the answer ended early")
        size -= len(chunk)
        yield chunk


async def _nothing() -> AsyncIterator[bytes]:
    no_chunks: tuple[bytes, ...] = ()
    for chunk in no_chunks:
        yield chunk


def _name(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}"
