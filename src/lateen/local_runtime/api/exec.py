"""`pods/NAME/exec`: a command in a container, its streams over one WebSocket, as kubectl speaks it.

The messages are those of `exec_protocol`.
"""

import asyncio
import contextlib
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from lateen.config.objects import ObjectRef
from lateen.local_runtime.api import bodies, statuses
from lateen.local_runtime.api.exec_protocol import CLOSE, ERROR, PROTOCOLS, RESIZE, STDERR, STDIN, STDOUT
from lateen.local_runtime.api.pod_access import PodAccess, PodUnavailable
from lateen.local_runtime.api.terminal import Streams, read_chunk, write_all

Json = dict[str, Any]

_DRAIN_SECONDS: Final = 1.0


async def handle(request: web.Request, pods: PodAccess, ref: ObjectRef, container: str) -> web.StreamResponse:
    argv = request.query.getall("command", [])
    if not argv:
        raise statuses.bad_request("a command must be given: command=NAME, once for each argument")
    if "websocket" not in request.headers.get("Upgrade", "").lower():
        raise statuses.bad_request("exec is spoken over a WebSocket; upgrade the connection")
    ws = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=bodies.MAX_BYTES)
    await ws.prepare(request)
    tty = _flag(request, "tty")
    streams = Streams(tty=tty, with_stdin=_flag(request, "stdin"))
    try:
        await ws.send_bytes(bytes([STDOUT]))
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(_hear(ws, streams))
            running = tasks.create_task(_run(ws, streams, pods.execute, ref, container, argv, tty))
            await asyncio.wait({hearing, running}, return_when=asyncio.FIRST_COMPLETED)
            hearing.cancel()
            running.cancel()
        await ws.close()
    finally:
        streams.close()
    return ws


async def _run(
    ws: web.WebSocketResponse,
    streams: Streams,
    execute: Any,
    ref: ObjectRef,
    container: str,
    argv: list[str],
    tty: bool,
) -> None:
    """Run the command, send what it writes, and last how it ended."""
    ends = [(STDOUT, streams.from_stdout), (STDERR, streams.from_stderr)]
    async with asyncio.TaskGroup() as tasks:
        sending = [tasks.create_task(_send(ws, channel, fd)) for channel, fd in ends if fd is not None]
        try:
            code = await execute(ref, container, argv, tty, streams.stdin, streams.stdout, streams.stderr)
            status = exit_status(code)
        except PodUnavailable as error:
            status = statuses.failure(500, "InternalError", str(error))
        except OSError as error:
            status = statuses.failure(500, "InternalError", f"cannot run {argv[0]}: {error.strerror or error}")
        streams.close_command_ends()
        # A process that the command left behind may hold its output open for ever.
        _, late = await asyncio.wait(sending, timeout=_DRAIN_SECONDS)
        for task in late:
            task.cancel()
    await ws.send_bytes(bytes([ERROR]) + bodies.encode(status))


async def _send(ws: web.WebSocketResponse, channel: int, fd: int) -> None:
    with contextlib.suppress(ConnectionResetError):
        while chunk := await read_chunk(fd):
            await ws.send_bytes(bytes([channel]) + chunk)


async def _hear(ws: web.WebSocketResponse, streams: Streams) -> None:
    """Input and terminal sizes, until the client is gone."""
    async for message in ws:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == STDIN and streams.to_stdin is not None and streams.is_open(streams.to_stdin):
            with contextlib.suppress(BrokenPipeError):
                await write_all(streams.to_stdin, data)
        elif channel == RESIZE:
            _resize(streams, data)
        elif channel == CLOSE and data == bytes([STDIN]):
            streams.end_input()


def _resize(streams: Streams, data: bytes) -> None:
    try:
        size = msgspec.json.decode(data, type=dict[str, int])
    except msgspec.DecodeError:
        return
    streams.resize(size.get("Width", 80) & 0xFFFF, size.get("Height", 24) & 0xFFFF)


def exit_status(code: int) -> Json:
    """How a command ended, as the error channel says it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("1", "true")
