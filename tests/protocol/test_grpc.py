"""Our gRPC serving under grpcio as the client, over a unix socket and loopback TCP, with each HTTP/2 engine."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from lateen.xds.grpc.call import Call, Handler, unary
from lateen.xds.grpc.engine import EngineKind, Limits
from lateen.xds.grpc.message import Message
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.listening import TcpAddress, UnixAddress
from lateen.xds.server import GrpcServer

MEGABYTE = 1 << 20


class Echo:
    """Answers each message with itself; some messages are orders."""

    calls: list["Echo"] = []

    def __init__(self, call: Call) -> None:
        self.call = call
        self.lost_count = 0
        Echo.calls.append(self)

    def received(self, message: bytes) -> None:
        match message:
            case b"bug":
                raise ZeroDivisionError
            case b"refuse":
                raise CallError(Status.FAILED_PRECONDITION, "nicht möglich: 100 % \n")
            case b"finish":
                self.call.finish()
            case b"peer":
                self.call.send(Message(str(self.call.peer.uid).encode()))
            case b"pause":
                self.call.pause()
            case _ if message.startswith(b"big "):
                piece = b"x" * MEGABYTE
                self.call.send(Message(*[piece] * int(message[4:])))
            case _:
                self.call.send(Message(message[:1], message[1:]))

    def ended(self) -> None:
        self.call.finish()

    def lost(self) -> None:
        self.lost_count += 1


def turned_away(_call: Call) -> Handler:
    raise CallError(Status.PERMISSION_DENIED, "not you")


HANDLERS = {
    "/t/Echo": Echo,
    "/t/Away": turned_away,
    "/t/Upper": unary(lambda message, _call: message.upper()),
}


@pytest.fixture(params=[EngineKind.NGH2, EngineKind.H2])
def engine(request: pytest.FixtureRequest) -> EngineKind:
    return request.param


@pytest.fixture
async def server(engine: EngineKind) -> AsyncIterator[GrpcServer]:
    Echo.calls = []
    server = GrpcServer(HANDLERS, engine=engine, limits=Limits(max_message_bytes=2 * MEGABYTE))
    yield server
    await server.close(grace=0.2)


@pytest.fixture(params=["unix", "tcp"])
async def address(request: pytest.FixtureRequest, server: GrpcServer, tmp_path: Path) -> str:
    if request.param == "tcp":
        return f"127.0.0.1:{(await server.listen(TcpAddress('127.0.0.1', 0))).port}"
    await server.listen(UnixAddress(tmp_path / "s.sock"))
    return f"unix:{tmp_path / 's.sock'}"


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = [("grpc.max_receive_message_length", 64 * MEGABYTE), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


def stream(channel: grpc.aio.Channel, path: str = "/t/Echo") -> grpc.aio.StreamStreamCall:
    return channel.stream_stream(path)()


async def until(condition) -> None:
    """Wait for something the event loop is about to do."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - grpcio gives no event to wait for
            await asyncio.sleep(0.005)


async def test_messages_go_both_ways_in_order(channel: grpc.aio.Channel) -> None:
    call = stream(channel)
    for text in (b"one", b"two", b"", b"y" * MEGABYTE):
        await call.write(text)
        assert await call.read() == text
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_unary_calls(channel: grpc.aio.Channel) -> None:
    assert await channel.unary_unary("/t/Upper")(b"abc") == b"ABC"


