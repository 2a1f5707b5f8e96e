import asyncio

import pytest

from lateen.envoy.http1 import Target, _body, _head, _request


def reader(data: bytes) -> asyncio.StreamReader:
    result = asyncio.StreamReader()
    result.feed_data(data)
    result.feed_eof()
    return result


async def answer(data: bytes) -> tuple[int, bytes]:
    stream = reader(data)
    status, headers = await _head(stream)
    return status, b"".join([chunk async for chunk in _body(stream, headers)])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
async def test_a_body_is_framed_by_length_by_chunks_or_by_the_end(data: bytes) -> None:
    assert await answer(data) == (200, b"hello")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"SSH-2.0-x\r\n\r\n", ValueError),
        (b"", EOFError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", EOFError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ValueError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe", EOFError),
    ],
)
async def test_an_answer_that_is_not_one_is_an_error(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await answer(data)


def test_a_request_names_its_host_and_closes() -> None:
    assert _request(Target("::1", 80), "/a?b", "GET", {"Accept": "x"}, b"") == (
        b"GET /a?b HTTP/1.1\r\nhost: [::1]:80\r\nconnection: close\r\naccept: x\r\n\r\n"
    )
    assert _request(Target("h", 1), "/", "POST", {}, b"hey").endswith(b"\r\ncontent-length: 3\r\n\r\nhey")


def test_a_request_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="line break"):
        _request(Target("h", 1), "/", "GET", {"a": "b\r\nc: d"}, b"")
    with pytest.raises(ValueError, match="blank"):
        _request(Target("h", 1), "/a b", "GET", {}, b"")
