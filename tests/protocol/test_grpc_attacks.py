"""Clients that do not keep to the rules, in raw frames: they are answered by closing, cost little, and hurt nobody."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from support.raw_http2 import Raw

from lateen.xds.grpc.call import Call, unary
from lateen.xds.grpc.engine import EngineKind, Limits
from lateen.xds.grpc.message import Message
from lateen.xds.listening import TcpAddress
from lateen.xds.server import GrpcServer

MEGABYTE = 1 << 20
PATH = "/t/Source"
LIMITS = Limits(max_unsent_bytes=16 * MEGABYTE, stalled_after=0.4, ping_after=0.4, ping_timeout=0.4, idle_after=60)


class Source:
    """Sends so many megabytes for each message: the same bytes each time."""

    calls: list["Source"] = []
    piece = b"x" * MEGABYTE

    def __init__(self, call: Call) -> None:
        self.call = call
        self.lost_count = 0
        Source.calls.append(self)

    def received(self, message: bytes) -> None:
        self.call.send(Message(*[self.piece] * int(message or b"0")))

    def ended(self) -> None:
        self.call.finish()

    def lost(self) -> None:
        self.lost_count += 1


@pytest.fixture(params=[EngineKind.NGH2, EngineKind.H2])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[GrpcServer]:
    Source.calls = []
    handlers = {"/t/Source": Source, "/t/Upper": unary(lambda message, _call: message.upper())}
    server = GrpcServer(handlers, engine=request.param, limits=LIMITS)
    yield server
    await server.close(grace=0.2)


@pytest.fixture
async def port(server: GrpcServer) -> int:
    return (await server.listen(TcpAddress("127.0.0.1", 0))).port


@pytest.fixture
async def connect(port: int) -> AsyncIterator[Callable[[], object]]:
    opened: list[Raw] = []

    async def connect() -> Raw:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that not reading is soon felt
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
        opened.append(Raw(*await asyncio.open_connection(sock=small)))
        return opened[-1]

    yield connect
    for raw in opened:
        raw.writer.transport.abort()


@pytest.fixture(autouse=True)
async def _others_are_served(port: int) -> AsyncIterator[None]:
    """Whatever happens on one connection, another works before, meanwhile and after."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary("/t/Upper")(b"a") == b"A"
        yield
        assert await asyncio.wait_for(channel.unary_unary("/t/Upper")(b"b"), 2) == b"B"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL", logger="lateen"):
        yield


async def flood(raw: Raw, frames: Callable[[int], list[Frame]], most: int = 20_000) -> None:
    """Send until the server has had enough; it must have by then."""
    with contextlib.suppress(ConnectionError):
        for number in range(most):
            raw.write(*frames(number))
            if number % 50 == 0 and not await raw.drained():
                break
    await raw.until_closed()


async def test_rapid_reset(connect) -> None:
    raw = await connect()
    await flood(raw, lambda n: [raw.headers(2 * n + 1, PATH), RstStreamFrame(2 * n + 1, error_code=8)])
    assert len(Source.calls) <= 2000
    assert {call.lost_count for call in Source.calls} == {1}


@pytest.mark.parametrize("frame", [PingFrame(0, b"12345678"), SettingsFrame(0)], ids=["pings", "settings"])
async def test_a_flood_of_what_asks_for_answers_that_are_not_read(connect, frame: Frame) -> None:
    raw = await connect()
    raw.reader._limit = 1  # stops reading from the socket
    await flood(raw, lambda _: [frame] * 200, most=2000)


async def test_empty_continuations(connect) -> None:
    raw = await connect()
    first = raw.headers(1, PATH)
    first.flags.discard("END_HEADERS")
    raw.write(first)
    await flood(raw, lambda _: [ContinuationFrame(1, b"")], most=2000)
    assert Source.calls == []


async def test_windows_that_make_the_server_reset(connect) -> None:
    raw = await connect()
    await flood(raw, lambda n: [raw.headers(2 * n + 1, PATH), WindowUpdateFrame(2 * n + 1, window_increment=2**31 - 1)])


async def test_too_many_headers_never_reach_a_handler(connect) -> None:
    raw = await connect()
    block = raw.encoder.encode(
        [(":method", "POST"), (":path", "/t/Source"), *((f"x-{n}", "y" * 1000) for n in range(60))]
    )
    pieces = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
    raw.write(HeadersFrame(1, pieces[0]), *(ContinuationFrame(1, piece) for piece in pieces[1:-1]))
    raw.write(ContinuationFrame(1, pieces[-1], flags=["END_HEADERS"]))
    async with asyncio.timeout(5):
        async for frame in raw.frames():
            if isinstance(frame, (RstStreamFrame, GoAwayFrame)):
                break
    assert Source.calls == []


