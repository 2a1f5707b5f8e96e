import os
import socket

import pytest

from lateen.local_runtime.sandbox.launcher_messages import (
    CreatePod,
    Ended,
    Execute,
    Failed,
    Message,
    Process,
    RunTool,
    Signal,
    StartContainer,
    Started,
    encode,
    receive,
)

PROCESS = tuple(Process(("sh", "-c", "é"), (("A", "1"),), 1000, 1000, (12, 13), True, "/", False))


@pytest.mark.parametrize(
    "message",
    [
        CreatePod(1, "reviews", "198.18.0.2"),
        StartContainer(2, 1, ((0, "etc", 0o755), (2, "etc/hosts", b"\0\xff")), PROCESS),
        Execute(3, 1, 2, PROCESS),
        RunTool(4, ("nft", "-f", "-")),
        Signal(2, 15),
        Started(2, 4711),
        Failed(2, 'exec: "x": executable file not found in $PATH'),
        Ended(2, 137),
    ],
)
def test_messages_arrive_as_they_were_sent(message: Message) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"".join(encode(message)) * 2)
        assert [receive(theirs), receive(theirs)] == [(message, ())] * 2


def test_descriptors_come_with_their_message_and_close_on_exec() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    with ours, theirs:
        header, body = encode(RunTool(1, ("true",)))
        socket.send_fds(ours, [header], [writing, writing])
        ours.sendall(body)
        received = receive(theirs)
    assert received is not None
    os.close(writing)
    for descriptor in received[1]:
        assert not os.get_inheritable(descriptor)
        os.write(descriptor, b"x")
        os.close(descriptor)
    assert os.read(reading, 9) == b"xx"
    os.close(reading)


def test_the_end_of_the_connection() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(encode(Signal(1, 9))[0])
        ours.close()
        assert receive(theirs) is None
