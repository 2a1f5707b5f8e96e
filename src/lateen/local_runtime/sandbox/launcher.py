"""The supervisor's side of the launcher: starts it, sends it requests, and gives each its answer.

What it runs is `launcher_program.py`, on the same interpreter and files, without site-packages.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lateen.local_runtime.errors import LauncherLost, SandboxError, StartError
from lateen.local_runtime.sandbox.launcher_messages import (
    HEADER_SIZE,
    CreatePod,
    Ended,
    Execute,
    Failed,
    Message,
    RunTool,
    Signal,
    StartContainer,
    Started,
    body_size,
    decode,
    encode,
)

_SOURCE: Final = Path(__file__).resolve().parents[3]
_CODE: Final = (
    "import sys; sys.path.append({source!r}); "
    "from lateen.local_runtime.sandbox.launcher_program import main; main({descriptor}, {supervisor}, {staging!r})"
)


class Child:
    """A process that the launcher started, known by the id of the request."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.pid = 0  # as the host sees it, once started
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()


class Launcher:
    """The connection to a running launcher."""

    def __init__(self, staging: Path) -> None:
        """`staging`: an empty directory, made if missing, over which every container's root is laid out."""
        self._staging = staging
        self._children: dict[int, Child] = {}
        self._next_id = 1
        self._sending = asyncio.Lock()
        self._closing = False

    async def start(self) -> None:
        """Start the program and wait until the mesh's network namespace is there.

        Call it in the main thread: the launcher dies with the thread that started it.
        """
        self._staging.mkdir(parents=True, exist_ok=True)
        self._connection, theirs = socket.socketpair()
        code = _CODE.format(
            source=str(_SOURCE), descriptor=theirs.fileno(), supervisor=os.getpid(), staging=str(self._staging)
        )
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220  returns at once; a child of this thread is wanted
                [sys.executable, "-I", "-S", "-c", code],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={},
                start_new_session=True,
            )
        self._connection.setblocking(False)
        self.gone = asyncio.get_running_loop().create_future()
        ready = self._children[0] = Child(0)
        self._reader = asyncio.create_task(self._read(), name="launcher")
        try:
            await ready.started
        except SandboxError as error:
            raise SandboxError(f"the mesh's network namespace could not be made: {error}") from None

    @property
    def pid(self) -> int:
        """The launcher's process, which lives in the mesh's network namespace."""
        return self._process.pid

    def new_id(self) -> int:
        """An id for the next request."""
        self._next_id += 1
        return self._next_id

    async def launch(
        self, request: CreatePod | StartContainer | Execute | RunTool, descriptors: Sequence[int] = ()
    ) -> Child:
        """Send a request and wait until its process has started; StartError says why it could not."""
        child = self._children[request.id] = Child(request.id)
        try:
            await self._send(request, descriptors)
            child.pid = await asyncio.shield(child.started)
        except asyncio.CancelledError:
            self.signal(request.id, 9)
            raise
        return child

    def signal(self, id: int, number: int) -> None:
        """Send a signal to a process that was started; nothing happens when it has ended."""
        if id in self._children and not self.gone.done():
            task = asyncio.ensure_future(self._send(Signal(id, int(number)), ()))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def close(self) -> None:
        """End the launcher, and with it every pod that is left."""
        self._closing = True
        self._connection.shutdown(socket.SHUT_WR)
        await self.gone
        await self._reader
        with contextlib.suppress(OSError):
            self._staging.rmdir()

    async def _send(self, message: Message, descriptors: Sequence[int]) -> None:
        header, body = encode(message)
        loop = asyncio.get_running_loop()
        async with self._sending:
            if self.gone.done():
                raise LauncherLost("the launcher has ended")
            try:
                while True:
                    try:
                        socket.send_fds(self._connection, [header], list(descriptors))
                        break
                    except BlockingIOError:
                        await asyncio.sleep(0.001)  # it is busy forking
                await asyncio.shield(loop.sock_sendall(self._connection, body))
            except (BrokenPipeError, ConnectionResetError):
                raise LauncherLost("the launcher has ended") from None

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            while header := await self._receive(HEADER_SIZE):
                body = await self._receive(body_size(header))
                if not body:
                    break
                self._hear(decode(body))
        await asyncio.get_running_loop().run_in_executor(None, self._process.wait)
        self._connection.close()
        lost = LauncherLost("the launcher has ended")
        for child in self._children.values():
            _refuse(child, lost)
            if not child.ended.done():
                child.ended.set_result(137)
        self._children.clear()
        self.gone.set_result(None)

    async def _receive(self, size: int) -> bytes:
        loop, received = asyncio.get_running_loop(), b""
        while len(received) < size:
            piece = await loop.sock_recv(self._connection, size - len(received))
            if not piece:
                return b""
            received += piece
        return received

    def _hear(self, message: Message) -> None:
        match message:
            case Started(id, pid):
                if not self._children[id].started.done():
                    self._children[id].started.set_result(pid)
            case Failed(id, error):
                _refuse(self._children.pop(id), StartError(error))
            case Ended(id, code):
                child = self._children.pop(id)
                if not child.ended.done():  # whoever waits must not be able to end all reading by giving up
                    child.ended.set_result(code)
            case _:
                raise AssertionError(message)


def _refuse(child: Child, error: Exception) -> None:
    if not child.started.done():
        child.started.set_exception(error)
        child.started.exception()  # whoever was to wait for it may have gone
