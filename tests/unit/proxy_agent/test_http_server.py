import asyncio

import pytest

from lateen.proxy_agent.http_server import MAX_BODY_BYTES, MAX_HEAD_BYTES, BadRequest, Request, read_request


async def read(data: bytes) -> Request:
    reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
    reader.feed_data(data)
    reader.feed_eof()
    return await read_request(reader, local=True)


async def test_a_request() -> None:
    request = await read(b"GET /healthz/ready?x=1 HTTP/1.1\r\nHost: a\r\nX-Y: b: c \r\n\r\n")
    assert request == Request("GET", "/healthz/ready", {"host": "a", "x-y": "b: c"}, True)


async def test_the_body_is_read_and_dropped() -> None:
    assert (await read(b"POST /drain HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")).method == "POST"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"BREW /x HTTP/1.1\r\n\r\n", 405),
        (b"GET x HTTP/1.1\r\n\r\n", 400),
        (b"GET /x\r\n\r\n", 400),
        (b"GET /x y HTTP/1.1\r\n\r\n", 400),
        (b"GET /x HTTP/2.0\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\na: b\nc: d\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"POST /x HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", 413),
        (b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /x HTTP/1.1\r\na: " + b"b" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n", 431),
    ],
)
async def test_anything_odd_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        await read(data)
    assert caught.value.status == status


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc"])
async def test_half_a_request_is_none(data: bytes) -> None:
    with pytest.raises(EOFError):
        await read(data)
