"""A small, strict HTTP/1.1 server over asyncio streams, for the agent's status port.

GET, HEAD and POST; one request a connection; bounded in size, time and number of connections. It parses, and calls
one handler; what the paths mean is `status.py`'s.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import NamedTuple

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_CONNECTIONS = 64
READ_SECONDS = 5.0
WRITE_SECONDS = 30.0

_METHODS = ("GET", "HEAD", "POST")


class Request(NamedTuple):
    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """By lower-case name."""
    local: bool
    """Whether it came from this pod, to its loopback address, and not through Envoy."""


class Reply(NamedTuple):
    status: int = 200
    text: str = ""
    content_type: str = "text/plain; charset=utf-8"
    stream: AsyncGenerator[bytes, None] | None = None
    """The body in place of `text`, sent as it comes."""
    content: bytes | None = None
    """The body in place of `text`."""


Handler = Callable[[Request], Awaitable[Reply]]


class BadRequest(Exception):
    """A request that is not answered by the handler but with this status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class HttpServer:
    """Serves `handler` on a port until closed."""

    def __init__(self, handler: Handler, report: Callable[[str], None]) -> None:
        self._handler = handler
        self._report = report
        self._open = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str | None, port: int) -> None:
        """Listens on `host`, or on every address if it is None. Raises `OSError`."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            await self._answer(reader, writer)
        except (OSError, TimeoutError, EOFError):
            writer.transport.abort()  # the peer went away, or is too slow
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_body = True
        try:
            async with asyncio.timeout(READ_SECONDS):
                request = await read_request(reader, _is_local(writer))
            with_body = request.method != "HEAD"
            reply = await self._handled(request)
        except BadRequest as error:
            reply = Reply(error.status, f"{error}\n")
        async with asyncio.timeout(WRITE_SECONDS):
            await _write(writer, reply, with_body=with_body)

    async def _handled(self, request: Request) -> Reply:
        try:
            return await self._handler(request)
        except Exception as error:  # a bug costs one answer, not the agent
            self._report(f"answering {request.method} {request.path} failed: {type(error).__name__}: {error}")
            return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error\n")


async def read_request(reader: asyncio.StreamReader, local: bool) -> Request:
    """Reads a request and its body, which nobody here needs. Raises `BadRequest`, or `EOFError` when there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    request = parse_head(head, local)
    if "transfer-encoding" in request.headers:
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED)
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if len(length) > 9 or int(length) > MAX_BODY_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    await reader.readexactly(int(length))
    return request


def parse_head(head: bytes, local: bool) -> Request:
    """Parses everything up to and with the empty line. Raises `BadRequest`."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    if parts[0] not in _METHODS:
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED)
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        name, separator, value = line.partition(":")
        if not separator or not name or name != name.strip() or "\n" in line or "\r" in line or "\0" in line:
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        if name.lower() in headers and name.lower() in ("content-length", "host"):
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        headers[name.lower()] = value.strip()
    return Request(parts[0], parts[1].partition("?")[0], headers, local)


async def _write(writer: asyncio.StreamWriter, reply: Reply, *, with_body: bool) -> None:
    content = reply.text.encode() if reply.content is None else reply.content
    framing = "transfer-encoding: chunked" if reply.stream is not None else f"content-length: {len(content)}"
    phrase = HTTPStatus(reply.status).phrase if reply.status in HTTPStatus._value2member_map_ else ""
    head = [
        f"HTTP/1.1 {int(reply.status)} {phrase}",
        f"content-type: {reply.content_type}",
        framing,
        "connection: close",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
    if reply.stream is not None and with_body:
        async with aclosing(reply.stream) as chunks:
            async for chunk in chunks:
                if chunk:
                    writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    await writer.drain()
        content = b"0\r\n\r\n"
    if with_body:
        writer.write(content)
    await writer.drain()


def _is_local(writer: asyncio.StreamWriter) -> bool:
    """Loopback at both ends. 127.0.0.6 and ::6 are what Envoy uses for requests from outside the pod."""
    peer, own = (str((writer.get_extra_info(key) or ("",))[0]) for key in ("peername", "sockname"))
    peer, own = peer.removeprefix("::ffff:"), own.removeprefix("::ffff:")
    return peer != "127.0.0.6" and all(end == "::1" or end.startswith("127.") for end in (peer, own))
