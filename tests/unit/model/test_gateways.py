"""Which ports a gateway opens, and for which servers."""

from support.worlds import World, gateway, proxy, typed

from lateen.common.labels import Selector
from lateen.model.gateways import gateway_ports, gateways_selecting

LABELS = {"istio": "ingressgateway"}


def ports(
    world: World, targets: dict[int, int] | None = None, *, unprivileged: bool = False
) -> list[tuple[int, int, int]]:
    found = gateway_ports(world.mesh, LABELS, targets or {}, unprivileged=unprivileged)
    return [(port.listen, port.number, len(port.servers)) for port in found]


def test_servers_that_end_up_on_one_port_share_its_listener() -> None:
    world = World(gateway("a", 80), gateway("b", 8080))
    assert ports(world, {80: 8080}) == [(8080, 80, 2)]


def test_every_way_to_say_every_address_is_the_same() -> None:
    everywhere = gateway("b", 8080)
    everywhere["spec"]["servers"][0]["bind"] = "0.0.0.0"
    somewhere = gateway("c", 8080)
    somewhere["spec"]["servers"][0]["bind"] = "10.0.0.1"
    assert ports(World(gateway("a", 8080), everywhere, somewhere)) == [(8080, 8080, 2), (8080, 8080, 1)]


def test_a_pod_that_may_not_bind_low_ports_leaves_them_out() -> None:
    world = World(gateway("a", 80))
    assert ports(world, unprivileged=True) == []
    assert ports(world, {80: 8080}, unprivileged=True) == [(8080, 80, 1)]


def test_only_gateways_whose_selector_the_labels_satisfy_count() -> None:
    other = gateway("other")
    other["spec"]["selector"] = {"istio": "egressgateway"}
    everyone = gateway("everyone")
    everyone["spec"]["selector"] = {}
    world = World(gateway("a"), other, everyone)
    found = [ref.name for ref in gateways_selecting(world.mesh, Selector.of(LABELS))]
    assert found == ["a", "everyone"]


def test_the_oldest_gateway_comes_first() -> None:
    young, old = gateway("a"), gateway("b")
    young["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    world = World(young, old)
    (port,) = gateway_ports(world.mesh, LABELS, {}, unprivileged=False)
    assert [server.gateway for server in port.servers] == [typed(old).ref, typed(young).ref]


def test_a_protocol_that_is_not_served_is_said_and_opens_nothing() -> None:
    https = gateway("a", 443)
    https["spec"]["servers"][0]["port"]["protocol"] = "TCP"
    world = World(https)
    world.connect(proxy("edge", router=True, **LABELS))
    assert ports(world) == []
    assert [str(d) for d in world.mesh.diagnostics()] == [
        "Gateway default/a: spec.servers[0].port.protocol: TCP is not served yet and the port stays closed; "
        "HTTP, HTTP2, GRPC and GRPC-WEB are"
    ]


def test_a_port_of_the_proxy_itself_is_said_and_not_opened() -> None:
    world = World(gateway("a", 15021), gateway("b", 15001))
    world.connect(proxy("edge", router=True, **LABELS))
    assert ports(world) == [(15001, 15001, 1)]
    assert [str(d) for d in world.mesh.diagnostics()] == [
        "Gateway default/a: spec.servers[0].port.number: 15021 is the port of the readiness of the proxy and is not "
        "opened for others; choose another"
    ]
