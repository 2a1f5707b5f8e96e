"""What a proxy may be sent: for each type and view, an offer, assembled in layers from parts that views share.

The layers: the parts of each namespace, as most clients see them; all of those together, once; then, per view, the few
namespaces that look special to it put in their place. A question about a view never walks services.
"""

from collections.abc import Callable, Iterable

from lateen.common.ip_families import IpFamilies
from lateen.incremental.engine import query, surviving
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.proxy import Interception
from lateen.model.services import ServiceKey, service_namespaces, services_in
from lateen.model.traffic_policy import client_rule_hosts
from lateen.model.views import CaptureView, EndpointView, GatewayView, InboundView, OutboundView, SidecarView, Views
from lateen.model.workloads import Locality
from lateen.translate.clusters.inbound import inbound_clusters
from lateen.translate.clusters.name_servers import name_servers_cluster
from lateen.translate.clusters.outbound import (
    black_hole_cluster,
    clusters_of,
    outbound_cluster,
    passthrough_cluster,
)
from lateen.translate.endpoints import empty_assignment, load_assignment, prefers_near
from lateen.translate.listeners.dns import dns_connections, dns_datagrams
from lateen.translate.listeners.gateway import gateway_listener
from lateen.translate.listeners.inbound import virtual_inbound
from lateen.translate.listeners.loopback import loopback_listener, oldest, tcp_services
from lateen.translate.listeners.outbound import (
    RESERVED_PORTS,
    http_listener,
    http_ports_in,
    tcp_listeners_of,
    virtual_outbound,
)
from lateen.translate.proxyless.clusters import proxyless_cluster
from lateen.translate.proxyless.listeners import api_listeners_of, unknown_listener
from lateen.translate.proxyless.routes import api_routes_of
from lateen.translate.routes.gateway import gateway_route_configuration
from lateen.translate.routes.route_configuration import empty_route_configuration
from lateen.translate.routes.sidecar import route_configuration
from lateen.translate.routes.special import namespaces_of, special_namespaces
from lateen.xds.resource import CLUSTER, EMPTY_OFFER, ENDPOINT, LISTENER, ROUTE, Offer, Resource

Question = tuple[Callable[..., Offer], tuple[object, ...]]
"""A query of this page and its arguments: what the publisher watches. Equal questions have one answer."""


def questions(views: Views) -> dict[str, tuple[Question, ...]]:
    """What to ask for a proxy, by type URL; the answers of one type together are what it may be sent."""
    outbound, near, gateway = views.outbound, views.near, views.gateway
    if gateway is not None:
        return {
            CLUSTER: ((clusters, (outbound, True)),),
            ENDPOINT: ((assignments, (outbound, near, True)),),
            LISTENER: ((gateway_listeners, (gateway,)),),
            ROUTE: ((gateway_routes, (gateway,)),),
        }
    if views.sidecar is not None:
        return _questions_of_sidecar(outbound, near, views.sidecar)
    return {
        CLUSTER: ((proxyless_clusters, (outbound.namespace,)),),
        ENDPOINT: ((assignments, (outbound, near, True)),),
        LISTENER: ((api_listeners, (outbound.namespace,)),),
        ROUTE: ((api_routes, (outbound,)),),
    }


def _questions_of_sidecar(
    outbound: OutboundView, near: EndpointView, sidecar: SidecarView
) -> dict[str, tuple[Question, ...]]:
    capture = sidecar.capture
    captured = capture.interception is not Interception.NONE
    # Without capture no client has chosen an endpoint of a headless service: then it is as on a gateway.
    found: dict[str, tuple[Question, ...]] = {
        CLUSTER: ((clusters, (outbound, not captured)),),
        ENDPOINT: ((assignments, (outbound, near, not captured)),),
        LISTENER: ((loopback_listeners, (capture.families, sidecar.own_ports)),),
        ROUTE: ((routes, (outbound,)),),
    }
    if captured:
        found[CLUSTER] += ((inbound_clusters, (sidecar.inbound, capture)),)
        found[LISTENER] = ((listeners, (outbound, capture)), (inbound_listeners, (sidecar.inbound, capture)))
    if captured and sidecar.name_servers:
        found[CLUSTER] += ((name_servers, (sidecar.name_servers,)),)
        found[LISTENER] += ((dns_listeners, (sidecar.name_servers, capture.families)),)
    return found


# Clusters


@query
def clusters(mesh: Mesh, view: OutboundView, gateway: bool) -> Offer:
    """Every outbound cluster that a client of the view may use."""
    shared = dict(_public_clusters(mesh, gateway))
    for namespace in _special_namespaces(mesh, view.namespace) & shared.keys():
        shared[namespace] = _clusters_in(mesh, namespace, view.namespace, gateway)
    return Offer([*shared.values(), black_hole_cluster(mesh), passthrough_cluster(mesh)])


