"""The client's side of `pods/NAME/exec`: this terminal's streams on one end, the command's on the other."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
import tty as terminal_modes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from lateen.local_runtime.api.client import ApiFailure, NotRunning
from lateen.local_runtime.api.exec_protocol import CLOSE, ERROR, PROTOCOLS, RESIZE, STDERR, STDIN, STDOUT

Json = dict[str, Any]

_CHUNK: Final = 32 * 1024
_OUTPUTS: Final = {STDOUT: 1, STDERR: 2}


def run(socket: Path, path: str, argv: Sequence[str], *, container: str | None, stdin: bool, tty: bool) -> int:
    """Run a command in a container and return its exit code. Raises `ApiFailure` or `NotRunning`."""
    query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "false" if tty else "true")]
    query += [("stdin", "true")] * stdin + [("tty", "true")] * tty
    if container:
        query.append(("container", container))
    with _raw_terminal(tty):
        return asyncio.run(_speak(socket, path, query, stdin, tty))


async def _speak(socket: Path, path: str, query: list[tuple[str, str]], stdin: bool, tty: bool) -> int:
    connector = aiohttp.UnixConnector(path=str(socket))
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.ws_connect(f"http://localhost{path}", params=query, protocols=PROTOCOLS) as ws:
                sending = [asyncio.create_task(_send_input(ws))] if stdin else []
                if tty:
                    sending.append(asyncio.create_task(_send_sizes(ws)))
                try:
                    return await _receive(ws)
                finally:
                    for task in sending:
                        task.cancel()
                    await asyncio.gather(*sending, return_exceptions=True)
        except aiohttp.WSServerHandshakeError as error:
            raise ApiFailure(await _refusal(session, path, query, error)) from error
        except aiohttp.ClientConnectorError as error:
            raise NotRunning(socket) from error


async def _refusal(session: aiohttp.ClientSession, path: str, query: list[tuple[str, str]], error: Exception) -> Json:
    """Why the handshake failed: aiohttp drops the body of the refusal, so the plain request is asked for it."""
    async with session.get(f"http://localhost{path}", params=query) as answer:
        with contextlib.suppress(ValueError):
            status = json.loads(await answer.read())
            if isinstance(status, dict):
                return status
    return {"message": str(error)}


async def _receive(ws: aiohttp.ClientWebSocketResponse) -> int:
    """Write what comes to this terminal, until the command's end is told."""
    async for message in ws:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel in _OUTPUTS:
            _write(_OUTPUTS[channel], data)
        elif channel == ERROR:
            return _exit_code(json.loads(data))
    raise ApiFailure({"message": "the connection ended before the command did"})


def _exit_code(status: Json) -> int:
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise ApiFailure(status)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


async def _send_input(ws: aiohttp.ClientWebSocketResponse) -> None:
    while data := await _read_input():
        await ws.send_bytes(bytes([STDIN]) + data)
    await ws.send_bytes(bytes([CLOSE, STDIN]))


async def _read_input() -> bytes:
    """What standard input has next. It stays a blocking descriptor, which other programs may share."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(0, lambda: None if ready.done() else ready.set_result(None))
    except PermissionError:
        return os.read(0, _CHUNK)  # a plain file, which never blocks and cannot be waited for
    try:
        await ready
    finally:
        loop.remove_reader(0)
    return os.read(0, _CHUNK)


async def _send_sizes(ws: aiohttp.ClientWebSocketResponse) -> None:
    changed = asyncio.Event()
    changed.set()
    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, changed.set)
    while await changed.wait():
        changed.clear()
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
        await ws.send_bytes(bytes([RESIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())


@contextlib.contextmanager
def _raw_terminal(tty: bool) -> Iterator[None]:
    """Pass every key on as it is; the terminal is as before afterwards."""
    if not tty:
        yield
        return
    before = termios.tcgetattr(0)
    try:
        terminal_modes.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
