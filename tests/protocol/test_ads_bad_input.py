"""Clients of aggregated discovery that are broken or hostile: each is told, is in the log, and leaves nothing behind.

Beside each of them another proxy is served before, meanwhile and after, by the same publisher and server.
"""

import asyncio
import gc
import re
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame
from support.ads_clients import NODE, open_call, request
from support.raw_http2 import PREFACE, Raw
from support.worlds import service, typed, virtual_service

from lateen.config.store import ConfigStore
from lateen.control_plane.debug.sync_status import sync_status
from lateen.control_plane.publisher import Publisher
from lateen.model.mesh import Mesh
from lateen.xds import ads
from lateen.xds.ads import AdsConnection, ads_handlers
from lateen.xds.grpc.call import Call
from lateen.xds.grpc.connection import GrpcConnection
from lateen.xds.grpc.engine import EngineKind, Limits
from lateen.xds.listening import TcpAddress
from lateen.xds.resource import CLUSTER, ROUTE, SECRET
from lateen.xds.server import GrpcServer
from lateen.xds.stream import AdsStream
from lateen.xds.subscription import MOST_NAMES
from lateen.xds.update import Updates
from lateen.xds.variant import DELTA, VARIANTS, Variant
from lateen.xds.watch import Watch

KEPT_FOR_A_CLIENT = (AdsConnection, AdsStream, Watch, Call, GrpcConnection)
OTHER = "sidecar~10.0.0.9~other.default~default.svc.cluster.local"
PATIENCE_S = 15
MOST_SHARED = 100_000
"""Bytes that answers to a few clients of a few services may leave in what all streams share."""
PEER = re.compile(r"127\.0\.0\.1:\d+: ")


class ControlPlane:
    """A publisher of a few services behind a server, and a proxy in good order that every test finds served."""

    def __init__(self, engine: EngineKind) -> None:
        self.store = ConfigStore()
        self.publisher = Publisher(Mesh())
        self.updates = Updates()
        self.server = GrpcServer(
            ads_handlers(self.publisher, self.updates), engine=engine, limits=Limits(max_message_bytes=8 << 20)
        )
        self.changes = 0

    def change(self) -> str:
        """Add a service; the name of its cluster."""
        self.changes += 1
        self.apply(service(f"added-{self.changes}"))
        return f"outbound|9080||added-{self.changes}.default.svc.cluster.local"

    def apply(self, *objects: dict[str, Any]) -> None:
        self.publisher.apply(self.store.apply([typed(raw) for raw in objects]))

    def kept(self) -> dict[str, int]:
        """How much there is of whatever is kept for a client."""
        gc.collect()
        found = dict.fromkeys((kind.__name__ for kind in KEPT_FOR_A_CLIENT), 0)
        for each in gc.get_objects():
            if type(each) in KEPT_FOR_A_CLIENT:
                found[type(each).__name__] += 1
        connections, subscribers = self.server.connections, len(self.publisher.subscribers())
        return found | {"connections": connections, "subscribers": subscribers}


class Bystander:
    """A proxy that takes what it is sent."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call = open_call(channel, DELTA)

    async def begin(self) -> None:
        await self._call.write(request(node=OTHER))
        await self._read()

    async def is_sent(self, cluster: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while cluster not in await self._read():
                pass

    async def _read(self) -> set[str]:
        response = await self._call.read()
        await self._call.write(request(nonce=response.nonce))
        return {each.name for each in response.resources}


@pytest.fixture(params=EngineKind)
async def control_plane(request: pytest.FixtureRequest) -> AsyncIterator[ControlPlane]:
    found = ControlPlane(request.param)
    found.apply(service("reviews"))
    found.publisher.ready = True
    running = asyncio.create_task(found.publisher.run())
    yield found
    await found.server.close(grace=0.2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def port(control_plane: ControlPlane) -> int:
    return (await control_plane.server.listen(TcpAddress("127.0.0.1", 0))).port


@pytest.fixture
async def bystander(control_plane: ControlPlane, port: int) -> AsyncIterator[Bystander]:
    """Served before and after; at the end there is as much as when the test began."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        found = Bystander(channel)
        await found.begin()
        await found.is_sent(control_plane.change())
        await control_plane.publisher.settled()
        before, bytes_before = control_plane.kept(), control_plane.updates.kept_bytes
        yield found
        await until(lambda: control_plane.server.connections == 1)
        await until(lambda: control_plane.kept() == before)
        assert control_plane.updates.kept_bytes < bytes_before + MOST_SHARED
        await found.is_sent(control_plane.change())


@pytest.fixture(params=VARIANTS, ids=["delta", "state of the world"])
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@pytest.fixture
async def channel(port: int, bystander: Bystander) -> AsyncIterator[grpc.aio.Channel]:  # noqa: ARG001 - ends after it
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel


