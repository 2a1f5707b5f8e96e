"""What a sidecar answers the DNS queries of its pod from."""

import msgspec
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.udp.dns_filter.v3.dns_filter_pb2 import DnsFilterConfig
from support.worlds import World, endpoint_slice, pod, proxy, service

from lateen.model.proxy import Interception, Proxy
from lateen.xds.resource import CLUSTER, LISTENER

ASKING = msgspec.structs.replace(proxy("asking", "198.18.0.5"), name_servers=("198.19.0.10", "198.19.0.11"))


def resources(of: Proxy, *objects: dict[str, object]) -> dict[tuple[str, str], bytes]:
    world = World(*objects)
    world.connect(of)
    return world.resources(of)


def table(*objects: dict[str, object]) -> dict[str, list[str]]:
    listener = Listener.FromString(resources(ASKING, *objects)[LISTENER, "udp_127.0.0.1_15053"])
    config = DnsFilterConfig.FromString(listener.listener_filters[0].typed_config.value)
    domains = config.server_config.inline_dns_table.virtual_domains
    return {domain.name: list(domain.endpoint.address_list.address) for domain in domains}


def test_hosts_and_their_addresses() -> None:
    found = table(
        service("a", clusterIP="198.19.0.5", clusterIPs=["198.19.0.5", "fd00::5"]),
        service("b", "other"),
        pod("p", "::1"),
    )
    assert found["a.default.svc.cluster.local"] == ["198.19.0.5", "fd00::5"]
    assert set(found) == {"a.default.svc.cluster.local", "b.other.svc.cluster.local"}


def test_a_headless_service_is_its_ready_endpoints() -> None:
    peers = service("peers", clusterIP="None")
    gone = service("gone", clusterIP="None")
    ready = endpoint_slice("peers", pods=[("p1", "198.18.0.11"), ("p2", "198.18.0.12")])
    unready = endpoint_slice("gone", pods=[("g1", "198.18.0.13")], ready=False)
    assert table(peers, gone, ready, unready) == {"peers.default.svc.cluster.local": ["198.18.0.11", "198.18.0.12"]}
    patient = service("gone", clusterIP="None", publishNotReadyAddresses=True)
    assert table(patient, unready) == {"gone.default.svc.cluster.local": ["198.18.0.13"]}


def test_names_that_it_has_not_are_for_the_name_servers() -> None:
    found = resources(ASKING)
    datagrams = found[LISTENER, "udp_127.0.0.1_15053"]
    assert b"198.19.0.10" in datagrams
    assert b"198.19.0.11" in datagrams
    assert b"NameServersCluster" in found[LISTENER, "127.0.0.1_15053"]
    assert b"198.19.0.10" in found[CLUSTER, "NameServersCluster"]


def test_only_captured_queries_are_answered() -> None:
    for each in (
        msgspec.structs.replace(ASKING, name_servers=()),
        msgspec.structs.replace(ASKING, interception=Interception.NONE),
    ):
        assert not [name for _, name in resources(each) if "15053" in name or name == "NameServersCluster"]
