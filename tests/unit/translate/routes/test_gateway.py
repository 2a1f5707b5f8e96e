"""Route configurations of gateways: hosts met, VirtualServices joined, redirects, and nothing at all."""

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from lateen.config.kinds.gateway import Gateway
from lateen.model.audience import Audience
from lateen.model.gateways import GatewayPort, GatewayServer
from lateen.translate.routes.gateway import (
    gateway_hosts,
    gateway_route_configuration,
    gateway_virtual_host,
    server_hosts,
)

AUDIENCE = Audience("edge")


def gateway(*servers: str, name: str = "gw", namespace: str = "edge") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{istio: ingressgateway}}, servers: [{", ".join(servers)}]}}
"""


def server(hosts: str, more: str = "") -> str:
    return f"{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: {hosts}{more}}}"


def virtual_service(name: str, hosts: str, http: str, gateways: str = "[edge/gw]", age: int = 1) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: app, creationTimestamp: '2024-01-0{age}T00:00:00Z'}}
spec: {{hosts: {hosts}, gateways: {gateways}, http: {http}}}
"""


def to(name: str, uri: str = "") -> str:
    match = f"match: [{{uri: {{prefix: {uri}}}}}], " if uri else ""
    return f"[{{name: {name}, {match}route: [{{destination: {{host: {name}}}}}]}}]"


def port(*servers: int, listen: int = 8080, names: tuple[str, ...] = ("gw",)) -> GatewayPort:
    refs = [Gateway.ref_to("edge", name) for name in names]
    return GatewayPort(listen, "", 80, tuple(GatewayServer(ref, i) for ref in refs for i in servers or (0,)))


def config(mesh, which: GatewayPort, audience: Audience = AUDIENCE) -> RouteConfiguration:
    return RouteConfiguration.FromString(gateway_route_configuration(mesh, which, audience).body)


def hosts(found: RouteConfiguration) -> dict[str, list[str]]:
    return {host.name: [route.name for route in host.routes] for host in found.virtual_hosts}


def test_the_more_specific_host_is_kept(mesh_of) -> None:
    mesh = mesh_of(
        gateway(server("['*.example.com', other.org]")),
        virtual_service("a", "[shop.example.com, unrelated.net]", to("x")),
        virtual_service("b", "['*.org']", to("y")),
    )
    assert hosts(config(mesh, port())) == {"other.org:80": ["y"], "shop.example.com:80": ["x"]}


def test_every_host(mesh_of) -> None:
    mesh = mesh_of(gateway(server("['*']")), virtual_service("a", "['*']", to("x", "/productpage")))
    found = config(mesh, port())
    assert found.ignore_port_in_host_matching
    [host] = found.virtual_hosts
    assert (host.name, list(host.domains)) == ("*:80", ["*"])
    assert host.routes[0].route.cluster == "outbound|80||x.app.svc.cluster.local"


def test_virtual_services_of_a_host_are_joined_oldest_first_catch_alls_last(mesh_of) -> None:
    mesh = mesh_of(
        gateway(server("['*']")),
        virtual_service("young", "[a.com]", to("young", "/young"), age=3),
        virtual_service("catch", "[a.com]", to("catch"), age=1),
        virtual_service("middle", "[a.com]", to("middle", "/middle"), age=2),
    )
    assert hosts(config(mesh, port())) == {"a.com:80": ["middle", "young", "catch"]}


def test_hosts_that_are_served_alike_share_a_virtual_host(mesh_of) -> None:
    mesh = mesh_of(gateway(server("['*']")), virtual_service("a", "[b.com, a.com]", to("x")))
    [host] = config(mesh, port()).virtual_hosts
    assert (host.name, list(host.domains)) == ("a.com:80", ["a.com", "b.com"])


def test_without_virtual_services_nothing_is_found(mesh_of) -> None:
    [host] = config(mesh_of(gateway(server("['*']"))), port()).virtual_hosts
    assert (host.name, list(host.domains), list(host.routes)) == ("blackhole:80", ["*"], [])


def test_https_redirect_also_of_hosts_without_routes(mesh_of) -> None:
    mesh = mesh_of(gateway(server("['*']", ", tls: {httpsRedirect: true}")), virtual_service("a", "[a.com]", to("x")))
    found = config(mesh, port())
    assert hosts(found) == {"*:80": [], "a.com:80": ["x"]}
    assert {host.require_tls for host in found.virtual_hosts} == {VirtualHost.TlsRequirementType.ALL}


