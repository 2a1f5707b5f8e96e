"""Route configurations of sidecars: what they hold, for whom it differs, and what a change costs."""

from collections.abc import Sequence

import pytest
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from lateen.config.kinds.mesh_config import MeshConfig, MeshConfigSpec, OutboundTrafficMode, OutboundTrafficPolicy
from lateen.config.kinds.service import KubernetesService
from lateen.incremental.tables import Change
from lateen.model.audience import Audience
from lateen.model.http_rules import source_selectors
from lateen.model.views import OutboundView
from lateen.translate.routes.sidecar import orphan_part, public_parts, route_configuration, route_part
from lateen.translate.routes.virtual_host import virtual_host

MANY = "\n---\n".join(
    f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{clusterIP: {address}, ports: [{{name: http, port: 80}}]}}
"""
    for name, namespace, address in (
        ("a", "one", "198.19.0.1"),
        ("b", "one", "None"),
        ("a", "two", "198.19.0.2"),
        ("c", "three", "198.19.0.3"),
    )
)


def virtual_service(name: str, namespace: str, hosts: str, http: str, **spec: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{hosts: {hosts}, http: {http}{more}}}
"""


def to(host: str) -> str:
    return f"[{{route: [{{destination: {{host: {host}}}}}]}}]"


def config(mesh, namespace: str, selectors: Sequence[object] = (), port: int = 80) -> RouteConfiguration:
    view = OutboundView(Audience(namespace, tuple(selectors)))
    return RouteConfiguration.FromString(route_configuration(mesh, port, view).body)


def host(found: RouteConfiguration, name: str) -> VirtualHost:
    [named] = [virtual_host for virtual_host in found.virtual_hosts if virtual_host.name == name]
    return named


def cluster(found: RouteConfiguration, name: str) -> str:
    return host(found, name).routes[0].route.cluster


def test_settings_and_catch_all(mesh_of) -> None:
    found = config(mesh_of(MANY), "one")
    assert found.name == "80"
    assert found.validate_clusters.value is False
    assert found.HasField("validate_clusters")
    assert found.ignore_port_in_host_matching
    assert found.max_direct_response_body_size_bytes.value == 1048576
    last = found.virtual_hosts[-1]
    assert (last.name, list(last.domains)) == ("allow_any", ["*"])
    assert last.routes[0].route.cluster == "PassthroughCluster"


def test_unknown_hosts_are_refused_where_the_mesh_says_so(mesh_of) -> None:
    mesh = mesh_of(MANY)
    only = MeshConfigSpec(outbound_traffic_policy=OutboundTrafficPolicy(mode=OutboundTrafficMode.REGISTRY_ONLY))
    written = MeshConfig(spec=only).renamed("istio-system", "istio")
    mesh.commit([Change(MeshConfig, written.ref, written)])
    last = config(mesh, "one").virtual_hosts[-1]
    assert (last.name, last.routes[0].direct_response.status) == ("block_all", 502)


def test_domains_by_namespace_of_the_client(mesh_of) -> None:
    found = config(mesh_of(MANY), "one")
    fqdn = "a.one.svc.cluster.local"
    assert list(host(found, f"{fqdn}:80").domains) == [fqdn, f"{fqdn}.", "a", "a.one.svc", "a.one", "198.19.0.1"]
    fqdn = "a.two.svc.cluster.local"
    assert list(host(found, f"{fqdn}:80").domains) == [fqdn, f"{fqdn}.", "a.two", "a.two.svc", "198.19.0.2"]


def test_a_headless_service_answers_for_the_names_of_its_pods(mesh_of) -> None:
    domains = list(host(config(mesh_of(MANY), "two"), "b.one.svc.cluster.local:80").domains)
    assert domains[:4] == ["b.one.svc.cluster.local", "b.one.svc.cluster.local.", "b.one", "b.one.svc"]
    assert domains[4:] == [f"*.{domain}" for domain in domains[:4]]


