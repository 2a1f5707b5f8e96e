"""The control plane's process, played by a small program: fed, asked, killed, started again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lateen.config.objects import ObjectRef
from lateen.local_runtime import control_plane
from lateen.local_runtime.control_plane import ControlPlane, NoAnswer
from lateen.local_runtime.notices import Notices
from lateen.sources.handover import Batch, Remark, Remarks

PLAYED = """
import asyncio, os, socket, sys
from lateen.sources.handover import Answer, Batch, encode, receive

def inherited(flag):
    (text,) = (each for each in sys.argv if each.startswith(flag))
    return socket.socket(fileno=int(text.rpartition("/")[2]))

async def main():
    names = []
    listening = inherited("--grpcAddr")
    reader, writer = await asyncio.open_connection(sock=inherited("--objects"))
    while (message := await receive(reader)) is not None:
        if isinstance(message, Batch):
            names += [raw["name"] for raw in message.changed]
        elif message.name == "names":
            writer.write(encode(Answer(message.id, names)))
        elif message.name == "remarks":
            ref = {"group": "", "kind": "Service", "namespace": "default", "name": "a"}
            writer.write(encode(Answer(message.id, {"refused": [], "problems": [{"ref": ref, "text": "wrong"}]})))
        elif message.name == "accept":
            writer.write(encode(Answer(message.id, listening.accept()[0].recv(100).decode())))
        elif message.name == "settled":
            writer.write(encode(Answer(message.id)))
        elif message.name == "die":
            os._exit(3)
        else:
            writer.write(encode(Answer(message.id, error="what?")))

asyncio.run(main())
"""


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
async def played(notices: Notices, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    program = tmp_path / "played.py"
    program.write_text(PLAYED)
    found = ControlPlane(notices, (sys.executable, str(program)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "xds.sock"))
        listening.listen()
        await found.start({"--grpcAddr": (listening,)})
        yield found
        await found.close()


def batch(*names: str) -> Batch:
    return Batch([{"name": name} for name in names])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.01)


async def test_it_is_handed_everything_and_then_what_changes(played: ControlPlane) -> None:
    played.follow(lambda: batch("a", "b"))
    played.apply(batch("c"))
    assert await played.ask("names") == ["a", "b", "c"]


async def test_an_answer_is_that_of_its_question(played: ControlPlane) -> None:
    played.follow(lambda: batch("a"))
    service = ObjectRef("", "Service", "default", "a")
    names, remarks = await asyncio.gather(played.ask("names"), played.remarks())
    assert names == ["a"]
    assert remarks == Remarks(problems=[Remark(service, "wrong")])
    with pytest.raises(NoAnswer, match=r"what\?"):
        await played.ask("nonsense")


async def test_when_killed_it_is_started_again_and_gets_everything_again(played: ControlPlane) -> None:
    here = ["a"]
    played.follow(lambda: batch(*here))
    assert await played.ask("names") == ["a"]
    first = played.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: played.pid not in (None, first))
    here.append("b")
    assert await played.ask("names") in (["a"], ["a", "b"])
    assert played.restarts == 1


async def test_a_question_is_not_answered_by_one_that_ends(played: ControlPlane) -> None:
    with pytest.raises(NoAnswer):
        await played.ask("die")
    await until(lambda: played.restarts == 1 and played.pid is not None)
    assert await played.ask("names") == []


async def test_who_waits_until_changes_are_heeded_waits_for_proxies_to_come_back(
    played: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    await played.heeded(1)
    monkeypatch.setattr(control_plane, "_RETURN_S", 3600)
    with pytest.raises(NoAnswer):
        await played.ask("die")
    await until(lambda: played.pid is not None)
    await played.settled(1)
    waiting = asyncio.create_task(played.heeded(1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 0.05)


async def test_that_it_ends_soon_is_said_until_it_answers(played: ControlPlane, notices: Notices) -> None:
    with pytest.raises(NoAnswer):
        await played.ask("die")
    await until(lambda: bool(list(notices)))
    assert list(notices) == ["the control plane ended (exit code 3) and is started again; proxies keep what they have"]
    await until(lambda: played.pid is not None)
    await played.ask("names")
    assert list(notices) == []


async def test_who_connects_while_it_is_away_is_served_when_it_is_back(played: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(NoAnswer):
        await played.ask("die")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as proxy:
        proxy.connect(str(tmp_path / "xds.sock"))
        proxy.send(b"hello")
        await until(lambda: played.pid is not None)
        assert await played.ask("accept") == "hello"


async def test_it_ends_with_its_supervisor(played: ControlPlane) -> None:
    await played.ask("names")
    pid = played.pid
    await played.close()
    assert played.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(NoAnswer):
        await played.ask("names")
