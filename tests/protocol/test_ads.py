"""Aggregated discovery over a real connection: how streams are let in, told about, and ended."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from lateen.xds.ads import AdsConnection, ads_handlers
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import CLUSTER, ENDPOINT, Offer, Resource
from lateen.xds.server import GrpcServer
from lateen.xds.stream import Accepted, Refused
from lateen.xds.variant import DELTA

NODE = "sidecar~10.0.0.1~a.default~default.svc.cluster.local"


def offer(**contents: str) -> Offer:
    return Offer(Resource(name, (text.encode(),)) for name, text in contents.items())


class Service:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.ready = True
        self.refusal: CallError | None = None
        self.told: list[tuple[str, ...]] = []
        self.connection: AdsConnection | None = None
        self.changed = asyncio.Event()

    def opened(self, connection: AdsConnection) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.connection = connection
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


@pytest.fixture
async def call(service: Service) -> AsyncIterator[grpc.aio.StreamStreamCall]:
    server = GrpcServer(ads_handlers(service))
    port = await server.listen_tcp("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.stream_stream(
            DELTA.path,
            request_serializer=DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=DeltaDiscoveryResponse.FromString,
        )()
    await server.close(grace=0.2)


def request(type_url: str = CLUSTER, node: str = "", nonce: str = "", *subscribe: str) -> DeltaDiscoveryRequest:
    message = DeltaDiscoveryRequest(type_url=type_url, response_nonce=nonce, resource_names_subscribe=subscribe)
    message.node.id = node
    return message


async def test_a_stream_from_its_first_to_its_last_message(service: Service, call: grpc.aio.StreamStreamCall) -> None:
    await call.write(request(node=NODE))
    response = await call.read()
    assert [each.name for each in response.resources] == ["a"]
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
