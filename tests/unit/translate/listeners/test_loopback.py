"""Where nothing is captured: which ports a sidecar serves on the loopback address, and for whom."""

import msgspec
from envoy.config.listener.v3.listener_pb2 import Listener
from support.worlds import World, endpoint_slice, pod, proxy, service

from lateen.model.proxy import Interception
from lateen.xds.resource import CLUSTER, LISTENER

CLIENT = msgspec.structs.replace(
    proxy("client", "198.18.0.5"), interception=Interception.NONE, container_ports=frozenset({9080})
)
TCP = [{"name": "tcp", "port": 5432}]


def listeners(*objects: dict[str, object]) -> dict[str, Listener]:
    world = World(pod("client", "198.18.0.5", app="client"), *objects)
    world.connect(CLIENT)
    found = world.resources(CLIENT)
    assert not any(name.startswith("inbound|") for type_url, name in found if type_url == CLUSTER)
    return {name: Listener.FromString(body) for (type_url, name), body in found.items() if type_url == LISTENER}


def test_http_services_of_a_port_share_a_listener_that_is_bound() -> None:
    port = [{"name": "http", "port": 80}]
    found = listeners(service("a", ports=port), service("b", "other", ports=port))
    assert list(found) == ["127.0.0.1_80"]
    listener = found["127.0.0.1_80"]
    assert not listener.HasField("bind_to_port")
    assert [chain.HasField("filter_chain_match") for chain in listener.filter_chains] == [False]


def test_connections_go_to_the_oldest_service_of_a_port() -> None:
    young, old = service("a", ports=TCP), service("b", "other", ports=TCP)
    young["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    listener = listeners(young, old)["127.0.0.1_5432"]
    assert b"outbound|5432||b.other.svc.cluster.local" in listener.default_filter_chain.SerializeToString()


def test_a_port_of_both_tells_http_from_the_rest() -> None:
    listener = listeners(service("a", ports=TCP), service("b", ports=[{"name": "http", "port": 5432}]))[
        "127.0.0.1_5432"
    ]
    assert list(listener.filter_chains[0].filter_chain_match.application_protocols) == ["http/1.1", "h2c"]
    assert b"outbound|5432||a.default.svc.cluster.local" in listener.default_filter_chain.SerializeToString()


def test_the_ports_of_the_workload_and_of_the_proxy_are_left_alone() -> None:
    own = endpoint_slice("client", pods=[("client", "198.18.0.5")], port=8080)
    taken = [service(f"s{port}", ports=[{"name": "http", "port": port}]) for port in (9080, 8080, 15021, 81)]
    assert list(listeners(service("client", ports=[{"name": "http", "port": 81}]), own, *taken)) == ["127.0.0.1_81"]
