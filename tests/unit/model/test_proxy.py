"""A proxy, as its xDS node describes it."""

import pytest

from lateen.model.proxy import Interception, InvalidNode, ProxyId, ProxyType, parse_node
from lateen.model.workloads import Locality

NODE = "sidecar~198.18.0.2~web-1.shop~shop.svc.cluster.local"


def test_the_parts_of_a_node_id() -> None:
    proxy = parse_node(NODE, {}, Locality("r"))
    assert (proxy.type, proxy.id, proxy.addresses) == (ProxyType.SIDECAR, ProxyId("shop", "web-1"), ("198.18.0.2",))
    assert str(proxy.id) == "web-1.shop"


def test_metadata_says_more_than_the_id() -> None:
    metadata = {"NAMESPACE": "other", "INSTANCE_IPS": "198.18.0.3, nonsense,fd00::3", "LABELS": {"app": "web"}}
    proxy = parse_node(NODE, metadata, Locality())
    assert proxy.id == ProxyId("other", "web-1")
    assert proxy.addresses == ("198.18.0.3", "fd00::3")
    assert proxy.labels == {"app": "web"}


def test_a_client_without_a_proxy_says_so_in_its_metadata() -> None:
    assert parse_node(NODE, {"GENERATOR": "grpc"}, Locality()).type is ProxyType.PROXYLESS
    with pytest.raises(InvalidNode):
        parse_node(NODE.replace("sidecar", "proxyless"), {}, Locality())


@pytest.mark.parametrize(
    ("node_id", "message"),
    [
        ("", "four parts"),
        ("sidecar~198.18.0.2~web.shop", "four parts"),
        ("ztunnel~198.18.0.2~web.shop~shop.svc.cluster.local", "neither `sidecar` nor `router`"),
        ("sidecar~nowhere~web.shop~shop.svc.cluster.local", "no valid address"),
    ],
)
def test_a_node_that_cannot_be_understood(node_id: str, message: str) -> None:
    with pytest.raises(InvalidNode, match=message):
        parse_node(node_id, {}, Locality())


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        ("TPROXY", Interception.TPROXY),
        ("NONE", Interception.NONE),
        ("", Interception.REDIRECT),
        (7, Interception.REDIRECT),
    ],
)
def test_how_its_pod_is_intercepted(said: object, mode: Interception) -> None:
    assert parse_node(NODE, {"INTERCEPTION_MODE": said}, Locality()).interception is mode


def test_the_ports_that_containers_declare() -> None:
    listed = '[{"containerPort": 8080, "name": "http"}, {"containerPort": 9090}]'
    assert parse_node(NODE, {"POD_PORTS": listed}, Locality()).container_ports == {8080, 9090}
    assert parse_node(NODE, {"POD_PORTS": "nonsense"}, Locality()).container_ports == frozenset()


def test_name_servers_count_only_where_dns_is_captured() -> None:
    servers = {"NAME_SERVERS": "198.19.0.10,nonsense,fd00::a"}
    assert parse_node(NODE, servers, Locality()).name_servers == ()
    assert parse_node(NODE, servers | {"DNS_CAPTURE": "true"}, Locality()).name_servers == ("198.19.0.10", "fd00::a")
