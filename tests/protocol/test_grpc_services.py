"""The standard services, health and reflection, under grpcio as the client."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2  # noqa: F401 - its service is looked up by name
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from lateen.xds.grpc.engine import EngineKind
from lateen.xds.grpc.health import Health, Serving
from lateen.xds.grpc.reflection import reflection_handlers
from lateen.xds.grpc.schema import message_class
from lateen.xds.listening import TcpAddress
from lateen.xds.server import GrpcServer

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
HealthRequest = message_class("grpc.health.v1.HealthCheckRequest")
HealthResponse = message_class("grpc.health.v1.HealthCheckResponse")


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture(params=EngineKind)
async def channel(request: pytest.FixtureRequest, health: Health) -> AsyncIterator[grpc.aio.Channel]:
    handlers = dict(health.handlers())
    handlers |= reflection_handlers([*handlers, f"/{ADS}/StreamAggregatedResources"])
    server = GrpcServer(handlers, engine=request.param)
    port = (await server.listen(TcpAddress("127.0.0.1", 0))).port
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.close(grace=0.2)


async def check(channel: grpc.aio.Channel, service: str) -> int:
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthRequest.SerializeToString,
        response_deserializer=HealthResponse.FromString,
    )
    return (await call(HealthRequest(service=service))).status


async def test_health_is_what_it_was_set_to(channel: grpc.aio.Channel, health: Health) -> None:
    health.set("", Serving.NOT_SERVING)
    health.set("xds", Serving.SERVING)
    assert await check(channel, "") == Serving.NOT_SERVING
    assert await check(channel, "xds") == Serving.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await check(channel, "unheard of")
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watch_tells_of_each_change_once(channel: grpc.aio.Channel, health: Health) -> None:
    call = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=HealthRequest.SerializeToString,
        response_deserializer=HealthResponse.FromString,
    )(HealthRequest(service="xds"))
    assert (await call.read()).status == Serving.SERVICE_UNKNOWN
    for serving in (Serving.SERVING, Serving.SERVING, Serving.NOT_SERVING):
        health.set("xds", serving)
    assert (await call.read()).status == Serving.SERVING
    assert (await call.read()).status == Serving.NOT_SERVING
    call.cancel()
    async with asyncio.timeout(5):
        while health._watchers:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
class TestReflection:
    @staticmethod
    async def ask(channel: grpc.aio.Channel, version: str, **request: object) -> object:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class(f"grpc.reflection.{version}.ServerReflectionResponse").FromString,
        )()
        await call.write(message_class(f"grpc.reflection.{version}.ServerReflectionRequest")(**request))
        response = await call.read()
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
        return response

    async def test_services_are_listed(self, channel: grpc.aio.Channel, version: str) -> None:
        response = await self.ask(channel, version, list_services="")
        assert [each.name for each in response.list_services_response.service] == [
            ADS,
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]

    @pytest.mark.parametrize(
        ("request_field", "wanted", "file"),
        [
            ("file_containing_symbol", ADS, "envoy/service/discovery/v3/ads.proto"),
            ("file_containing_symbol", f"{ADS}.DeltaAggregatedResources", "envoy/service/discovery/v3/ads.proto"),
            ("file_containing_symbol", "envoy.config.tap.v3.MatchPredicate", "envoy/config/tap/v3/common.proto"),
            ("file_by_filename", "envoy/config/rbac/v3/rbac.proto", "envoy/config/rbac/v3/rbac.proto"),
            ("file_containing_symbol", "grpc.health.v1.Health", "grpc/health/v1/health.proto"),
        ],
    )
    async def test_a_file_comes_with_all_that_it_imports(
        self, channel: grpc.aio.Channel, version: str, request_field: str, wanted: str, file: str
    ) -> None:
        response = await self.ask(channel, version, **{request_field: wanted})
        sent = response.file_descriptor_response.file_descriptor_proto
        files = {each.name: each for each in map(FileDescriptorProto.FromString, sent)}
        assert next(iter(files)) == file
        assert {name for each in files.values() for name in each.dependency} <= files.keys()

    @pytest.mark.parametrize("wanted", ["os", "lateen.xds.ads", "antigravity", "envoy.NoSuch", "", ".", "../../etc"])
    async def test_what_is_not_there_is_not_found(self, channel: grpc.aio.Channel, version: str, wanted: str) -> None:
        for request_field in ("file_containing_symbol", "file_by_filename"):
            response = await self.ask(channel, version, **{request_field: wanted})
            assert response.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