@pytest.fixture
async def raw(port: int, bystander: Bystander) -> AsyncIterator[Raw]:  # noqa: ARG001 - ends after it
    found = Raw(*await asyncio.open_connection("127.0.0.1", port))
    yield found
    found.writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the server's side has no event to wait for
            await asyncio.sleep(0.005)


def many_names(count: int) -> list[str]:
    return [f"{number:x}" for number in range(count)]


def first_message(**more: Any) -> DeltaDiscoveryRequest:
    message = DeltaDiscoveryRequest(type_url=CLUSTER, **more)
    message.node.id = NODE
    return message


@pytest.mark.parametrize(
    ("message", "code", "details"),
    [
        (request(node="reviews-v1"), "INVALID_ARGUMENT", "node id 'reviews-v1' must have four parts"),
        (request(node="ztunnel~10.0.0.1~a.b~c"), "INVALID_ARGUMENT", "'ztunnel' is neither"),
        (request(node="sidecar~nowhere~a.b~c"), "INVALID_ARGUMENT", "no valid address"),
        (request(), "INVALID_ARGUMENT", "missing node information"),
        (request("", node=NODE), "INVALID_ARGUMENT", "type_url is missing"),
        (
            first_message(resource_names_subscribe=many_names(1_000_000)),
            "RESOURCE_EXHAUSTED",
            f"than {MOST_NAMES} names",
        ),
        (first_message(resource_names_subscribe=["x" * (8 << 20)]), "RESOURCE_EXHAUSTED", "is larger"),
    ],
    ids=["node id", "proxy type", "address", "no node", "no type", "a million names", "message size"],
)
async def test_a_request_that_ends_its_stream(
    channel: grpc.aio.Channel,
    variant: Variant,
    message: DeltaDiscoveryRequest,
    code: str,
    details: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = open_call(channel, variant)
    await call.write(message)
    assert (await call.code()).name == code
    assert details in await call.details()
    assert any(PEER.match(record.getMessage()) and details in record.getMessage() for record in caplog.records)


async def test_a_type_that_is_not_served_is_answered_as_empty(channel: grpc.aio.Channel, variant: Variant) -> None:
    call = open_call(channel, variant)
    await call.write(request(SECRET, NODE, "", "certificate"))
    if variant is DELTA:
        assert list((await call.read()).removed_resources) == ["certificate"]
    await call.write(request())  # state of the world cannot tell; the stream goes on
    assert (await call.read()).type_url == CLUSTER
    call.cancel()


async def test_a_nonce_that_was_never_sent_changes_nothing(
    channel: grpc.aio.Channel, variant: Variant, control_plane: ControlPlane
) -> None:
    call = open_call(channel, variant)
    await call.write(request(node=NODE, nonce="an earlier stream's"))
    first = await call.read()
    wrong = request(nonce="77")
    wrong.error_detail.message = "no"
    await call.write(wrong)
    await call.write(request(nonce=first.nonce))
    (subscriber,) = (each for each in control_plane.publisher.subscribers() if each.connection.node.id == NODE)
    await until(lambda: subscriber.connection.status()[CLUSTER].status.synced)
    assert subscriber.connection.status()[CLUSTER].status.error == ""
    call.cancel()


async def test_two_streams_of_one_node_are_both_served(
    channel: grpc.aio.Channel, variant: Variant, control_plane: ControlPlane
) -> None:
    calls = [open_call(channel, variant) for _ in range(2)]
    for call in calls:
        await call.write(request(node=NODE))
        await call.write(request(nonce=(await call.read()).nonce))
    await until(lambda: len(control_plane.publisher.subscribers()) == 3)
    assert [each["proxy"] for each in sync_status(control_plane.publisher)] == [
        "a.default",
        "a.default",
        "other.default",
    ]
    calls[0].cancel()
    await until(lambda: len(control_plane.publisher.subscribers()) == 2)
    calls[1].cancel()


async def test_a_client_that_acknowledges_nothing_costs_one_response(
    channel: grpc.aio.Channel, variant: Variant, control_plane: ControlPlane, bystander: Bystander
) -> None:
    call = open_call(channel, variant)
    await call.write(request(node=NODE))
    first = await call.read()
    for _ in range(20):
        await bystander.is_sent(control_plane.change())
    (subscriber,) = (each for each in control_plane.publisher.subscribers() if each.connection.node.id == NODE)
    assert subscriber.connection.status()[CLUSTER].status.nonce_sent == first.nonce
    call.cancel()
    await until(lambda: len(control_plane.publisher.subscribers()) == 1)


async def test_a_client_that_leaves_in_the_middle_of_a_message(raw: Raw, variant: Variant) -> None:
    message = request(node=NODE).SerializeToString()
    raw.write(raw.headers(1, variant.path), DataFrame(1, struct.pack("!BI", 0, len(message)) + message[:20]))
    await raw.drained()
    await asyncio.sleep(0)


OUT_OF_ORDER: dict[str, Callable[[Raw], list[bytes | Frame]]] = {
    "data before headers": lambda _: [DataFrame(1, b"data")],
    "continuation of nothing": lambda _: [ContinuationFrame(1, b"", flags=["END_HEADERS"])],
    "a stream of the server's": lambda raw: [raw.headers(2, DELTA.path)],
    "a second preface": lambda _: [PREFACE],
    "garbage": lambda _: [b"\xff" * 100],
    "a reset of the wrong size": lambda _: [b"\x00\x00\x05\x03\x00\x00\x00\x00\x01reset"],
}


@pytest.mark.parametrize("sent", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
async def test_what_is_not_http2_closes_the_connection(
    raw: Raw, sent: Callable[[Raw], list[bytes | Frame]], caplog: pytest.LogCaptureFixture
) -> None:
    raw.write(*sent(raw))
    assert any(isinstance(frame, GoAwayFrame) and frame.error_code for frame in await raw.until_closed())
    assert any(PEER.match(record.getMessage()) and "HTTP/2 error" in record.getMessage() for record in caplog.records)


async def test_headers_that_are_too_large_reach_nobody(raw: Raw, control_plane: ControlPlane) -> None:
    fields = [(":method", "POST"), (":scheme", "http"), (":path", DELTA.path), (":authority", "x")]
    block = raw.encoder.encode([*fields, ("content-type", "application/grpc"), ("x", "y" * 20_000)])
    middle = len(block) // 2
    raw.write(HeadersFrame(1, block[:middle]), ContinuationFrame(1, block[middle:], flags=["END_HEADERS"]))
    async with asyncio.timeout(PATIENCE_S):
        async for frame in raw.frames():
            if isinstance(frame, RstStreamFrame | GoAwayFrame) and frame.error_code:
                break
    assert len(control_plane.publisher.subscribers()) == 1


@pytest.mark.parametrize("jump", [-1e9, 1e9], ids=["backwards", "forwards"])
async def test_a_clock_that_jumps_changes_only_what_is_shown(
    channel: grpc.aio.Channel,
    variant: Variant,
    control_plane: ControlPlane,
    jump: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = open_call(channel, variant)
    await call.write(request(node=NODE))
    first = await call.read()

    class Jumped:
        monotonic = time.monotonic
        time = staticmethod(lambda: time.time() + jump)

    monkeypatch.setattr(ads, "time", Jumped)
    await call.write(request(nonce=first.nonce))
    (subscriber,) = (each for each in control_plane.publisher.subscribers() if each.connection.node.id == NODE)
    await until(lambda: subscriber.connection.status()[CLUSTER].status.synced)
    report = subscriber.connection.status()[CLUSTER]
    assert report.sent_at is not None
    assert report.answered_at is not None
    assert abs(report.answered_at - report.sent_at - jump) < 60
    call.cancel()


async def test_a_refusal_is_kept_shown_and_told_on_the_object_until_it_differs(
    channel: grpc.aio.Channel, variant: Variant, control_plane: ControlPlane
) -> None:
    def rules(timeout: str) -> dict[str, Any]:
        return virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}], "timeout": timeout}])

    call = open_call(channel, variant)
    await call.write(request(node=NODE))
    await call.write(request(nonce=(await call.read()).nonce))
    await call.write(request(ROUTE, "", "", "9080"))
    names = () if variant is DELTA else ("9080",)
    await call.write(request(ROUTE, "", (await call.read()).nonce, *names))
    control_plane.apply(rules("1s"))
    refusal = request(ROUTE, "", (await call.read()).nonce, *names)
    refusal.error_detail.message = "no such thing"
    await call.write(refusal)
    refusals = control_plane.publisher.refusals
    await until(lambda: bool(refusals.standing()))
    (told,) = refusals.diagnostics()
    assert str(told.ref) == "VirtualService default/reviews"
    assert "no such thing" in told.message
    shown = sync_status(control_plane.publisher)[0]["resources"][ROUTE]
    assert {key: shown[key] for key in ("synced", "lastError", "refused", "causes")} == {
        "synced": False,
        "lastError": "no such thing",
        "refused": ["9080"],
        "causes": ["VirtualService default/reviews"],
    }
    changed = control_plane.change()
    response = await call.read()  # the clusters of the new service, and not the refused routes
    assert response.type_url == CLUSTER
    assert changed in str(response)
    await call.write(request(nonce=response.nonce))
    call.cancel()
    await until(lambda: not refusals.standing())
