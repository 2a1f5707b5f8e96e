"""The control plane fed by another process: takes its objects, and answers its questions."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from lateen.config.decode import Invalid, UnknownKind, decode
from lateen.config.objects import ConfigObject
from lateen.control_plane.app import ControlPlane
from lateen.model.mesh import Diagnostic
from lateen.sources.handover import Answer, Batch, Json, Question, Remark, encode, receive

_log = logging.getLogger(__name__)


class HandedOver:
    """One connection to the process that has the objects. Public methods are its questions, by their names."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane

    async def run(self, connection: socket.socket) -> None:
        """Take everything that is handed over; returns when the other end closes."""
        reader, writer = await asyncio.open_connection(sock=connection)
        async with asyncio.TaskGroup() as answering:
            while (message := await receive(reader)) is not None:
                match message:
                    case Batch(changed=changed, deleted=deleted):
                        self._control_plane.apply(tuple(_typed(changed)), deleted)
                    case Question():
                        answering.create_task(self._answer(message, writer))
                    case Answer():
                        raise AssertionError(message)
        writer.close()

    async def settled(self, patience_s: float) -> None:
        """Return once every batch so far has reached the proxies, and they have answered or patience is at its end."""
        await self._control_plane.settled()
        await self._control_plane.acknowledged(patience_s)

    async def remarks(self) -> dict[str, list[Remark]]:
        """`refused`: what proxies do not take over; `problems`: what is wrong with objects in force."""
        return {
            "refused": _remarks(self._control_plane.refused()),
            "problems": _remarks(self._control_plane.diagnostics()),
        }

    async def sync_status(self) -> list[Json]:
        """How far each proxy is, in the shape of `/debug/syncz`."""
        return self._control_plane.sync_status()

    async def _answer(self, question: Question, writer: asyncio.StreamWriter) -> None:
        ask: Callable[..., Awaitable[Any]] = getattr(self, question.name)
        try:
            answer = Answer(question.id, await ask(**question.arguments))
        except Exception as error:
            _log.exception("cannot answer %s", question.name)
            answer = Answer(question.id, error=f"{type(error).__name__}: {error}")
        writer.write(encode(answer))


def _typed(objects: Iterable[Json]) -> Iterator[ConfigObject]:
    """The objects that the mesh reads. Whoever hands them over has checked them."""
    for raw in objects:
        match decode(raw):
            case ConfigObject() as found:
                yield found
            case (UnknownKind() | Invalid()) as found:
                _log.error("was handed over and cannot be read: %s", found)


def _remarks(diagnostics: Iterable[Diagnostic]) -> list[Remark]:
    return [Remark(each.ref, str(each)) for each in diagnostics]
