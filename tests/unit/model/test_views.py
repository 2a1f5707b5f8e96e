"""What a proxy is reduced to."""

import msgspec
from support.worlds import World, endpoint_slice, pod, proxy, service

from lateen.common.ip_families import IpFamilies
from lateen.common.ports import Protocol
from lateen.model.proxy import Interception
from lateen.model.views import CaptureView, SidecarView

WEB = proxy("web", "198.18.0.5")


def world(*objects: dict[str, object]) -> World:
    found = World(pod("web", "198.18.0.5", app="web"), *objects)
    found.connect(WEB)
    return found


def sidecar(found: World) -> SidecarView:
    seen = found.views(WEB).sidecar
    assert seen is not None
    return seen


def at(owner: str, port: int = 8080) -> dict[str, object]:
    return endpoint_slice(owner, pods=[("web", "198.18.0.5")], port=port)


def test_a_port_is_served_where_the_slice_says() -> None:
    found = world(service("web"), at("web"))
    inbound = sidecar(found).inbound
    assert [(p.target_port, p.port, p.protocol, str(p.service)) for p in inbound.ports] == [
        (8080, 9080, Protocol.HTTP, "web.default.svc.cluster.local")
    ]


def test_of_two_services_on_one_target_port_the_oldest_says_how() -> None:
    young = service("a", ports=[{"name": "http", "port": 80}])
    old = service("b", ports=[{"name": "http", "port": 81, "appProtocol": "tcp"}])
    young["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    inbound = sidecar(world(young, old, at("a"), at("b"))).inbound
    (port,) = inbound.ports
    assert (port.port, port.protocol) == (81, Protocol.TCP)
    assert [str(key).split(".")[0] for key in port.services] == ["b", "a"]


def test_udp_ports_are_not_served() -> None:
    made = service("web", ports=[{"name": "http", "port": 53, "protocol": "UDP"}])
    inbound = sidecar(world(made, at("web"))).inbound
    assert inbound.ports == ()


def test_pods_that_come_and_go_leave_the_views_of_others_alone() -> None:
    found = world(service("web"), at("web"))
    with found.computations() as ran:
        found.apply(endpoint_slice("web", pods=[("web", "198.18.0.5"), ("other", "198.18.0.6")], port=8080))
    assert ran["slice_ports"] == 1
    assert "views" not in ran


def test_the_ports_of_the_workload_itself_matter_only_where_nothing_is_captured() -> None:
    found = world(service("web"), at("web"))
    assert sidecar(found).own_ports == ()
    bare = msgspec.structs.replace(
        WEB, interception=Interception.NONE, container_ports=frozenset({9090}), addresses=("198.18.0.5", "fd00::5")
    )
    found.connect(bare)
    seen = sidecar(found)
    assert seen.own_ports == (8080, 9090)
    assert seen.capture == CaptureView(Interception.NONE, IpFamilies.DUAL)
