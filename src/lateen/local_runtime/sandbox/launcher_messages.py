"""What the supervisor and its launcher say to each other: frames on a unix socket, with descriptors beside them.

A frame is a length, then a marshalled tuple: the index of its class below and its fields. Both ends are the same
interpreter on the same files, and neither reads anything from a pod here. Standard library only: the launcher
imports it.
"""

import marshal
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple


class CreatePod(NamedTuple):
    """Make a pod's namespaces and their first process."""

    id: int
    hostname: str
    address: str


class Process(NamedTuple):
    """The program to execute and as whom; capabilities are numbers."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    uid: int
    gid: int
    capabilities: tuple[int, ...]
    no_new_privileges: bool
    cwd: str
    terminal: bool


class StartContainer(NamedTuple):
    """Start the main process of a container in a root of its own. Descriptors: standard input, output, error."""

    id: int
    pod: int
    steps: tuple[tuple[Any, ...], ...]
    process: tuple[Any, ...]


class Execute(NamedTuple):
    """Start another process in a container. Descriptors: standard input, output, error."""

    id: int
    pod: int
    container: int
    process: tuple[Any, ...]


class RunTool(NamedTuple):
    """Run a program of this machine, as we are, in the mesh's network. Descriptors: standard input, output, error."""

    id: int
    argv: tuple[str, ...]


class Signal(NamedTuple):
    """Send a signal to a process that was started; ignored once it has ended."""

    id: int
    number: int


class Started(NamedTuple):
    """The namespaces are there, or the program has been executed."""

    id: int
    pid: int


class Failed(NamedTuple):
    """It could not be started; nothing else follows for this id."""

    id: int
    error: str


class Ended(NamedTuple):
    """It ended with this exit code, 128+n for signal n."""

    id: int
    code: int


Message = CreatePod | StartContainer | Execute | RunTool | Signal | Started | Failed | Ended

_CLASSES: Final = (CreatePod, StartContainer, Execute, RunTool, Signal, Started, Failed, Ended)
_INDEX: Final = {cls: index for index, cls in enumerate(_CLASSES)}
_HEADER: Final = struct.Struct("I")
HEADER_SIZE: Final = _HEADER.size
MAX_DESCRIPTORS: Final = 3


def encode(message: Message) -> tuple[bytes, bytes]:
    """Header and body; descriptors travel with the header."""
    fields: tuple[Any, ...] = message
    body = marshal.dumps((_INDEX[type(message)], tuple(fields)))
    return _HEADER.pack(len(body)), body


def body_size(header: bytes) -> int:
    """How long the body is."""
    size: int = _HEADER.unpack(header)[0]
    return size


def decode(body: bytes) -> Message:
    """The message of a body."""
    index, fields = marshal.loads(body)
    return _CLASSES[index](*fields)


def descriptors_of(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, ...]:
    """The descriptors that recvmsg() brought."""
    found: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
    return tuple(found)


def receive(connection: socket.socket) -> tuple[Message, tuple[int, ...]] | None:
    """The next message, waiting for it; None at the end. Descriptors come close-on-exec."""
    header, ancillary, _, _ = connection.recvmsg(HEADER_SIZE, socket.CMSG_SPACE(4 * MAX_DESCRIPTORS))
    descriptors = descriptors_of(ancillary)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    header = _fill(connection, header, HEADER_SIZE)
    body = _fill(connection, b"", body_size(header)) if len(header) == HEADER_SIZE else b""
    return (decode(body), descriptors) if body else None


def _fill(connection: socket.socket, start: bytes, size: int) -> bytes:
    while len(start) < size:
        piece = connection.recv(size - len(start))
        if not piece:
            return b""
        start += piece
    return start
