"""The control plane fed over a socket pair, as the local mesh's supervisor feeds it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.worlds import service

from lateen.config.objects import ObjectRef
from lateen.control_plane.app import ControlPlane
from lateen.control_plane.errors import CannotStart
from lateen.control_plane.handed_over import HandedOver
from lateen.sources.handover import Answer, Batch, Message, Question, encode, receive

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def control_plane() -> AsyncIterator[ControlPlane]:
    found = ControlPlane()
    found.start()
    yield found
    await found.close()


@pytest.fixture
async def ends(control_plane: ControlPlane) -> AsyncIterator[tuple[HandedOver, Stream]]:
    ours, theirs = socket.socketpair()
    stream = await asyncio.open_connection(sock=ours)
    yield HandedOver(theirs, control_plane), stream
    stream[1].close()
    await asyncio.sleep(0.01)  # transports close in the loop's next turn


async def asked(stream: Stream, *messages: Message) -> Answer:
    stream[1].write(b"".join(map(encode, messages)))
    answer = await receive(stream[0])
    assert isinstance(answer, Answer)
    return answer


async def names(control_plane: ControlPlane) -> str:
    return (await control_plane.page("/debug/configz")).text


async def test_what_is_handed_over_is_in_force_when_it_answers(
    ends: tuple[HandedOver, Stream], control_plane: ControlPlane
) -> None:
    handed_over, stream = ends
    stream[1].write(encode(Batch([service("a"), service("b")])))
    await handed_over.read()
    assert control_plane.ready
    following = asyncio.create_task(handed_over.follow())
    gone = ObjectRef("", "Service", "default", "a")
    answer = await asked(stream, Batch([service("c")], [gone]), Question(1, "settled", {"patience_s": 0.1}))
    assert (answer.id, answer.error) == (1, "")
    found = await names(control_plane)
    assert [name in found for name in ('"a"', '"b"', '"c"')] == [False, True, True]
    stream[1].close()
    await following


async def test_a_question_that_cannot_be_answered_costs_nothing_else(ends: tuple[HandedOver, Stream]) -> None:
    handed_over, stream = ends
    stream[1].write(encode(Batch()))
    await handed_over.read()
    following = asyncio.create_task(handed_over.follow())
    for wrong in (Question(1, "read"), Question(2, "page", {"nonsense": 1})):
        answer = await asked(stream, wrong)
        assert answer.id == wrong.id
        assert answer.error
    assert (await asked(stream, Question(3, "page", {"path": "/debug/list", "query": ""}))).value["status"] == 200
    stream[1].close()
    await following


async def test_a_part_never_counts_as_everything(
    ends: tuple[HandedOver, Stream], control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    handed_over, stream = ends
    monkeypatch.setattr(control_plane, "apply", broken)
    stream[1].write(encode(Batch([service("a")])) + encode(Batch([service("b")])))
    with pytest.raises(ZeroDivisionError):
        await handed_over.read()
    assert not control_plane.ready


async def test_it_cannot_start_without_everything(ends: tuple[HandedOver, Stream]) -> None:
    handed_over, stream = ends
    stream[1].close()
    with pytest.raises(CannotStart):
        await handed_over.read()
