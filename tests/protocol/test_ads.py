"""Aggregated discovery over a real connection: how streams are let in, told about, and ended."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from support.ads_clients import NODE, open_call, request

from lateen.xds.ads import AdsConnection, ads_handlers
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.listening import TcpAddress
from lateen.xds.rate import Rate
from lateen.xds.resource import CLUSTER, ENDPOINT, Offer, Resource
from lateen.xds.server import GrpcServer
from lateen.xds.stream import Accepted, Refused
from lateen.xds.variant import VARIANTS, Variant


def offer(**contents: str) -> Offer:
    return Offer(Resource(name, (text.encode(),)) for name, text in contents.items())


class Service:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.ready = True
        self.refusal: CallError | None = None
        self.told: list[tuple[str, ...]] = []
        self.connection: AdsConnection | None = None
        self.connections: list[AdsConnection] = []
        self.changed = asyncio.Event()

    def opened(self, connection: AdsConnection) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.connection = connection
        self.connections.append(connection)
        self.tell("opened", connection.node.id)

    def subscribed(self, connection: AdsConnection, type_url: str) -> None:
        self.tell("subscribed", type_url)
        connection.offer({type_url: offer(a="1")})

    def answered(self, _connection: AdsConnection, answer: Accepted | Refused) -> None:
        self.tell(type(answer).__name__, answer.type_url)

    def closed(self, _connection: AdsConnection) -> None:
        self.tell("closed")

    def tell(self, *what: str) -> None:
        self.told.append(what)
        self.changed.set()

    async def until(self, *what: str) -> None:
        async with asyncio.timeout(5):
            while what not in self.told:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=VARIANTS, ids=["delta", "state of the world"])
def variant(request: pytest.FixtureRequest) -> Variant:
    return request.param


@pytest.fixture(params=EngineKind)
async def channel(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[grpc.aio.Channel]:
    handlers = ads_handlers(service, new_streams=Rate(per_second=0.001, burst=3))
    server = GrpcServer(handlers, engine=request.param)
    port = (await server.listen(TcpAddress("127.0.0.1", 0))).port
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.close(grace=0.2)


@pytest.fixture
def call(channel: grpc.aio.Channel, variant: Variant) -> grpc.aio.StreamStreamCall:
    return open_call(channel, variant)


async def test_a_stream_from_its_first_to_its_last_message(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request(node=NODE))
    response = await call.read()
    assert len(response.resources) == 1
    await call.write(request(nonce=response.nonce))
    await service.until("Accepted", CLUSTER)
    await call.write(request(ENDPOINT, "", "", "a"))
    await call.read()
    assert service.connection is not None
    service.connection.offer({CLUSTER: offer(a="2")})
    response = await call.read()
    refusal = request(nonce=response.nonce)
    refusal.error_detail.message = "no"
    await call.write(refusal)
    await service.until("Refused", CLUSTER)
    report = service.connection.status()[CLUSTER]
    assert report.status.error == "no"
    assert report.sent_at is not None
    assert report.answered_at is not None
    assert report.answered_at >= report.sent_at
    await call.done_writing()
    await service.until("closed")
    assert await call.code() is grpc.StatusCode.OK
    assert service.told == [
        ("opened", NODE),
        ("subscribed", CLUSTER),
        ("Accepted", CLUSTER),
        ("subscribed", ENDPOINT),
        ("Refused", CLUSTER),
        ("closed",),
    ]
    service.connection.offer({CLUSTER: offer(a="3")})  # too late, and no error


async def test_the_control_plane_ends_a_stream(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request(node=NODE))
    await call.read()
    assert service.connection is not None
    service.connection.close(Status.UNAVAILABLE, "go elsewhere")
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert await call.details() == "go elsewhere"
    await service.until("closed")


async def test_a_client_that_goes_away_is_closed_once(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request(node=NODE))
    await call.read()
    call.cancel()
    await service.until("closed")
    assert service.told.count(("closed",)) == 1


async def test_a_first_message_without_a_node_is_refused(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request())
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.details() == "missing node information"
    assert service.told == []


async def test_before_the_first_build_nobody_is_served(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    service.ready = False
    await call.write(request(node=NODE))
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert service.told == []


async def test_a_client_that_is_turned_away_is_not_closed(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    service.refusal = CallError(Status.INVALID_ARGUMENT, "what a strange node")
    await call.write(request(node=NODE))
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await call.details() == "what a strange node"
    assert service.told == []


async def test_only_the_first_message_needs_a_node(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request(node=NODE))
    await call.read()
    await call.write(request(ENDPOINT, "sidecar~10.0.0.2~b.default~another", "", "a"))
    await call.read()
    assert service.connection is not None
    assert service.connection.node.id == NODE
    assert [told for told in service.told if told[0] == "opened"] == [("opened", NODE)]


async def test_a_type_that_nobody_knows_is_for_the_service_to_answer(
    service: Service, call: grpc.aio.StreamStreamCall
) -> None:
    await call.write(request("type.googleapis.com/not.heard.Of", NODE, "", "a"))
    response = await call.read()
    assert (response.type_url, len(response.resources)) == ("type.googleapis.com/not.heard.Of", 1)
    assert service.connection is not None
    assert service.connection.types == {"type.googleapis.com/not.heard.Of"}


async def test_streams_of_one_connection_know_nothing_of_each_other(
    service: Service, channel: grpc.aio.Channel, variant: Variant
) -> None:
    calls = [open_call(channel, variant) for _ in range(2)]
    for call in calls:  # even for one and the same node
        await call.write(request(node=NODE))
        await call.write(request(nonce=(await call.read()).nonce))
    first, second = service.connections
    first.offer({CLUSTER: offer(a="2")})
    second.offer({CLUSTER: offer(a="3")})
    responses = [await call.read() for call in calls]
    assert all(response.resources for response in responses)
    calls[0].cancel()
    await service.until("closed")
    await calls[1].write(request(nonce=responses[1].nonce))
    async with asyncio.timeout(5):
        while not second.status()[CLUSTER].status.synced:
            service.changed.clear()
            await service.changed.wait()


async def test_both_variants_on_one_connection(service: Service, channel: grpc.aio.Channel) -> None:
    for variant in VARIANTS:
        call = open_call(channel, variant)
        await call.write(request(node=NODE))
        assert len((await call.read()).resources) == 1
    assert len(service.connections) == 2


async def test_too_many_new_streams_are_turned_away(
    service: Service, channel: grpc.aio.Channel, variant: Variant
) -> None:
    for _ in range(3):
        call = open_call(channel, variant)
        await call.write(request(node=NODE))
        await call.read()
    refused = open_call(channel, variant)
    assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(service.connections) == 3


async def test_what_is_no_request_ends_the_stream(
    service: Service, channel: grpc.aio.Channel, variant: Variant
) -> None:
    call = channel.stream_stream(variant.path)()
    await call.write(b"\xff\xff\xff")
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert service.told == []


async def test_a_nonce_that_was_never_sent_answers_nothing(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request(node=NODE))
    response = await call.read()
    await call.write(request(nonce="77"))
    await call.write(request(nonce=response.nonce))
    await service.until("Accepted", CLUSTER)
    assert service.told.count(("Accepted", CLUSTER)) == 1


async def test_a_client_that_acknowledges_nothing_is_not_sent_more(
    service: Service, call: grpc.aio.StreamStreamCall
) -> None:
    await call.write(request(node=NODE))
    await call.read()
    assert service.connection is not None
    for number in range(100):
        service.connection.offer({CLUSTER: offer(a=str(number))})
    await call.write(request(ENDPOINT, "", "", "a"))
    assert (await call.read()).type_url == ENDPOINT
    assert service.connection.status()[CLUSTER].status.nonce_sent == "1"