def test_a_service_without_virtual_service_has_the_default_route(mesh_of) -> None:
    [route] = host(config(mesh_of(MANY), "one"), "c.three.svc.cluster.local:80").routes
    assert route.name == "default"
    assert route.route.cluster == "outbound|80||c.three.svc.cluster.local"
    assert route.decorator.operation == "c.three.svc.cluster.local:80/*"
    assert route.route.retry_policy.num_retries.value == 2


def test_the_oldest_virtual_service_of_a_host_wins(mesh_of) -> None:
    mesh = mesh_of(
        MANY,
        virtual_service("x", "one", "[a]", to("c.three.svc.cluster.local")).replace(
            "name: x,", "name: x, creationTimestamp: '2024-01-02T00:00:00Z',"
        ),
        virtual_service("y", "one", "[a]", to("b")).replace(
            "name: y,", "name: y, creationTimestamp: '2024-01-01T00:00:00Z',"
        ),
    )
    assert cluster(config(mesh, "one"), "a.one.svc.cluster.local:80") == "outbound|80||b.one.svc.cluster.local"


def test_the_most_specific_host_wins(mesh_of) -> None:
    mesh = mesh_of(
        MANY,
        virtual_service("wide", "one", "['*.one.svc.cluster.local']", to("c.three.svc.cluster.local")),
        virtual_service("exact", "one", "[a]", to("b")),
    )
    found = config(mesh, "two")
    assert cluster(found, "a.one.svc.cluster.local:80") == "outbound|80||b.one.svc.cluster.local"
    assert cluster(found, "b.one.svc.cluster.local:80") == "outbound|80||c.three.svc.cluster.local"
    assert cluster(found, "a.two.svc.cluster.local:80") == "outbound|80||a.two.svc.cluster.local"


def test_a_private_virtual_service_is_obeyed_in_its_namespace_only_and_before_public_ones(mesh_of) -> None:
    mesh = mesh_of(
        MANY,
        virtual_service("public", "one", "[a]", to("b")),
        virtual_service("mine", "two", "[a.one.svc.cluster.local]", to("a"), exportTo="['.']"),
        virtual_service("theirs", "two", "[c.three.svc.cluster.local]", to("a"), exportTo="[three]"),
    )
    name = "a.one.svc.cluster.local:80"
    assert cluster(config(mesh, "two"), name) == "outbound|80||a.two.svc.cluster.local"
    assert cluster(config(mesh, "three"), name) == "outbound|80||b.one.svc.cluster.local"
    name = "c.three.svc.cluster.local:80"
    assert cluster(config(mesh, "three"), name) == "outbound|80||a.two.svc.cluster.local"
    assert cluster(config(mesh, "two"), name) == "outbound|80||c.three.svc.cluster.local"


def test_rules_that_look_at_the_client(mesh_of) -> None:
    to_b = "{match: [{sourceLabels: {app: shop}}], route: [{destination: {host: b}}]}"
    http = f"[{to_b}, {{route: [{{destination: {{host: a}}}}]}}]"
    mesh = mesh_of(MANY, virtual_service("a", "one", "[a]", http))
    [selector] = source_selectors(mesh)
    assert cluster(config(mesh, "two", [selector]), "a.one.svc.cluster.local:80").endswith("||b.one.svc.cluster.local")
    assert cluster(config(mesh, "two"), "a.one.svc.cluster.local:80").endswith("||a.one.svc.cluster.local")


def test_a_virtual_service_that_yields_no_route_is_passed_over(mesh_of) -> None:
    http = "[{match: [{port: 81}], route: [{destination: {host: b}}]}]"
    mesh = mesh_of(MANY, virtual_service("a", "one", "[a]", http))
    assert host(config(mesh, "one"), "a.one.svc.cluster.local:80").routes[0].name == "default"


def test_one_bound_to_a_gateway_only_is_not_for_sidecars(mesh_of) -> None:
    mesh = mesh_of(MANY, virtual_service("a", "one", "[a]", to("b"), gateways="[edge]"))
    assert host(config(mesh, "one"), "a.one.svc.cluster.local:80").routes[0].name == "default"