@query
def _public_clusters(mesh: Mesh, gateway: bool) -> tuple[tuple[str, Offer], ...]:
    return _by_namespace(_clusters_in, mesh, None, gateway)


@query
def _clusters_in(mesh: Mesh, namespace: str, client: str | None, gateway: bool) -> Offer:
    return _built(outbound_cluster, mesh, ((t,) for t in clusters_of(mesh, namespace, client, gateway)))


@query
def name_servers(mesh: Mesh, addresses: tuple[str, ...]) -> Offer:
    """The cluster of a pod's name servers."""
    return Offer([name_servers_cluster(mesh, addresses)])


# Endpoints


@query
def assignments(mesh: Mesh, view: OutboundView, near: EndpointView, gateway: bool) -> Offer:
    """The endpoints of every outbound cluster that has them from us."""
    families = near.families
    shared = dict(_public_assignments(mesh, families, gateway))
    for namespace in _near_namespaces(mesh, gateway):
        shared[namespace] = _assignments_in(mesh, namespace, None, near.locality, families, gateway)
    for namespace in _special_namespaces(mesh, view.namespace) & shared.keys():
        place = near.locality if _prefer_near(mesh, namespace, view.namespace, gateway) else None
        shared[namespace] = _assignments_in(mesh, namespace, view.namespace, place, families, gateway)
    return Offer(shared.values(), otherwise=empty_assignment)


@query
def _public_assignments(mesh: Mesh, families: IpFamilies, gateway: bool) -> tuple[tuple[str, Offer], ...]:
    """By namespace; those whose endpoints depend on where the client is are empty here."""
    near = _near_namespaces(mesh, gateway)
    return tuple(
        (ns, EMPTY_OFFER if ns in near else _assignments_in(mesh, ns, None, None, families, gateway))
        for ns in service_namespaces(mesh)
    )


@query
def _near_namespaces(mesh: Mesh, gateway: bool) -> tuple[str, ...]:
    return tuple(ns for ns in service_namespaces(mesh) if _prefer_near(mesh, ns, None, gateway))


@query
def _prefer_near(mesh: Mesh, namespace: str, client: str | None, gateway: bool) -> bool:
    return any(prefers_near(mesh, target) for target in clusters_of(mesh, namespace, client, gateway))


@query
def _assignments_in(
    mesh: Mesh, namespace: str, client: str | None, near: Locality | None, families: IpFamilies, gateway: bool
) -> Offer:
    targets = (t for t in clusters_of(mesh, namespace, client, gateway) if not t.original_destination)
    wanted = ((t, near if near is not None and prefers_near(mesh, t) else None, families) for t in targets)
    return _built(load_assignment, mesh, wanted)


# Listeners


@query
def listeners(mesh: Mesh, view: OutboundView, capture: CaptureView) -> Offer:
    """The listeners of a sidecar's client side."""
    del view  # every sidecar has the same ones, until something restricts which services it sees
    return Offer([virtual_outbound(mesh, capture), _public_listeners(mesh, capture.families)])


@query
def _public_listeners(mesh: Mesh, families: IpFamilies) -> Offer:
    namespaces = service_namespaces(mesh)
    http = _built(http_listener, mesh, ((port, families) for port in _http_ports(mesh)))
    return Offer([http, *(_tcp_listeners_in(mesh, ns, families) for ns in namespaces)])


@query
def _tcp_listeners_in(mesh: Mesh, namespace: str, families: IpFamilies) -> Offer:
    return _built(tcp_listeners_of, mesh, ((key, families) for key in services_in(mesh, namespace)))


@query
def _http_ports(mesh: Mesh) -> tuple[int, ...]:
    return tuple(sorted(frozenset().union(*(http_ports_in(mesh, ns) for ns in service_namespaces(mesh)))))


@query
def loopback_listeners(mesh: Mesh, families: IpFamilies, own_ports: tuple[int, ...]) -> Offer:
    """The listeners of a sidecar to which nothing is redirected; the workload's own ports are left to it."""
    http, tcp = frozenset(_http_ports(mesh)), dict(_tcp_ports(mesh))
    free = (http | tcp.keys()) - RESERVED_PORTS - frozenset(own_ports)
    return _built(loopback_listener, mesh, ((port, port in http, tcp.get(port), families) for port in sorted(free)))


@query
def _tcp_ports(mesh: Mesh) -> tuple[tuple[int, ServiceKey], ...]:
    """Every TCP port with the oldest service that has it."""
    by_port: dict[int, tuple[ServiceKey, ...]] = {}
    for namespace in service_namespaces(mesh):
        for port, key in tcp_services(mesh, namespace):
            by_port[port] = (*by_port.get(port, ()), key)
    return tuple((port, oldest(mesh, keys)) for port, keys in sorted(by_port.items()))


