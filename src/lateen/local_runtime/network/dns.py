"""Cluster DNS of the local mesh: a pure zone, and a server on sockets made inside the mesh namespace.

The zone is all there is: nothing is forwarded, so nothing leaves the machine. A name it does not have is answered
NXDOMAIN at once, inside the cluster's domain and outside: after REFUSED a resolver would go on to its next server and
finally report a temporary failure, and programs would wait and retry for a name that will never be there.
"""

import asyncio
import contextlib
import logging
import random
import socket
import struct
from collections.abc import Mapping
from enum import Enum
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import msgspec

from lateen.local_runtime.network.address_plan import DNS_ADDRESS
from lateen.local_runtime.network.network import MeshNetwork

CLUSTER_DOMAIN: Final = "cluster.local"
TTL: Final = 5  # seconds; pods come and go

_PORT: Final = 53
_SMALLEST_PAYLOAD, _LARGEST_PAYLOAD = 512, 1232
_MAX_CONNECTIONS: Final = 64
_IDLE_SECONDS: Final = 10
_log = logging.getLogger(__name__)


class Outcome(Enum):
    """What the zone says of a name and a record type."""

    FOUND = "found"
    NO_DATA = "the name exists without such records"
    NO_NAME = "the name does not exist"


class ServiceTarget(msgspec.Struct, frozen=True):
    """What an SRV record says: a port of a host."""

    host: str
    port: int


class Zone:
    """All names: fully qualified, lower case, without a trailing dot.

    `addresses`: reviews.default.svc.cluster.local -> (VIP,), a headless name -> ready pod IPs, also pod names under a
    headless service and hosts outside the cluster domain that the mesh knows. A name with no addresses exists.
    `targets`: _http._tcp.reviews.default.svc.cluster.local -> SRV targets.
    """

    def __init__(
        self, addresses: Mapping[str, tuple[str, ...]], targets: Mapping[str, tuple[ServiceTarget, ...]] | None = None
    ) -> None:
        self._addresses = addresses
        self._targets = targets or {}
        self._names = {name for full in (*self._addresses, *self._targets) for name in _and_above(full)}

    def lookup(self, name: str, kind: str) -> tuple[Outcome, tuple[str, ...]]:
        """Records of a kind ("A", "AAAA", "SRV", …) as text, in the zone's order.

        A name above others exists too, as default.svc.cluster.local does.
        """
        name = name.lower().removesuffix(".")
        match kind:
            case "A":
                found = tuple(one for one in self._addresses.get(name, ()) if ":" not in one)
            case "AAAA":
                found = tuple(one for one in self._addresses.get(name, ()) if ":" in one)
            case "SRV":
                found = tuple(f"0 100 {one.port} {one.host}." for one in self._targets.get(name, ()))
            case _:
                found = ()
        if found:
            return Outcome.FOUND, found
        return (Outcome.NO_DATA if name in self._names else Outcome.NO_NAME), ()


def _and_above(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def resolv_conf(namespace: str) -> str:
    """/etc/resolv.conf of a pod in `namespace`, as a kubelet writes it."""
    search = f"{namespace}.svc.{CLUSTER_DOMAIN} svc.{CLUSTER_DOMAIN} {CLUSTER_DOMAIN}"
    return f"nameserver {DNS_ADDRESS}\nsearch {search}\noptions ndots:5\n"


def answer(zone: Zone, packet: bytes, *, datagram: bool) -> bytes | None:
    """The answer to a packet as it came, or None for what is no question; a long one is cut in a datagram."""
    try:
        query = dns.message.from_wire(packet, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    if query.flags & dns.flags.QR:
        return None
    response = dns.message.make_response(query, recursion_available=True, our_payload=_LARGEST_PAYLOAD)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
    else:
        _fill(response, query.question[0], zone)
    return _to_wire(response, query, datagram=datagram)


def _fill(response: dns.message.Message, question: dns.rrset.RRset, zone: Zone) -> None:
    kind = dns.rdatatype.to_text(question.rdtype)
    outcome, records = zone.lookup(question.name.to_text(omit_final_dot=True), kind)
    response.flags |= dns.flags.AA
    match outcome:
        case Outcome.FOUND:
            shuffled = random.sample(records, len(records))
            response.answer.append(dns.rrset.from_text(question.name, TTL, dns.rdataclass.IN, kind, *shuffled))
        case Outcome.NO_NAME:
            response.set_rcode(dns.rcode.NXDOMAIN)
    if outcome is not Outcome.FOUND:
        response.authority.append(_start_of_authority(question.name))


def _start_of_authority(name: dns.name.Name) -> dns.rrset.RRset:
    """How long the absence of a name may be remembered."""
    domain = dns.name.from_text(CLUSTER_DOMAIN)
    owner = domain if name.is_subdomain(domain) else dns.name.root
    text = f"ns.dns.{CLUSTER_DOMAIN}. hostmaster.{CLUSTER_DOMAIN}. 1 7200 1800 86400 {TTL}"
    return dns.rrset.from_text(owner, TTL, dns.rdataclass.IN, "SOA", text)


def _to_wire(response: dns.message.Message, query: dns.message.Message, *, datagram: bool) -> bytes:
    if not datagram:
        return response.to_wire(max_size=65535)
    largest = min(max(query.payload, _SMALLEST_PAYLOAD), _LARGEST_PAYLOAD)
    try:
        return response.to_wire(max_size=largest)
    except dns.exception.TooBig:
        response.answer, response.authority = [], []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=largest)


class DnsServer:
    """Answers on 198.19.0.10:53, UDP and TCP; replacing `zone` takes effect with the next question."""

    def __init__(self, mesh: MeshNetwork, zone: Zone) -> None:
        self.zone = zone
        self._mesh = mesh
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bind both sockets inside the mesh namespace."""
        udp, tcp = (self._mesh.socket(type=kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for made in (udp, tcp):
            made.bind((DNS_ADDRESS, _PORT))
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._server = await asyncio.start_server(self._accept, sock=tcp)

    async def close(self) -> None:
        """Stop answering."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._connections) < _MAX_CONNECTIONS:
                self._connections.add(task)
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # close() did this, and asyncio would report it as an error of the server's
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                size = int.from_bytes(await reader.readexactly(2), "big")
                packet = await reader.readexactly(size)
                reply = answer(self.zone, packet, datagram=False)
                if reply is None:
                    return
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the interface without being of the class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = answer(self._server.zone, data, datagram=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        _log.debug("DNS: %s", exc)  # a client that has gone already
