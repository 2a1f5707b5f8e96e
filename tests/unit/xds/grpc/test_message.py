from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.xds.grpc.message import Message, MessageReader
from lateen.xds.grpc.status import CallError, Status


def framed(*pieces: bytes) -> bytes:
    return b"".join(Message(*pieces).pieces)


@given(messages=st.lists(st.binary(max_size=40), max_size=6), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_messages_are_found_however_the_body_is_cut(messages: list[bytes], cuts: list[int]) -> None:
    body = b"".join(map(framed, messages))
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    reader = MessageReader(max_bytes=100)
    found = [m for start, end in pairwise(edges) for m in reader.feed(body[start:end])]
    assert found == messages
    assert not reader.incomplete


def test_half_a_message_is_incomplete() -> None:
    reader = MessageReader(max_bytes=100)
    assert reader.feed(framed(b"abc")[:-1]) == []
    assert reader.incomplete


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\x01\x00\x00\x00\x01x", Status.UNIMPLEMENTED),
        (b"\x07\x00\x00\x00\x01x", Status.INTERNAL),
        (framed(bytes(101))[:5], Status.RESOURCE_EXHAUSTED),
        (framed(b"x") + framed(bytes(101))[:5], Status.RESOURCE_EXHAUSTED),
    ],
    ids=["compressed", "unknown flag", "too large", "the second too large"],
)
def test_what_is_not_taken_is_refused_before_it_is_read(body: bytes, status: Status) -> None:
    with pytest.raises(CallError) as error:
        MessageReader(max_bytes=100).feed(body)
    assert error.value.status is status


def test_large_pieces_are_written_as_they_are_and_small_ones_as_one() -> None:
    large = bytes(20_000)
    assert Message(b"head", b"", large).pieces == (b"\x00\x00\x00\x4e\x24", b"head", large)
    assert Message(b"head", large).pieces[-1] is large
    assert Message(b"a", b"b").pieces == (b"\x00\x00\x00\x00\x02ab",)
    for message in (Message(b"a", b"b"), Message(b"a", large), Message()):
        assert sum(map(len, message.pieces)) == 5 + message.size == 5 + len(message.body)
