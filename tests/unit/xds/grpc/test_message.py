from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.xds.grpc.message import MessageReader, prefix
from lateen.xds.grpc.status import CallError, Status


@given(messages=st.lists(st.binary(max_size=40), max_size=6), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_messages_are_found_however_the_body_is_cut(messages: list[bytes], cuts: list[int]) -> None:
    body = b"".join(prefix(len(message)) + message for message in messages)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    reader = MessageReader(max_bytes=100)
    found = [m for start, end in pairwise(edges) for m in reader.feed(body[start:end])]
    assert found == messages
    assert not reader.incomplete


def test_half_a_message_is_incomplete() -> None:
    reader = MessageReader(max_bytes=100)
    assert reader.feed(prefix(3) + b"ab") == []
    assert reader.incomplete


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\x01\x00\x00\x00\x01x", Status.UNIMPLEMENTED),
        (b"\x07\x00\x00\x00\x01x", Status.INTERNAL),
        (prefix(101), Status.RESOURCE_EXHAUSTED),
        (prefix(1) + b"x" + prefix(101), Status.RESOURCE_EXHAUSTED),
    ],
    ids=["compressed", "unknown flag", "too large", "the second too large"],
)
def test_what_is_not_taken_is_refused_before_it_is_read(body: bytes, status: Status) -> None:
    with pytest.raises(CallError) as error:
        MessageReader(max_bytes=100).feed(body)
    assert error.value.status is status