async def test_an_unknown_method(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await channel.unary_unary("/t/Nothing")(b"")
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert error.value.details() == "unknown method /t/Nothing"


@pytest.mark.parametrize(
    ("path", "message", "code", "details"),
    [
        ("/t/Away", b"x", grpc.StatusCode.PERMISSION_DENIED, "not you"),
        ("/t/Echo", b"bug", grpc.StatusCode.INTERNAL, "internal error"),
        ("/t/Echo", b"refuse", grpc.StatusCode.FAILED_PRECONDITION, "nicht möglich: 100 % \n"),
        (
            "/t/Echo",
            b"z" * (2 * MEGABYTE + 1),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "message of 2097153 bytes is larger",
        ),
    ],
    ids=["turned away", "bug", "refused", "too large"],
)
async def test_how_calls_end(address: str, path: str, message: bytes, code: grpc.StatusCode, details: str) -> None:
    error = await asyncio.to_thread(_ended_call, address, path, message)
    assert error.code() is code
    assert error.details().startswith(details)


def _ended_call(address: str, path: str, message: bytes) -> grpc.RpcError:
    """By grpcio's synchronous client: the other one may report a write that came too late instead of the status."""
    over = threading.Event()

    def messages() -> Iterator[bytes]:
        yield message
        over.wait(5)

    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            list(channel.stream_stream(path)(messages()))
        except grpc.RpcError as error:
            return error
        finally:
            over.set()
    raise AssertionError("the call ended well")


async def test_what_is_sent_before_the_end_arrives(channel: grpc.aio.Channel) -> None:
    call = stream(channel)
    await call.write(b"big 3")
    await call.write(b"finish")
    assert len(await call.read()) == 3 * MEGABYTE
    assert await call.code() is grpc.StatusCode.OK
    await until(lambda: Echo.calls[0].lost_count == 1)


async def test_compressed_messages_are_refused(address: str) -> None:
    async with grpc.aio.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary("/t/Upper")(b"a" * 10_000)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_cancelled_call_is_lost_once(channel: grpc.aio.Channel) -> None:
    call = stream(channel)
    await call.write(b"hello")
    assert await call.read() == b"hello"
    call.cancel()
    await until(lambda: Echo.calls[0].lost_count == 1)
    Echo.calls[0].call.send(Message(b"nobody is there"))
    again = stream(channel)
    await again.write(b"still works")
    assert await again.read() == b"still works"
    assert [each.lost_count for each in Echo.calls] == [1, 0]


async def test_many_calls_on_one_connection(channel: grpc.aio.Channel) -> None:
    calls = [stream(channel) for _ in range(50)]
    for number, call in enumerate(calls):
        await call.write(str(number).encode())
    assert [await call.read() for call in calls] == [str(number).encode() for number in range(50)]


async def test_closing_the_server_ends_its_calls(channel: grpc.aio.Channel, server: GrpcServer) -> None:
    call = stream(channel)
    await call.write(b"x")
    await call.read()
    await server.close("back soon", grace=2)
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert await call.details() == "back soon"
    assert server.connections == 0
    assert Echo.calls[0].lost_count == 1


async def test_calls_may_end_by_themselves_before_the_server_closes(
    channel: grpc.aio.Channel, address: str, server: GrpcServer
) -> None:
    call = stream(channel)
    await call.write(b"x")
    await call.read()
    closing = asyncio.create_task(server.close("back soon", drain=5))
    await asyncio.sleep(0)
    await call.write(b"still served")
    assert await call.read() == b"still served"
    assert not closing.done()
    async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as other:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await other.unary_unary("/t/Upper")(b"a")
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK
    await asyncio.wait_for(closing, 2)
    assert server.connections == 0


async def test_calls_that_do_not_end_by_themselves_are_ended(channel: grpc.aio.Channel, server: GrpcServer) -> None:
    call = stream(channel)
    await call.write(b"x")
    await call.read()
    await server.close("back soon", drain=0.05)
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert await call.details() == "back soon"


async def test_a_paused_call_takes_no_more_than_its_window(channel: grpc.aio.Channel) -> None:
    call = stream(channel)
    await call.write(b"pause")
    writer = asyncio.ensure_future(_write(call, [b"w" * (MEGABYTE // 4)] * 16))
    await asyncio.sleep(0.1)
    assert not writer.done()
    Echo.calls[0].call.resume()
    for _ in range(16):
        assert len(await call.read()) == MEGABYTE // 4
    await writer


async def _write(call: grpc.aio.StreamStreamCall, messages: list[bytes]) -> None:
    for message in messages:
        await call.write(message)


async def test_a_client_that_does_not_read_holds_no_copies(channel: grpc.aio.Channel) -> None:
    call = stream(channel)
    for _ in range(40):
        await call.write(b"big 1")
    await until(lambda: Echo.calls and Echo.calls[0].call.unsent)
    assert Echo.calls[0].call.queued_in_engine <= 64 << 10
    other = stream(channel)
    await other.write(b"not delayed")
    assert await other.read() == b"not delayed"
    assert [len(await call.read()) for _ in range(40)] == [MEGABYTE] * 40
    await until(lambda: not Echo.calls[0].call.unsent)


async def test_the_peer_of_a_unix_socket_is_a_process(server: GrpcServer, tmp_path: Path) -> None:
    await server.listen(UnixAddress(tmp_path / "p.sock"))
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 'p.sock'}") as channel:
        call = stream(channel)
        await call.write(b"peer")
        assert await call.read() == str(os.getuid()).encode()


async def test_everybody_may_connect_to_the_socket(server: GrpcServer, tmp_path: Path) -> None:
    await server.listen(UnixAddress(tmp_path / "p.sock"))
    assert (tmp_path / "p.sock").stat().st_mode & 0o777 == 0o666
    await server.close()
    assert not (tmp_path / "p.sock").exists()


async def test_a_stale_socket_is_replaced(server: GrpcServer, tmp_path: Path) -> None:
    path = tmp_path / "p.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    await server.listen(UnixAddress(path))
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        assert await channel.unary_unary("/t/Upper")(b"a") == b"A"


async def test_neither_a_living_socket_nor_a_file_is_replaced(server: GrpcServer, tmp_path: Path) -> None:
    await server.listen(UnixAddress(tmp_path / "p.sock"))
    with pytest.raises(FileExistsError, match="another server listens there"):
        await GrpcServer({}).listen(UnixAddress(tmp_path / "p.sock"))
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError, match="is no socket"):
        await server.listen(UnixAddress(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "precious"


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000040000000000")
DATA_ON_NO_STREAM = bytes.fromhex("000004000000000000") + b"data"
PING = bytes.fromhex("000008060000000000") + b"12345678"
PING_ACKNOWLEDGED = bytes.fromhex("000008060100000000") + b"12345678"


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE + SETTINGS + DATA_ON_NO_STREAM],
    ids=["HTTP/1", "data on no stream"],
)
async def test_garbage_closes_the_connection_and_nothing_else(
    server: GrpcServer, garbage: bytes, channel: grpc.aio.Channel
) -> None:
    port = (await server.listen(TcpAddress("127.0.0.1", 0))).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(garbage)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
    writer.close()
    assert await channel.unary_unary("/t/Upper")(b"a") == b"A"


async def test_a_ping_is_answered(server: GrpcServer) -> None:
    port = (await server.listen(TcpAddress("127.0.0.1", 0))).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + SETTINGS + PING)
    seen = b""
    async with asyncio.timeout(5):
        while PING_ACKNOWLEDGED not in seen:
            seen += await reader.read(1000)
    writer.close()
    await writer.wait_closed()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL", logger="lateen"):
        yield
