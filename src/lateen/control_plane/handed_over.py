"""The control plane fed by another process: takes its objects, and answers its questions."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from lateen.config.decode import decode
from lateen.config.objects import ConfigObject
from lateen.control_plane.app import ControlPlane
from lateen.control_plane.errors import CannotStart
from lateen.model.mesh import Diagnostic
from lateen.sources.handover import Answer, Batch, Json, Question, Remark, Remarks, encode, receive

_log = logging.getLogger(__name__)


class HandedOver:
    """One connection to the process that has the objects."""

    def __init__(self, connection: socket.socket, control_plane: ControlPlane) -> None:
        self._connection = connection
        self._control_plane = control_plane
        self._early: list[Question] = []
        self._answers: dict[str, Callable[..., Awaitable[Any]]] = {
            "settled": self._settled,
            "remarks": self._remarks,
            "page": control_plane.page,
        }
        """By the question's name."""

    async def read(self) -> None:
        """Take everything there is. Raises `CannotStart` if the other end goes before it has handed that over."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._connection)
        try:
            await self._read()
        except BaseException:
            self._writer.close()
            raise

    async def _read(self) -> None:
        while not self._control_plane.ready:
            match await receive(self._reader):
                case Batch() as batch:
                    self._apply(batch)  # a part would count as everything, so a bug ends the program
                case Question() as question:
                    self._early.append(question)
                case _:
                    raise CannotStart("whoever was to hand over the configuration has gone")

    async def follow(self) -> None:
        """Take what changes, and answer; returns when the other end has gone."""
        try:
            async with asyncio.TaskGroup() as answering:
                for question in self._early:
                    answering.create_task(self._answer(question))
                while (message := await receive(self._reader)) is not None:
                    match message:
                        case Batch():
                            self._follow(message)
                        case Question():
                            answering.create_task(self._answer(message))
        finally:
            self._writer.close()

    async def _settled(self, patience_s: float) -> None:
        """Return once every batch so far has reached the proxies, and they have answered or patience is at its end."""
        await self._control_plane.settled()
        await self._control_plane.acknowledged(patience_s)

    async def _remarks(self) -> Remarks:
        """What is to be said of the objects that were handed over."""
        return Remarks(_remarks(self._control_plane.refused()), _remarks(self._control_plane.diagnostics()))

    def _apply(self, batch: Batch) -> None:
        self._control_plane.apply(tuple(_typed(batch.changed)), batch.deleted)

    def _follow(self, batch: Batch) -> None:
        try:
            self._apply(batch)
        except Exception:  # a bug must not take down what runs
            _log.exception("a change is not in force because of a bug in lateen")

    async def _answer(self, question: Question) -> None:
        try:
            answer = encode(Answer(question.id, await self._answers[question.name](**question.arguments)))
        except Exception as error:
            _log.exception("cannot answer %s", question.name)
            answer = encode(Answer(question.id, error=f"{type(error).__name__}: {error}"))
        self._writer.write(answer)


def _typed(objects: Iterable[Json]) -> Iterator[ConfigObject]:
    """The objects that the mesh reads. Whoever hands them over has checked them."""
    for raw in objects:
        match decode(raw):
            case ConfigObject() as found:
                yield found
            case found:
                _log.error("was handed over and cannot be read: %s", found)


def _remarks(diagnostics: Iterable[Diagnostic]) -> list[Remark]:
    return [Remark(each.ref, str(each)) for each in diagnostics]
