"""Debug pages over xDS, under grpcio as istioctl asks for them, beside a proxy on the same server."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.admin.v3.config_dump_shared_pb2 import ClustersConfigDump
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
)
from envoy.service.status.v3.csds_pb2 import SYNCED, ClientConfig
from support.worlds import service, typed

from lateen.control_plane.app import ControlPlane
from lateen.control_plane.debug.over_xds import CONFIG_DUMP, PAGE, SYNC_STATUS, may_debug
from lateen.xds.grpc.call import Peer
from lateen.xds.listening import UnixAddress
from lateen.xds.resource import CLUSTER
from lateen.xds.variant import DELTA, STATE_OF_THE_WORLD

PATIENCE_S = 10.0


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    control_plane = ControlPlane()
    control_plane.apply([typed(service("reviews"))], ())
    control_plane.start()
    await control_plane.listen(UnixAddress(tmp_path / "xds.sock"))
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/xds.sock") as channel:
        yield channel
    await control_plane.close()


def world(channel: grpc.aio.Channel) -> Any:
    return channel.stream_stream(
        STATE_OF_THE_WORLD.path,
        request_serializer=DiscoveryRequest.SerializeToString,
        response_deserializer=DiscoveryResponse.FromString,
    )(timeout=PATIENCE_S)


def delta(channel: grpc.aio.Channel) -> Any:
    return channel.stream_stream(
        DELTA.path,
        request_serializer=DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=DeltaDiscoveryResponse.FromString,
    )(timeout=PATIENCE_S)


@pytest.fixture
async def proxy(channel: grpc.aio.Channel) -> AsyncIterator[str]:
    """A proxy that has accepted its clusters; its name."""
    stream = world(channel)
    request = DiscoveryRequest(type_url=CLUSTER)
    request.node.id = "sidecar~198.18.0.9~web-1.default~default.svc.cluster.local"
    await stream.write(request)
    response = await stream.read()
    await stream.write(
        DiscoveryRequest(type_url=CLUSTER, version_info=response.version_info, response_nonce=response.nonce)
    )
    yield "web-1.default"
    stream.cancel()


async def test_a_page_by_its_path(channel: grpc.aio.Channel) -> None:
    stream = world(channel)
    request = DiscoveryRequest(type_url=PAGE, resource_names=["registryz?pretty"])
    request.node.id = "debug~0.0.0.0~istioctl~cluster.local"
    await stream.write(request)
    response = await stream.read()
    assert response.type_url == response.resources[0].type_url == PAGE
    assert [each["hostname"] for each in json.loads(response.resources[0].value)] == [
        "reviews.default.svc.cluster.local"
    ]
    assert json.loads(response.control_plane.identifier)["Component"] == "lateen"
    # An acknowledgement is not answered; another request on the same stream is.
    await stream.write(DiscoveryRequest(type_url=PAGE, resource_names=["registryz"], response_nonce=response.nonce))
    await stream.write(DiscoveryRequest(type_url=PAGE, resource_names=["list"]))
    assert "/debug/syncz" in json.loads((await stream.read()).resources[0].value)


async def test_the_state_of_every_proxy(channel: grpc.aio.Channel, proxy: str) -> None:
    stream = delta(channel)
    while True:  # until the proxy's acknowledgement is there
        await stream.write(DeltaDiscoveryRequest(type_url=SYNC_STATUS))
        (found,) = (await stream.read()).resources
        config = ClientConfig()
        assert found.resource.Unpack(config)
        if config.generic_xds_configs[0].config_status == SYNCED:
            break
    assert found.name == config.node.id == proxy
    assert [each.type_url for each in config.generic_xds_configs] == [CLUSTER]
    assert config.generic_xds_configs[0].last_updated.seconds > 0


async def test_the_dump_of_a_proxy_in_its_parts(channel: grpc.aio.Channel, proxy: str) -> None:
    stream = world(channel)
    await stream.write(DiscoveryRequest(type_url=CONFIG_DUMP, resource_names=[proxy]))
    parts = (await stream.read()).resources
    assert [part.type_url.rpartition(".")[2] for part in parts] == [
        "ClustersConfigDump",
        "ListenersConfigDump",
        "RoutesConfigDump",
        "EndpointsConfigDump",
    ]
    clusters, cluster = ClustersConfigDump(), Cluster()
    assert parts[0].Unpack(clusters)
    assert clusters.dynamic_active_clusters[0].cluster.Unpack(cluster)
    assert cluster.name == "BlackHoleCluster"


@pytest.mark.parametrize(
    ("type_url", "names", "code", "told"),
    [
        (PAGE, ["nonsense"], grpc.StatusCode.NOT_FOUND, "/debug lists those that there are"),
        (PAGE, [], grpc.StatusCode.INVALID_ARGUMENT, "names one resource, not 0"),
        (PAGE, ["syncz", "list"], grpc.StatusCode.INVALID_ARGUMENT, "names one resource, not 2"),
        (CONFIG_DUMP, ["nobody.default"], grpc.StatusCode.NOT_FOUND, "there is no proxy 'nobody.default'"),
        (f"{PAGE}/other", ["x"], grpc.StatusCode.INVALID_ARGUMENT, "is not one of istio.io/debug, "),
    ],
)
async def test_what_there_is_not_ends_the_stream_with_words(
    channel: grpc.aio.Channel, type_url: str, names: list[str], code: grpc.StatusCode, told: str
) -> None:
    stream = world(channel)
    await stream.write(DiscoveryRequest(type_url=type_url, resource_names=names))
    assert await stream.code() is code
    assert told in await stream.details()


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        (Peer("unix", 7, os.geteuid()), True),
        (Peer("unix", 7, 0), True),
        (Peer("unix", 7, 1337), False),  # a pod's proxy, which has the socket too
        (Peer("127.0.0.1:4711"), True),
        (Peer("[::1]:4711"), True),
        (Peer("127.0.0.6:4711"), False),
        (Peer("198.18.0.7:4711"), False),
        (Peer("?"), False),
    ],
)
def test_debug_types_are_for_this_machine(peer: Peer, allowed: bool) -> None:
    assert may_debug(peer) is allowed
