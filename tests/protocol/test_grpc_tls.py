"""Serving over TLS, under grpcio as the client and in small pieces; certificates are made by openssl for the test."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from lateen.xds.grpc.call import Call
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.grpc.message import Message
from lateen.xds.grpc.tls import TlsConnection
from lateen.xds.listening import TcpAddress
from lateen.xds.server import GrpcServer

MEGABYTE = 1 << 20
SPIFFE = "spiffe://cluster.local/ns/default/sa/bookinfo"


class Echo:
    """Answers each message with itself, or with who the client is."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def received(self, message: bytes) -> None:
        peer = self.call.peer
        who = (" ".join(peer.uris).encode(), b"|", peer.certificate)
        self.call.send(Message(*(who if message == b"who" else (message,))))

    def ended(self) -> None:
        self.call.finish()

    def lost(self) -> None:
        pass


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca, server and client certificates and keys."""
    folder = tmp_path_factory.mktemp("pki")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca", cwd=folder
    )
    for name, alternative in (("server", "DNS:localhost"), ("client", f"URI:{SPIFFE}")):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", cwd=folder)
        (folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing, cwd=folder)
    return folder


@pytest.fixture
def context(pki: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    context.load_verify_locations(pki / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture(params=[EngineKind.NGH2, EngineKind.H2])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[GrpcServer]:
    server = GrpcServer({"/t/Echo": Echo}, engine=request.param)
    yield server
    await server.close(grace=0.2)


@pytest.fixture
async def port(server: GrpcServer, context: ssl.SSLContext) -> int:
    return (await server.listen(TcpAddress("127.0.0.1", 0), context)).port


def channel(port: int, pki: Path, *, certificate: bool) -> grpc.aio.Channel:
    own = ((pki / "client.key").read_bytes(), (pki / "client.pem").read_bytes()) if certificate else (None, None)
    credentials = grpc.ssl_channel_credentials((pki / "ca.pem").read_bytes(), *own)
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.max_receive_message_length", 64 * MEGABYTE)]
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=options)


async def test_messages_of_all_sizes_go_both_ways(port: int, pki: Path) -> None:
    async with channel(port, pki, certificate=False) as secure:
        call = secure.stream_stream("/t/Echo")()
        for size in (0, 1, 16_383, 16_384, 16_385, 65_536, 5 * MEGABYTE):
            message = bytes(size % 251 for _ in range(1)) * size
            await call.write(message)
            assert await call.read() == message
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK


async def test_a_handler_knows_the_client_by_its_certificate(port: int, pki: Path) -> None:
    async with channel(port, pki, certificate=True) as secure:
        call = secure.stream_stream("/t/Echo")()
        await call.write(b"who")
        uris, _, certificate = (await call.read()).partition(b"|")
    assert uris.decode() == SPIFFE
    assert certificate == ssl.PEM_cert_to_DER_cert((pki / "client.pem").read_text())


async def test_a_client_without_certificate_is_nobody_or_not_let_in(
    server: GrpcServer, context: ssl.SSLContext, pki: Path
) -> None:
    port = (await server.listen(TcpAddress("127.0.0.1", 0), context)).port
    async with channel(port, pki, certificate=False) as secure:
        call = secure.stream_stream("/t/Echo")()
        await call.write(b"who")
        assert await call.read() == b"|"
    context.verify_mode = ssl.CERT_REQUIRED
    strict = (await server.listen(TcpAddress("127.0.0.1", 0), context)).port
    async with channel(strict, pki, certificate=False) as secure:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await secure.unary_unary("/t/Echo")(b"who", timeout=5)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_closing_the_server_tells_its_clients(server: GrpcServer, port: int, pki: Path) -> None:
    async with channel(port, pki, certificate=False) as secure:
        call = secure.stream_stream("/t/Echo")()
        await call.write(b"x")
        await call.read()
        await server.close("back soon", grace=2)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert await call.details() == "back soon"
    assert server.connections == 0


@pytest.mark.parametrize("sent", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100])
async def test_what_is_not_tls_is_closed(server: GrpcServer, port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert server.connections == 0


async def test_a_client_that_does_not_speak_http2_is_closed(server: GrpcServer, port: int, pki: Path) -> None:
    client = ssl.create_default_context(cafile=pki / "ca.pem")
    client.set_alpn_protocols(["http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    assert server.connections == 0


class Pieces(asyncio.Transport):
    """Notes how much it is given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.data = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sizes.append(len(data))
        self.data += data

    def is_closing(self) -> bool:
        return False


async def test_large_writes_are_encrypted_in_small_pieces(context: ssl.SSLContext, pki: Path) -> None:
    context.set_alpn_protocols(["h2"])
    served, transport = TlsConnection(context, asyncio.Protocol()), Pieces()
    served.connection_made(transport)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    settings = ssl.create_default_context(cafile=pki / "ca.pem")
    settings.set_alpn_protocols(["h2"])
    client = settings.wrap_bio(incoming, outgoing, server_hostname="localhost")
    for _ in range(4):
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        served.data_received(outgoing.read())
        incoming.write(transport.data)
        transport.data.clear()
    transport.sizes.clear()
    served.write(b"y" * MEGABYTE)
    assert max(transport.sizes) < 17_000
    incoming.write(transport.data)
    received = b""
    while len(received) < MEGABYTE:
        received += client.read(MEGABYTE)
    assert received == b"y" * MEGABYTE
    served.connection_lost(None)
