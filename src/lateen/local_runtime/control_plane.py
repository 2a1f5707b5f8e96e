"""The control plane of the local mesh: a process of its own, fed by the supervisor, and started again when it ends.

The supervisor holds the sockets that it listens on, so that proxies which connect while it is away wait in the queue
of the socket instead of being refused, and find it there when it is back. They keep what they have meanwhile.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from lateen.local_runtime.network.network import GATEWAY, MeshNetwork
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.plan.control_plane import MONITORING_PORT, XDS_PORT
from lateen.sources.handover import Answer, Batch, Message, Page, Question, Remarks, encode, receive
from lateen.xds.listening import BACKLOG

PROGRAM: Final = (sys.executable, "-P", "-m", "lateen.cli", "control-plane")

_STEADY_S: Final = 5.0
"""One that has run for so long is started again at once."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_ANSWER_S: Final = 10.0
_END_S: Final = 3.0
"""How long it may take to end when it is told to."""
_RETURN_S: Final = 1.0
"""How long after it was started again the last proxy has come back: Envoy tries anew within half a second."""
_AWAY_LOOK_S: Final = 0.05

_SUBJECT: Final = "control plane"
_log = logging.getLogger(__name__)


Listening = Mapping[str, Sequence[socket.socket]]
"""Listening sockets, by the flag that tells the control plane of them."""


@contextlib.contextmanager
def listening(xds_socket: Path, network: MeshNetwork) -> Iterator[Listening]:
    """What it is reached by: proxies on a unix socket, everybody else in the mesh under the bridge's address."""
    with contextlib.ExitStack() as sockets:
        proxies = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        proxies.bind(str(xds_socket))
        # The proxies' uid is another one; only pods into which the socket is mounted can reach it.
        xds_socket.chmod(0o666)
        xds, monitoring = (sockets.enter_context(network.socket()) for _ in range(2))
        for made, port in ((xds, XDS_PORT), (monitoring, MONITORING_PORT)):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((GATEWAY, port))
        for made in (proxies, xds, monitoring):
            made.listen(BACKLOG)
        yield {"--grpcAddr": (proxies, xds), "--monitoringAddr": (monitoring,)}


class NoAnswer(Exception):
    """The control plane is not running, ended before it answered, or cannot answer."""


class ControlPlane:
    """Keeps the process running from `start` to `close`. Its objects come by `follow` and `apply`."""

    def __init__(self, notices: Notices, program: Sequence[str] = PROGRAM) -> None:
        self._notices = notices
        self._program = tuple(program)
        self._everything: Callable[[], Batch] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._running: asyncio.Task[None] | None = None
        self._hearing: asyncio.Task[None]
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._back_at = 0.0
        """By the event loop's clock: when all proxies have come back to a process that was started again."""
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is away."""
        return self._process.pid if self._process is not None else None

    async def start(self, where: Listening) -> None:
        """Start the process; `where` is to be kept open until the end."""
        await self._start(where)
        self._running = asyncio.create_task(self._keep_running(where), name="control plane")

    async def close(self) -> None:
        """End the process in order, or by force where that takes too long."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        process, self._process = self._process, None
        self._left()
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    # objects

    def follow(self, everything: Callable[[], Batch]) -> None:
        """Hand over everything there is, now and whenever the process starts again."""
        self._everything = everything
        self.apply(everything())

    def apply(self, batch: Batch) -> None:
        """Hand over a change. While the process is away that is not needed: it gets everything when it is back."""
        self._send(batch)

    # questions

    async def ask(self, name: str, **arguments: Any) -> Any:
        """What it answers (see `control_plane.handed_over`). Raises `NoAnswer`."""
        if self._writer is None:
            raise NoAnswer("the control plane is not running")
        question = Question(next(self._ids), name, arguments)
        answer = self._asked[question.id] = asyncio.get_running_loop().create_future()
        self._send(question)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        except TimeoutError:
            raise NoAnswer(f"the control plane does not answer within {_ANSWER_S:.0f} s") from None
        finally:
            del self._asked[question.id]

    async def remarks(self) -> Remarks:
        """What it says of the objects it was given. Raises `NoAnswer`."""
        return msgspec.convert(await self.ask("remarks"), Remarks)

    async def page(self, path: str, query: str) -> Page:
        """What it shows at `/metrics`, or at a path under `/debug`. Raises `NoAnswer`."""
        return msgspec.convert(await self.ask("page", path=path, query=query), Page)

    async def settled(self, patience_s: float) -> None:
        """Return once proxies go by everything handed over so far, or patience is at its end. Raises `NoAnswer`."""
        await self.ask("settled", patience_s=patience_s)

    async def heeded(self, patience_s: float) -> None:
        """Like `settled`, but outlasts an absence of the process, and waits for the proxies that come back to it."""
        while True:
            await asyncio.sleep(max(0.0, self._back_at - asyncio.get_running_loop().time()))
            try:
                return await self.settled(patience_s)
            except NoAnswer:
                await asyncio.sleep(_AWAY_LOOK_S)

    # the process

    async def _keep_running(self, where: Listening) -> None:
        loop, pause_s = asyncio.get_running_loop(), _FIRST_PAUSE_S
        while True:
            started, ending = loop.time(), await self._ended()
            self.restarts += 1
            text = f"the control plane ended ({ending}) and is started again; proxies keep what they have"
            self._notices.replace(_SUBJECT, [text])
            if loop.time() - started > _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self._start(where)
                self._back_at = loop.time() + _RETURN_S
            except OSError as error:
                self._notices.replace(_SUBJECT, [f"the control plane cannot be started: {error}"])

    async def _ended(self) -> str:
        """Wait for its end, and say how it was; at once where it has not even started."""
        if self._process is None:
            return "it could not be started"
        ended = asyncio.create_task(self._process.wait())
        await asyncio.wait((ended, self._hearing), return_when=asyncio.FIRST_COMPLETED)
        if self._hearing.done() and (fault := self._hearing.exception()) is not None:
            _log.error("the control plane says what cannot be read, and is ended", exc_info=fault)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        code = await ended
        self._process = None
        self._left()
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    async def _start(self, where: Listening) -> None:
        ours, theirs = socket.socketpair()
        sockets = [(flag, each) for flag, group in where.items() for each in group]
        flags = [
            f"--objects=fd://{theirs.fileno()}",
            "--httpAddr=",
            *(f"{flag}=fd://{each.fileno()}" for flag, each in sockets),
        ]
        with theirs, contextlib.ExitStack() as unless_started:
            unless_started.enter_context(ours)
            process = await asyncio.create_subprocess_exec(
                *self._program,
                *flags,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *(each.fileno() for _, each in sockets)],
                start_new_session=True,
                cwd="/",
            )
            unless_started.pop_all()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._process = process
        self._hearing = asyncio.create_task(self._hear(reader), name="control plane's answers")
        if self._everything is not None:
            self._send(self._everything())

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while (message := await receive(reader)) is not None:
            assert isinstance(message, Answer)
            self._notices.clear(_SUBJECT)  # it answers, so it is there
            waiting = self._asked.get(message.id)
            if waiting is None or waiting.done():
                continue
            if message.error:
                waiting.set_exception(NoAnswer(f"the control plane: {message.error}"))
            else:
                waiting.set_result(message.value)

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    def _left(self) -> None:
        """The process has gone, or is to go: it ends when its connection does."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(NoAnswer("the control plane ended before it answered"))
