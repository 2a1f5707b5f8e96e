"""Addresses as people write them, and sockets that a parent left open."""

import asyncio
import os
import re
import socket
from pathlib import Path

import pytest

from lateen.xds.listening import Address, InheritedSocket, TcpAddress, UnixAddress, listen, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":15010", TcpAddress("", 15010)),
        ("127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("localhost:8080", TcpAddress("localhost", 8080)),
        ("[::1]:15012", TcpAddress("::1", 15012)),
        ("unix:///run/lateen/xds.sock", UnixAddress(Path("/run/lateen/xds.sock"))),
        ("fd://3", InheritedSocket(3)),
    ],
)
def test_an_address_reads_as_it_is_written(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("15010", "'15010' is not an address; write HOST:PORT, :PORT, unix:///PATH or fd://NUMBER"),
        ("::1:15010", "with an IPv6 address in brackets"),
        ("http://127.0.0.1:80", "is not an address"),
        ("localhost:http", "the port 'http' must be a number from 0 to 65535"),
        (":65536", "the port '65536' must be"),
        (":", "the port '' must be"),
        ("unix://run/xds.sock", "must be absolute, as in unix:///run/lateen/xds.sock"),
        ("unix:xds.sock", "must be absolute"),
        ("fd://three", "a descriptor is a number, as in fd://3"),
        ("fd:3", "a descriptor is a number"),
    ],
)
def test_what_is_no_address_is_told_with_what_would_be(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        parse_address(text)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
async def test_a_socket_of_the_parent_is_served_whatever_its_family(family: int, tmp_path: Path) -> None:
    with socket.socket(family) as parents:
        parents.bind(str(tmp_path / "s") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        parents.listen()
        where = parents.getsockname()
        connected = asyncio.Event()

        class Told(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                connected.set()
                transport.close()

        listener = await listen(InheritedSocket(os.dup(parents.fileno())), Told)
        with socket.socket(family) as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, where)
            async with asyncio.timeout(5):
                await connected.wait()
        listener.close()
        await listener.closed()


async def test_a_descriptor_that_does_not_listen_is_refused_and_left_alone() -> None:
    with socket.socket(socket.AF_INET) as idle:
        with pytest.raises(OSError, match="it is not a stream socket that listens"):
            await listen(InheritedSocket(idle.fileno()), asyncio.Protocol)
        assert idle.getsockname()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await listen(InheritedSocket(999), asyncio.Protocol)