def test_a_host_may_say_whose_virtual_services_bind(mesh_of) -> None:
    mesh = mesh_of(
        gateway(server("[./mine.com, app/theirs.com, other/no.com, '*/any.com']")),
        virtual_service("a", "[mine.com, theirs.com, no.com, any.com]", to("x")),
    )
    [host] = config(mesh, port()).virtual_hosts
    assert list(host.domains) == ["any.com", "theirs.com"]


def test_matches_of_other_gateways_do_not_apply(mesh_of) -> None:
    http = (
        "[{name: here, match: [{gateways: [edge/gw]}], route: [{destination: {host: x}}]},"
        " {name: mesh, match: [{gateways: [mesh]}], route: [{destination: {host: x}}]}]"
    )
    mesh = mesh_of(gateway(server("['*']")), virtual_service("a", "[a.com]", http, gateways="[mesh, edge/gw]"))
    assert hosts(config(mesh, port())) == {"a.com:80": ["here"]}


def test_a_virtual_service_through_two_gateways_serves_once(mesh_of) -> None:
    mesh = mesh_of(
        gateway(server("['*']")),
        gateway(server("[a.com]"), name="gw2"),
        virtual_service("a", "[a.com]", to("x"), gateways="[edge/gw, edge/gw2]"),
    )
    assert hosts(config(mesh, port(names=("gw", "gw2")))) == {"a.com:80": ["x"]}


def test_a_private_virtual_service_binds_in_its_namespace_only(mesh_of) -> None:
    mesh = mesh_of(
        gateway(server("['*']")),
        virtual_service("a", "[a.com]", to("x")).replace("hosts:", "exportTo: ['.'], hosts:"),
    )
    assert list(hosts(config(mesh, port()))) == ["blackhole:80"]
    assert list(hosts(config(mesh, port(), Audience("app")))) == ["a.com:80"]


def test_a_gateway_that_goes_leaves_the_black_hole(mesh_of) -> None:
    mesh = mesh_of(gateway(server("['*']")), virtual_service("a", "[a.com]", to("x")))
    node = mesh.watch(gateway_route_configuration, port(), AUDIENCE)
    list(mesh.settle())
    mesh.remove(Gateway, Gateway.ref_to("edge", "gw"))
    list(mesh.settle())
    assert list(hosts(RouteConfiguration.FromString(node.value.body))) == ["blackhole:80"]


def test_a_change_of_rules_costs_one_virtual_host(mesh_of) -> None:
    mesh = mesh_of(
        gateway(server("['*']")), virtual_service("a", "[a.com]", to("x")), virtual_service("b", "[b.com]", to("y"))
    )
    mesh.watch(gateway_route_configuration, port(), AUDIENCE)
    list(mesh.settle())
    mesh.ran.clear()
    mesh.add(virtual_service("b", "[b.com]", to("z")))
    list(mesh.settle())
    assert mesh.ran[gateway_virtual_host] == 1
    assert mesh.ran[server_hosts] == mesh.ran[gateway_hosts] == 0


def test_a_change_of_one_gateway_asks_nothing_about_the_others_of_its_port(mesh_of) -> None:
    mesh = mesh_of(gateway(server("[a.com]")), gateway(server("[b.com]"), name="gw2"))
    mesh.watch(gateway_route_configuration, port(names=("gw", "gw2")), AUDIENCE)
    list(mesh.settle())
    mesh.ran.clear()
    mesh.add(virtual_service("a", "[a.com]", to("x")))
    list(mesh.settle())
    assert mesh.ran[server_hosts] == 1


def test_a_host_of_two_servers_redirects_if_either_does(mesh_of) -> None:
    mesh = mesh_of(
        gateway(
            server("[a.com]", ", tls: {httpsRedirect: true}"), server("['*']").replace("name: http", "name: http-2")
        ),
        virtual_service("young", "[a.com]", to("young", "/young"), age=2),
        virtual_service("old", "[a.com, b.com]", to("old", "/old"), age=1),
    )
    found = config(mesh, port(0, 1))
    assert hosts(found) == {"a.com:80": ["old", "young"], "b.com:80": ["old"]}
    assert [host.require_tls for host in found.virtual_hosts] == [VirtualHost.ALL, VirtualHost.NONE]