def test_a_host_that_is_no_service_is_routed_on_port_80(mesh_of) -> None:
    mesh = mesh_of(
        MANY,
        virtual_service("x", "one", "[shop.example.com, '*.wild.example.com']", to("b")),
        virtual_service("mine", "two", "[mine.example.com]", to("a"), exportTo="['.']"),
    )
    mesh.add(MANY.replace("80}", "81}"))
    names = [virtual_host.name for virtual_host in config(mesh, "two").virtual_hosts]
    assert names == ["*.wild.example.com:80", "mine.example.com:80", "shop.example.com:80", "allow_any"]
    assert [h.name for h in config(mesh, "one").virtual_hosts] == [
        "*.wild.example.com:80",
        "shop.example.com:80",
        "allow_any",
    ]
    assert "shop.example.com:80" not in [h.name for h in config(mesh, "one", port=81).virtual_hosts]


@pytest.mark.parametrize("export", ["['*']", "['.']"])
@pytest.mark.parametrize("taken", ["a.one", "198.19.0.1", "'*.b.one'"])
def test_no_domain_is_offered_twice(mesh_of, taken, export) -> None:
    mesh = mesh_of(MANY, virtual_service("x", "two", f"[{taken}]", to("c.three.svc.cluster.local"), exportTo=export))
    for namespace in ("one", "two", "three"):
        domains = [domain for found in config(mesh, namespace).virtual_hosts for domain in found.domains]
        assert sorted(domains) == sorted(set(domains))


@pytest.mark.parametrize("taken", ["a.one", "198.19.0.1"])
def test_a_service_keeps_a_domain_whose_rules_yield_no_route_for_the_client(mesh_of, taken) -> None:
    http = "[{match: [{sourceNamespace: two}], route: [{destination: {host: c.three.svc.cluster.local}}]}]"
    mesh = mesh_of(MANY, virtual_service("x", "two", f"[{taken}]", http))
    name = "a.one.svc.cluster.local:80"
    for client, withheld in (("one", False), ("two", True), ("three", False)):
        found = config(mesh, client)
        assert (taken not in host(found, name).domains) is withheld
        assert (f"{taken}:80" in {each.name for each in found.virtual_hosts}) is withheld


def test_a_service_without_its_own_ipv6_address_where_rules_take_it(mesh_of) -> None:
    mesh = mesh_of(
        MANY.replace("198.19.0.1", "'fd00::1'"),
        virtual_service("x", "two", "['fd00::1']", to("c.three.svc.cluster.local")),
    )
    found = config(mesh, "one")
    assert list(host(found, "fd00::1:80").domains) == ["[fd00::1]"]
    assert "[fd00::1]" not in host(found, "a.one.svc.cluster.local:80").domains


def rule(name: str, namespace: str, target: str, header: str, export: str = "['*']") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  host: {target}
  exportTo: {export}
  trafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: {header}}}}}}}
