"""The mesh network with real packets: pods, service VIPs, DNS, published ports."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lateen.local_runtime.errors import PortInUse, ServiceRulesError
from lateen.local_runtime.network.dns import DnsServer, ServiceTarget, Zone
from lateen.local_runtime.network.relay import Relay
from lateen.local_runtime.network.service_rules import Backend, ServiceRule
from lateen.local_runtime.sandbox.sandbox import PodSandbox, ProcessSpec, Sandboxes

pytestmark = pytest.mark.e2e

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
VIP = "198.19.7.7"
REVIEWS = "reviews.default.svc.cluster.local"

Server = asyncio.Server


@pytest.fixture
async def sandboxes(tmp_path: Path) -> AsyncIterator[Sandboxes]:
    made = Sandboxes(tmp_path / "state")
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def pods(sandboxes: Sandboxes) -> list[PodSandbox]:
    return [await sandboxes.create_pod(f"p{n}", "default", f"p{n}", f"198.18.0.{n + 10}") for n in range(3)]


async def python(pod: PodSandbox, code: str) -> list[str]:
    """What a program in the pod prints."""
    output = os.memfd_create("output")
    process = await pod.start(ProcessSpec(argv=(sys.executable, "-I", "-c", code), env=PATH), output)
    exit_code = await process.wait()
    text = os.pread(output, 65536, 0).decode()
    os.close(output)
    assert exit_code == 0, text
    return text.splitlines()


async def serve(sandboxes: Sandboxes, pod: PodSandbox, port: int, name: str) -> Server:
    """Say a name and who the peer is to everyone who connects to the pod's port."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{name} {writer.get_extra_info('peername')[0]}".encode())
        writer.close()
        await writer.wait_closed()

    listening = sandboxes.network.socket(inside=pod)
    listening.bind(("0.0.0.0", port))
    return await asyncio.start_server(answer, sock=listening)


def dial(host: str, port: int, times: int = 1) -> str:
    return (
        f"import socket\nfor _ in range({times}):\n"
        f"  try: print(socket.create_connection(({host!r}, {port}), 2).recv(99).decode())\n"
        f"  except OSError as error: print(type(error).__name__)"
    )


def rule(*backends: tuple[str, int], port: int = 80) -> ServiceRule:
    found = tuple(Backend(IPv4Address(address), number) for address, number in backends)
    return ServiceRule(IPv4Address(VIP), "tcp", port, found)