@query
def inbound_listeners(mesh: Mesh, view: InboundView, capture: CaptureView) -> Offer:
    """The listener of a sidecar's server side."""
    return Offer([virtual_inbound(mesh, view, capture)])


@query
def dns_listeners(mesh: Mesh, addresses: tuple[str, ...], families: IpFamilies) -> Offer:
    """The listeners of a sidecar that captures DNS meant for name servers at these addresses."""
    return Offer([dns_datagrams(mesh, addresses, families), dns_connections(mesh, families)])


@query
def gateway_listeners(mesh: Mesh, view: GatewayView) -> Offer:
    """A gateway's listeners, one for each port."""
    return _built(gateway_listener, mesh, ((port.listen, port.bind, view.families) for port in view.ports))


# Routes


@query
def routes(mesh: Mesh, view: OutboundView) -> Offer:
    """The route configurations of a sidecar's HTTP listeners."""
    found = _built(route_configuration, mesh, ((port, view) for port in _http_ports(mesh)))
    return Offer(found.parts, otherwise=empty_route_configuration)


@query
def gateway_routes(mesh: Mesh, view: GatewayView) -> Offer:
    """The route configurations of a gateway's listeners."""
    return _built(gateway_route_configuration, mesh, ((port, view.audience) for port in view.ports))


# Clients without a proxy: like gateways, they pick among the endpoints of a headless service themselves


@query
def proxyless_clusters(mesh: Mesh, client_namespace: str) -> Offer:
    """Every cluster that the routes of these clients may name."""
    shared = dict(_public_proxyless_clusters(mesh))
    for namespace in _special_namespaces(mesh, client_namespace) & shared.keys():
        shared[namespace] = _proxyless_clusters_in(mesh, namespace, client_namespace)
    return Offer(shared.values())


@query
def _public_proxyless_clusters(mesh: Mesh) -> tuple[tuple[str, Offer], ...]:
    return _by_namespace(_proxyless_clusters_in, mesh, None)


@query
def _proxyless_clusters_in(mesh: Mesh, namespace: str, client: str | None) -> Offer:
    return _built(proxyless_cluster, mesh, ((t,) for t in clusters_of(mesh, namespace, client, True)))


@query
def api_listeners(mesh: Mesh, client_namespace: str) -> Offer:
    """A listener for every name and port by which these clients may call a service."""
    shared = dict(_public_api_listeners(mesh))
    if client_namespace in shared:
        shared[client_namespace] = _api_listeners_in(mesh, client_namespace, True)
    return Offer(shared.values(), otherwise=unknown_listener)


@query
def _public_api_listeners(mesh: Mesh) -> tuple[tuple[str, Offer], ...]:
    return _by_namespace(_api_listeners_in, mesh, False)


@query
def _api_listeners_in(mesh: Mesh, namespace: str, local: bool) -> Offer:
    return _built(api_listeners_of, mesh, ((key, local) for key in services_in(mesh, namespace)))


@query
def api_routes(mesh: Mesh, view: OutboundView) -> Offer:
    """The route configuration of every service port."""
    shared = dict(_public_api_routes(mesh))
    for namespace in shared.keys() & set(special_namespaces(mesh, view.namespace)):
        shared[namespace] = _api_routes_in(mesh, namespace, view.audience)
    return Offer(shared.values())


@query
def _public_api_routes(mesh: Mesh) -> tuple[tuple[str, Offer], ...]:
    return _by_namespace(_api_routes_in, mesh, None)


@query
def _api_routes_in(mesh: Mesh, namespace: str, audience: Audience | None) -> Offer:
    return _built(api_routes_of, mesh, ((key, audience) for key in services_in(mesh, namespace)))


# Parts


def _by_namespace(question: Callable[..., Offer], mesh: Mesh, *arguments: object) -> tuple[tuple[str, Offer], ...]:
    """The answers for each namespace of services. One that cannot be built is left out."""
    found = ((ns, surviving(question, mesh, ns, *arguments)) for ns in service_namespaces(mesh))
    return tuple((ns, part) for ns, part in found if part is not None)


@query
def _special_namespaces(mesh: Mesh, client_namespace: str) -> frozenset[str]:
    """Namespaces whose clusters look different to these clients than to most: their own rules say so."""
    return namespaces_of(mesh, client_rule_hosts(mesh, client_namespace))


def _built(
    question: Callable[..., Resource | Offer | None], mesh: Mesh, arguments: Iterable[tuple[object, ...]]
) -> Offer:
    """The answers for each of the arguments. One that cannot be built is left out: the others must not suffer."""
    return Offer(found for args in arguments if (found := surviving(question, mesh, *args)) is not None)