"""


def hashed_by(found: RouteConfiguration, name: str) -> list[str]:
    return [policy.header.header_name for policy in host(found, name).routes[0].route.hash_policy]


def test_a_clients_own_destination_rule_counts_for_its_routes_direct_and_through_others(mesh_of) -> None:
    mesh = mesh_of(
        MANY,
        rule("theirs", "three", "c", "x-service"),
        rule("mine", "two", "c.three.svc.cluster.local", "x-client"),
        virtual_service("a", "one", "[a]", to("c.three.svc.cluster.local")),
    )
    for name in ("c.three.svc.cluster.local:80", "a.one.svc.cluster.local:80"):
        assert hashed_by(config(mesh, "two"), name) == ["x-client"]
        assert hashed_by(config(mesh, "one"), name) == ["x-service"]


ALIAS = """
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: one}
spec: {type: ExternalName, externalName: c.three.svc.cluster.local}
"""


def test_a_clients_own_rule_counts_also_through_an_alias_of_its_host(mesh_of) -> None:
    mesh = mesh_of(
        MANY,
        ALIAS,
        rule("mine", "two", "c.three.svc.cluster.local", "x"),
        virtual_service("a", "one", "[a]", to("alias")),
    )
    name = "a.one.svc.cluster.local:80"
    assert cluster(config(mesh, "two"), name) == "outbound|80||c.three.svc.cluster.local"
    assert [hashed_by(config(mesh, client), name) for client in ("two", "three")] == [["x"], []]


# Costs


def views(*namespaces: str) -> list[OutboundView]:
    return [OutboundView(Audience(namespace)) for namespace in namespaces]


def settled(mesh) -> None:
    list(mesh.settle())
    mesh.ran.clear()


def test_a_change_of_one_virtual_service_costs_its_virtual_host_and_what_holds_it(mesh_of) -> None:
    mesh = mesh_of(MANY, virtual_service("c", "three", "[c]", to("c")))
    for view in views("one", "two"):
        mesh.watch(route_configuration, 80, view)
    settled(mesh)
    mesh.add(virtual_service("c", "three", "[c]", to("a.one.svc.cluster.local")))
    list(mesh.settle())
    assert mesh.ran[virtual_host] == 1
    assert mesh.ran[route_part] == 1
    assert mesh.ran[public_parts] == 1
    assert mesh.ran[route_configuration] == 2
    asked = {"outline", "virtual_host", "route_part", "public_parts", "route_configuration"}
    assert {ran.__name__ for ran in mesh.ran} == asked  # nothing about other services and other VirtualServices


def test_an_orphan_host_that_no_service_could_have_costs_services_nothing(mesh_of) -> None:
    mesh = mesh_of(MANY, virtual_service("x", "one", "[shop.example.com]", to("c.three.svc.cluster.local")))
    for view in views("one", "two"):
        mesh.watch(route_configuration, 80, view)
    settled(mesh)
    mesh.add(virtual_service("y", "one", "[more.example.com]", to("c.three.svc.cluster.local")))
    list(mesh.settle())
    assert mesh.ran[orphan_part] == 1
    assert mesh.ran[route_part] == mesh.ran[virtual_host] == 0


def test_a_domain_taken_costs_its_service(mesh_of) -> None:
    mesh = mesh_of(MANY)
    mesh.watch(route_configuration, 80, *views("two"))
    settled(mesh)
    mesh.add(virtual_service("y", "three", "[a.one]", to("c")))
    list(mesh.settle())
    assert mesh.ran[virtual_host] == 1


def test_an_equal_view_costs_nothing_and_another_namespace_only_its_own_part(mesh_of) -> None:
    mesh = mesh_of(MANY)
    mesh.watch(route_configuration, 80, *views("one"))
    settled(mesh)
    mesh.watch(route_configuration, 80, *views("one"))
    list(mesh.settle())
    assert mesh.ran.total() == 0
    mesh.watch(route_configuration, 80, *views("two"))
    list(mesh.settle())
    assert mesh.ran[virtual_host] == 1


def test_views_share_the_bytes_of_virtual_hosts(mesh_of) -> None:
    mesh = mesh_of(MANY)
    one, two = (route_configuration(mesh, 80, view) for view in views("one", "two"))
    shared = {id(piece) for piece in one.pieces} & {id(piece) for piece in two.pieces}
    assert len(shared) == 2  # `c.three`, and the catch-all


def test_a_view_does_not_read_services(mesh_of) -> None:
    mesh = mesh_of(MANY, virtual_service("c", "three", "[c]", to("c")))
    node = mesh.watch(route_configuration, 80, *views("one"))
    list(mesh.settle())
    asked = {read.query.__name__ for read in node.reads if hasattr(read, "query")}
    assert "service" not in asked
    assert "virtual_host" not in asked


def test_a_service_that_goes_takes_its_virtual_host_along(mesh_of) -> None:
    mesh = mesh_of(MANY)
    node = mesh.watch(route_configuration, 80, *views("one"))
    list(mesh.settle())
    mesh.remove(KubernetesService, KubernetesService.ref_to("three", "c"))
    list(mesh.settle())
    names = [found.name for found in RouteConfiguration.FromString(node.value.body).virtual_hosts]
    assert names == [
        "a.one.svc.cluster.local:80",
        "b.one.svc.cluster.local:80",
        "a.two.svc.cluster.local:80",
        "allow_any",
    ]