async def test_pods_reach_each_other_and_not_the_host(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    async with await serve(sandboxes, pods[1], 8080, "one"):
        assert await python(pods[0], dial("198.18.0.11", 8080)) == ["one 198.18.0.10"]
        assert await python(pods[1], dial("127.0.0.1", 8080)) == ["one 127.0.0.1"]
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        assert await python(pods[0], dial("198.18.0.1", port)) == ["ConnectionRefusedError"]


async def test_a_vip_spreads_over_its_endpoints(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    await sandboxes.network.apply_services([rule(("198.18.0.11", 8081), ("198.18.0.12", 8082))])
    async with await serve(sandboxes, pods[1], 8081, "one"), await serve(sandboxes, pods[2], 8082, "two"):
        said = [line.split()[0] for line in await python(pods[0], dial(VIP, 80, times=40))]
        assert {"one", "two"} == set(said)


async def test_a_pod_may_reach_itself_by_its_vip(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    await sandboxes.network.apply_services([rule(("198.18.0.10", 8081))])
    async with await serve(sandboxes, pods[0], 8081, "me"):
        assert await python(pods[0], dial(VIP, 80)) == ["me 198.18.0.1"]


async def test_the_supervisor_reaches_vips_too(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    await sandboxes.network.apply_services([rule(("198.18.0.11", 8081))])
    async with await serve(sandboxes, pods[1], 8081, "one"):
        for inside in (None, pods[0]):
            connected = await sandboxes.network.connect(VIP, 80, inside=inside)
            assert await asyncio.get_running_loop().sock_recv(connected, 99) == b"one 198.18.0.1"
            connected.close()


async def test_unknown_vips_and_ports_without_endpoints_are_refused(
    sandboxes: Sandboxes, pods: list[PodSandbox]
) -> None:
    await sandboxes.network.apply_services([rule(port=81)])
    for host, port in ((VIP, 80), (VIP, 81), ("198.19.200.1", 80)):
        assert await python(pods[0], dial(host, port)) == ["ConnectionRefusedError"]


async def test_services_are_replaced_in_one_step(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    async with await serve(sandboxes, pods[1], 8081, "one"), await serve(sandboxes, pods[2], 8081, "two"):
        for address, name in (("198.18.0.11", "one"), ("198.18.0.12", "two")):
            await sandboxes.network.apply_services([rule((address, 8081))])
            assert await python(pods[0], dial(VIP, 80)) == [f"{name} 198.18.0.1"]
        bad = ServiceRule(IPv4Address(VIP), "tcp", 99999, (Backend(IPv4Address("198.18.0.11"), 1),))
        with pytest.raises(ServiceRulesError, match="nft refused"):
            await sandboxes.network.apply_services([bad])
        assert await python(pods[0], dial(VIP, 80)) == ["two 198.18.0.1"]
        await sandboxes.network.apply_services([])
        assert await python(pods[0], dial(VIP, 80)) == ["ConnectionRefusedError"]


async def test_udp_services(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    backends = (Backend(IPv4Address("198.18.0.11"), 5300),)
    await sandboxes.network.apply_services([ServiceRule(IPv4Address(VIP), "udp", 53, backends)])
    receiving = sandboxes.network.socket(type=socket.SOCK_DGRAM, inside=pods[1])
    receiving.bind(("0.0.0.0", 5300))
    loop = asyncio.get_running_loop()

    async def echo() -> None:
        data, peer = await loop.sock_recvfrom(receiving, 99)
        await loop.sock_sendto(receiving, data, peer)

    code = (
        f"import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.settimeout(2)\n"
        f"s.sendto(b'hello', ({VIP!r}, 53))\nprint(*s.recvfrom(99))"
    )
    _, lines = await asyncio.gather(echo(), python(pods[0], code))
    assert lines == [f"b'hello' ('{VIP}', 53)"]
    receiving.close()


ZONE = Zone(
    {REVIEWS: (VIP,), "cache.default.svc.cluster.local": tuple(f"198.18.9.{n}" for n in range(100))},
    {f"_http._tcp.{REVIEWS}": (ServiceTarget(REVIEWS, 9080),)},
)


def resolve(name: str) -> str:
    return (
        "import socket, time\nstart = time.monotonic()\n"
        f"try: print(*sorted({{one[4][0] for one in socket.getaddrinfo({name!r}, 80)}}))\n"
        "except socket.gaierror as error: print(socket.EAI_NONAME == error.errno, time.monotonic() - start < 1)"
    )


@pytest.fixture
async def dns_server(sandboxes: Sandboxes) -> AsyncIterator[DnsServer]:
    server = DnsServer(sandboxes.network, ZONE)
    await server.start()
    yield server
    await server.close()


@pytest.mark.usefixtures("dns_server")
@pytest.mark.parametrize("name", ["reviews", "reviews.default", "reviews.default.svc", REVIEWS, f"{REVIEWS}."])
async def test_names_of_a_service(pods: list[PodSandbox], name: str) -> None:
    assert await python(pods[0], resolve(name)) == [VIP]


@pytest.mark.usefixtures("dns_server")
async def test_unknown_names_fail_at_once(pods: list[PodSandbox]) -> None:
    for name in ("nothing", "reviews.other", "www.example.com"):
        assert await python(pods[0], resolve(name)) == ["True True"]


@pytest.mark.usefixtures("dns_server")
async def test_a_long_answer_comes_over_tcp(pods: list[PodSandbox]) -> None:
    lines = await python(pods[0], resolve("cache"))
    assert len(lines[0].split()) == 100


async def test_a_new_zone_is_seen_at_once(pods: list[PodSandbox], dns_server: DnsServer) -> None:
    dns_server.zone = Zone({REVIEWS: ("198.19.7.8",)})
    assert await python(pods[0], resolve("reviews")) == ["198.19.7.8"]


async def test_noise_does_not_stop_the_server(
    sandboxes: Sandboxes, pods: list[PodSandbox], dns_server: DnsServer
) -> None:
    noise = sandboxes.network.socket(type=socket.SOCK_DGRAM, inside=pods[1])
    for packet in (b"", b"x", os.urandom(600), bytes(12)):
        noise.sendto(packet, ("198.19.0.10", 53))
    noise.close()
    half = await sandboxes.network.connect("198.19.0.10", 53, inside=pods[1])
    half.send(b"\0\xff12")
    half.close()
    assert dns_server.zone is ZONE
    assert await python(pods[0], resolve("reviews")) == [VIP]


async def published(sandboxes: Sandboxes, target: tuple[str, int] | None) -> Relay:
    async def choose() -> tuple[str, int] | None:
        return target

    return await Relay.listen(sandboxes.network, "127.0.0.1", 0, choose)


async def test_a_published_port_reaches_a_pod(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    relay = await published(sandboxes, (pods[1].ip, 8080))
    async with await serve(sandboxes, pods[1], 8080, "one"):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        assert await reader.read() == b"one 198.18.0.1"
        writer.close()
        await writer.wait_closed()
    await relay.close()


async def test_half_closed_and_large(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    size = 8 * 1024 * 1024

    async def count_then_send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = len(await reader.read())
        writer.write(f"{received:>10}".encode() + bytes(size))
        await writer.drain()
        writer.close()

    listening = sandboxes.network.socket(inside=pods[1])
    listening.bind(("0.0.0.0", 8080))
    relay = await published(sandboxes, (pods[1].ip, 8080))
    async with await asyncio.start_server(count_then_send, sock=listening):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(bytes(size))
        await writer.drain()
        writer.write_eof()
        answer = await reader.read()
        writer.close()
    await relay.close()
    assert int(answer[:10]) == size
    assert len(answer) == size + 10


@pytest.mark.parametrize("target", [None, ("198.18.0.11", 9), ("198.19.99.99", 80)])
async def test_no_target_is_a_reset(
    sandboxes: Sandboxes, pods: list[PodSandbox], target: tuple[str, int] | None
) -> None:
    assert pods
    relay = await published(sandboxes, target)
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    await relay.close()


async def test_closing_a_relay_ends_its_connections(sandboxes: Sandboxes, pods: list[PodSandbox]) -> None:
    listening = sandboxes.network.socket(inside=pods[1])
    listening.bind(("0.0.0.0", 8080))
    listening.listen()
    relay = await published(sandboxes, (pods[1].ip, 8080))
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"x")
    inner, _ = await asyncio.get_running_loop().sock_accept(listening)
    await relay.close()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    for one in (inner, listening, writer):
        one.close()


async def test_a_taken_port_names_its_owner(sandboxes: Sandboxes) -> None:
    async def nowhere() -> None:
        return None

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"127.0.0.1:{port} is taken by .* \(pid {os.getpid()}\)"):
            await Relay.listen(sandboxes.network, "127.0.0.1", port, nowhere)
