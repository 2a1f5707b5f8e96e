"""Routes of sidecars over generated changes: as a fresh engine gives them, as each client would see them by itself,
and never with a domain twice (Envoy refuses that)."""

from typing import Any

from envoy.config.route.v3.route_pb2 import RouteConfiguration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lateen.common.labels import Selector
from lateen.config.decode import decode
from lateen.config.objects import ConfigObject
from lateen.incremental.tables import Change
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.services import service_namespaces
from lateen.model.views import OutboundView
from lateen.translate.routes.sidecar import ORPHAN_PORT, orphan_part, route_configuration, route_part

NAMESPACES = ("a", "b", "c")
NAMES = ("x", "y")
VIP = "10.0.0.1"
LABELLED = Selector.of({"l": "1"})

namespaces = st.sampled_from(NAMESPACES)
names = st.sampled_from(NAMES)
full_names = st.builds("{}.{}.svc.cluster.local".format, names, namespaces)
wildcards = st.builds("*.{}.svc.cluster.local".format, namespaces)
short_names = st.builds("{}.{}".format, names, namespaces)
hosts = st.one_of(
    names, full_names, wildcards, short_names, st.sampled_from(["*.svc.cluster.local", "*.com", "s.com", VIP])
)
exports = st.sampled_from([[], [], ["*"], ["."], ["~"], *([name] for name in NAMESPACES)])
destinations = st.fixed_dictionaries({"host": st.one_of(names, full_names, st.sampled_from(["s.com", "z"]))})
matches = st.sampled_from(
    [{"uri": {"prefix": "/q"}}, {"sourceLabels": {"l": "1"}}, {"port": 81}, {"gateways": ["a/gw"]}]
    + [{"sourceNamespace": name} for name in NAMESPACES]
)
rules = st.fixed_dictionaries(
    {"route": st.lists(st.fixed_dictionaries({"destination": destinations}), min_size=1, max_size=1)},
    optional={"match": st.lists(matches, min_size=1, max_size=2)},
)


def istio(kind: str, spec: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    ages = st.builds("2024-01-0{}T00:00:00Z".format, st.integers(1, 3))
    metadata = st.fixed_dictionaries({"name": names, "namespace": namespaces, "creationTimestamp": ages})
    return st.fixed_dictionaries(
        {"apiVersion": st.just("networking.istio.io/v1"), "kind": st.just(kind), "metadata": metadata, "spec": spec}
    )


def service(name: str, namespace: str, protocol: str = "http", port: int = 80) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "clusterIP": VIP if (name, namespace) == ("x", "a") else "None",
            "ports": [{"name": protocol, "port": port}],
        },
    }


def alias(name: str, namespace: str, target: str) -> dict[str, Any]:
    spec = {"type": "ExternalName", "externalName": target}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


services = st.one_of(
    st.builds(service, names, namespaces, st.sampled_from(["http", "tcp"]), st.sampled_from([80, 81])),
    st.builds(alias, st.sampled_from(["x", "z"]), namespaces, full_names),
)
virtual_services = istio(
    "VirtualService",
    st.fixed_dictionaries(
        {
            "hosts": st.lists(hosts, min_size=1, max_size=2, unique=True),
            "http": st.lists(rules, min_size=1, max_size=2),
            "gateways": st.sampled_from([["mesh"], ["mesh", "a/gw"], ["a/gw"]]),
            "exportTo": exports,
        }
    ),
)
hashing = st.sampled_from(["p", "q"]).map(lambda h: {"loadBalancer": {"consistentHash": {"httpHeaderName": h}}})
destination_rules = istio(
    "DestinationRule", st.fixed_dictionaries({"host": hosts, "trafficPolicy": hashing, "exportTo": exports})
)
objects = (
    st.one_of(services, virtual_services, virtual_services, destination_rules)
    .map(decode)
    .filter(lambda found: isinstance(found, ConfigObject))
)
histories = st.lists(st.tuples(objects, st.booleans()), min_size=1, max_size=20)

FIRST = [
    found
    for name in NAMES
    for namespace in NAMESPACES
    if isinstance(found := decode(service(name, namespace)), ConfigObject)
]
VIEWS = [OutboundView(Audience(name, found)) for name in NAMESPACES for found in ((), (LABELLED,))]
QUESTIONS = [(port, view) for port in (80, 81) for view in VIEWS]


def by_itself(mesh: Mesh, port: int, audience: Audience) -> RouteConfiguration:
    """The virtual hosts that a client would see if nothing were shared with others."""
    parts = [route_part(mesh, namespace, port, audience) for namespace in service_namespaces(mesh)]
    if port == ORPHAN_PORT:
        parts.append(orphan_part(mesh, audience))
    return RouteConfiguration.FromString(b"".join(part.body for part in parts))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_shared_layers_show_each_client_what_it_would_see_by_itself(history: list[tuple[ConfigObject, bool]]) -> None:
    mesh, present = Mesh(), {found.ref: found for found in FIRST}
    mesh.commit(Change(type(found), ref, found) for ref, found in present.items())
    nodes = [mesh.watch(route_configuration, *question) for question in QUESTIONS]
    for found, stays in history:
        value = found if stays or found.ref not in present else None
        if value is None:
            del present[found.ref]
        else:
            present[found.ref] = value
        mesh.commit([Change(type(found), found.ref, value)])
        list(mesh.settle())
    fresh = Mesh()
    fresh.commit(Change(type(found), ref, found) for ref, found in present.items())
    for (port, view), node in zip(QUESTIONS, nodes, strict=True):
        assert node.value == route_configuration(fresh, port, view)
        *virtual_hosts, _catch_all = RouteConfiguration.FromString(node.value.body).virtual_hosts
        assert virtual_hosts == list(by_itself(fresh, port, view.audience).virtual_hosts)
        domains = [domain for host in virtual_hosts for domain in host.domains]
        assert len(domains) == len(set(domains))
