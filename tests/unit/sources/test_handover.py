"""Messages between the process that has the objects and the control plane."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from lateen.config.objects import ObjectRef
from lateen.sources.handover import Answer, Batch, Message, Question, encode, receive

REF = ObjectRef("networking.istio.io", "VirtualService", "default", "reviews")


@pytest.mark.parametrize(
    "message",
    [
        Batch([{"kind": "Service", "spec": {"ports": [{"port": 80}]}}], [REF]),
        Batch(),
        Question(7, "settled", {"patience_s": 1.5}),
        Answer(7, {"a": [1, None, "ü"]}),
        Answer(8, error="no"),
    ],
)
async def test_messages_arrive_as_they_were_sent(message: Message) -> None:
    reader = asyncio.StreamReader()
    for byte in encode(message) + encode(message):  # however the bytes come
        reader.feed_data(bytes((byte,)))
    reader.feed_eof()
    assert [await receive(reader) for _ in range(3)] == [message, message, None]


async def test_an_end_in_the_middle_of_a_message_is_the_end() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(encode(Answer(1, "x"))[:-1])
    reader.feed_eof()
    assert await receive(reader) is None


async def test_what_yaml_has_beyond_json_arrives_as_the_api_writes_it() -> None:
    reader = asyncio.StreamReader()
    values = {"day": date(2024, 2, 29), "time": datetime(2024, 2, 29, 12, tzinfo=UTC)}
    reader.feed_data(encode(Batch([values])))
    assert await receive(reader) == Batch([{"day": "2024-02-29", "time": "2024-02-29T12:00:00Z"}])