async def test_a_frame_that_is_too_long_is_refused_when_it_begins(connect) -> None:
    raw = await connect()
    raw.write(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", b"x" * 100)
    assert any(isinstance(frame, GoAwayFrame) for frame in await raw.until_closed())


async def test_more_streams_than_are_allowed(connect) -> None:
    raw = await connect()
    raw.write(SettingsFrame(0, flags=["ACK"]))
    raw.write(*(raw.headers(2 * n + 1, PATH) for n in range(LIMITS.max_concurrent_streams + 20)))
    async with asyncio.timeout(5):
        async for frame in raw.frames():
            if isinstance(frame, (RstStreamFrame, GoAwayFrame)):
                break
    assert len(Source.calls) <= LIMITS.max_concurrent_streams


async def test_a_client_that_leaves_in_the_middle_of_a_message(connect) -> None:
    raw = await connect()
    raw.write(raw.headers(1, PATH), DataFrame(1, struct.pack("!BI", 0, 100) + b"half"))
    await raw.drained()
    await until(lambda: bool(Source.calls))
    raw.writer.transport.abort()
    await until(lambda: Source.calls[0].lost_count == 1)


async def test_what_waits_for_a_client_is_limited(connect) -> None:
    raw = await connect()
    raw.write(raw.headers(1, PATH), raw.message(1, b"8"))
    await until(lambda: len(Source.calls) == 1)
    call = Source.calls[0].call
    call.send(Message(*[Source.piece] * 9))
    assert Source.calls[0].lost_count == 1
    assert not call.unsent
    async with asyncio.timeout(5):
        async for frame in raw.frames():
            if isinstance(frame, RstStreamFrame):
                assert frame.error_code == 0xB  # which gRPC clients read as RESOURCE_EXHAUSTED
                break


@pytest.mark.parametrize("window", [0, 65535])
async def test_a_client_that_gives_no_more_window_is_dropped_after_a_while(connect, window: int) -> None:
    raw = await connect()
    raw.write(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: window}))
    raw.write(raw.headers(1, PATH), raw.message(1, b"1"))
    async with asyncio.timeout(5):
        async for frame in raw.frames():
            if isinstance(frame, RstStreamFrame):
                break
            if isinstance(frame, PingFrame):
                raw.write(PingFrame(0, frame.opaque_data, flags=["ACK"]))
    assert Source.calls[0].lost_count == 1


async def test_a_call_that_ends_while_another_fills_the_connection_has_its_status(connect) -> None:
    raw = await connect()
    raw.write(WindowUpdateFrame(0, window_increment=2**30), SettingsFrame(0, settings={4: 2**30}))
    raw.write(raw.headers(1, PATH), raw.message(1, b"4"), raw.headers(3, PATH))
    await until(lambda: len(Source.calls) == 2)
    await asyncio.sleep(0.05)
    Source.calls[1].call.finish()
    ended: dict[int, str] = {}
    async with asyncio.timeout(10):
        async for frame in raw.frames():
            if isinstance(frame, DataFrame):
                size = max(1, frame.flow_controlled_length)
                raw.write(WindowUpdateFrame(1, window_increment=size))
            if isinstance(frame, HeadersFrame):
                fields = dict(raw.decoder.decode(frame.data))
                ended |= {frame.stream_id: fields["grpc-status"]} if "grpc-status" in fields else {}
            if isinstance(frame, RstStreamFrame) or ended:
                break
    assert ended == {3: "0"}


async def test_a_client_that_reads_nothing_at_all_is_dropped_after_a_while(connect, server: GrpcServer) -> None:
    before = server.connections
    raw = await connect()
    raw.reader._limit = 1
    raw.write(WindowUpdateFrame(0, window_increment=2**30), SettingsFrame(0, settings={4: 2**30}))
    raw.write(raw.headers(1, PATH), raw.message(1, b"15"))
    await until(lambda: len(Source.calls) == 1)
    assert server.connections == before + 1
    await until(lambda: server.connections == before)
    assert Source.calls[0].lost_count == 1
    assert server.dropped == {"does not read": 1}


async def test_a_dead_client_is_dropped_and_a_living_one_is_not(connect, server: GrpcServer) -> None:
    before = server.connections
    dead, living = await connect(), await connect()
    for raw in (dead, living):
        raw.write(raw.headers(1, PATH))
    await until(lambda: len(Source.calls) == 2)

    async def live() -> None:
        async for frame in living.frames():
            if isinstance(frame, PingFrame):
                living.write(PingFrame(0, frame.opaque_data, flags=["ACK"]))

    task = asyncio.create_task(live())
    await until(lambda: server.connections == before + 1)
    assert not task.done()
    assert server.dropped == {"gives no sign of life": 1}
    task.cancel()


@pytest.mark.parametrize(("given", "status"), [("50m", "4"), ("soon", "13"), ("123456789S", "13")])
async def test_deadlines(connect, given: str, status: str) -> None:
    raw = await connect()
    raw.write(raw.headers(1, PATH, grpc_timeout=given))
    assert (await raw.trailers())["grpc-status"] == status


async def test_a_call_in_time_meets_no_deadline(connect) -> None:
    raw = await connect()
    frame = raw.message(1, b"abc")
    frame.flags.add("END_STREAM")
    raw.write(raw.headers(1, "/t/Upper", grpc_timeout="5S"), frame)
    assert (await raw.trailers())["grpc-status"] == "0"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the server's side has no event to wait for
            await asyncio.sleep(0.005)
