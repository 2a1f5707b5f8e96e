"""Objects handed over by another process on a stream socket, and what that process asks of whoever takes them.

    the local mesh's supervisor  -- Batch, Question -->  the control plane
                                 <------- Answer ------

Messages stay in order, so an answer speaks of every batch sent before its question. Both ends are of one version and
belong to one user.
"""

import struct
from asyncio import IncompleteReadError, StreamReader
from typing import Any, Final

import msgspec

from lateen.config.objects import ObjectRef

Json = dict[str, Any]


class Batch(msgspec.Struct, frozen=True, tag=True):
    """Objects as Kubernetes writes them, to be taken as one change; the first batch is everything there is."""

    changed: list[Json] = []
    deleted: list[ObjectRef] = []


class Question(msgspec.Struct, frozen=True, tag=True):
    """Something that the other end is asked by name."""

    id: int
    name: str
    arguments: Json = {}


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What became of the question of that id: a value, or why there is none."""

    id: int
    value: Any = None
    error: str = ""


class Remark(msgspec.Struct, frozen=True):
    """Something to be said of an object; the text names it."""

    ref: ObjectRef
    text: str


class Remarks(msgspec.Struct, frozen=True):
    """`refused`: what proxies do not take over; `problems`: what is wrong with objects in force."""

    refused: list[Remark] = []
    problems: list[Remark] = []


class Page(msgspec.Struct, frozen=True):
    """Something that is shown to people and programs: an HTTP status, a content type, and a text."""

    status: int
    content_type: str
    text: str


Message = Batch | Question | Answer

_SIZE: Final = struct.Struct("!I")
_decoder: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """The message as it stands on the socket: its size, and JSON."""
    body = msgspec.json.encode(message)
    return _SIZE.pack(len(body)) + body


async def receive(reader: StreamReader) -> Message | None:
    """The next message; None when the other end has gone, even in the middle of one."""
    try:
        (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
        return _decoder.decode(await reader.readexactly(size))
    except (IncompleteReadError, ConnectionError):
        return None
