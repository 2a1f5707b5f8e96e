"""What a proxy may be sent: for each type and view, an offer, assembled in layers from parts that views share.

The layers: the parts of each namespace, as most clients see them; all of those together, once; then, per view, the few
namespaces that look special to it put in their place. A question about a view never walks services.
"""

from collections.abc import Callable, Iterable

from lateen.incremental.engine import query, surviving
from lateen.model.mesh import Mesh
from lateen.model.services import service_namespaces, services_in
from lateen.model.traffic_policy import client_rule_hosts
from lateen.model.views import EndpointView, GatewayView, InboundView, OutboundView, Views
from lateen.model.workloads import Locality
from lateen.translate.clusters.inbound import inbound_clusters
from lateen.translate.clusters.outbound import (
    black_hole_cluster,
    clusters_of,
    outbound_cluster,
    passthrough_cluster,
)
from lateen.translate.endpoints import empty_assignment, load_assignment, prefers_near
from lateen.translate.listeners.gateway import gateway_listener
from lateen.translate.listeners.inbound import virtual_inbound
from lateen.translate.listeners.outbound import (
    http_listener,
    http_ports_in,
    tcp_listeners_of,
    virtual_outbound,
)
from lateen.translate.routes.gateway import gateway_route_configuration
from lateen.translate.routes.route_configuration import empty_route_configuration
from lateen.translate.routes.sidecar import route_configuration
from lateen.translate.routes.special import namespaces_of
from lateen.xds.resource import CLUSTER, EMPTY_OFFER, ENDPOINT, LISTENER, ROUTE, Offer, Resource

Question = tuple[Callable[..., Offer], tuple[object, ...]]
"""A query of this page and its arguments: what the publisher watches. Equal questions have one answer."""


def questions(views: Views) -> dict[str, tuple[Question, ...]]:
    """What to ask for a proxy, by type URL; the answers of one type together are what it may be sent."""
    outbound, gateway = views.outbound, views.gateway
    asked: dict[str, tuple[Question, ...]] = {
        CLUSTER: ((clusters, (outbound, gateway is not None)),),
        ENDPOINT: ((assignments, (outbound, views.near, gateway is not None)),),
    }
    if gateway is not None:
        asked[LISTENER] = ((gateway_listeners, (gateway,)),)
        asked[ROUTE] = ((gateway_routes, (gateway,)),)
        return asked
    asked[LISTENER] = ((listeners, (outbound,)),)
    asked[ROUTE] = ((routes, (outbound,)),)
    if views.inbound is not None:
        asked[CLUSTER] += ((inbound_clusters, (views.inbound,)),)
        asked[LISTENER] += ((inbound_listeners, (views.inbound,)),)
    return asked


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
    found = ((ns, surviving(_clusters_in, mesh, ns, None, gateway)) for ns in service_namespaces(mesh))
    return tuple((ns, part) for ns, part in found if part is not None)


@query
def _clusters_in(mesh: Mesh, namespace: str, client: str | None, gateway: bool) -> Offer:
    return _built(outbound_cluster, mesh, ((t,) for t in clusters_of(mesh, namespace, client, gateway)))


# Endpoints


@query
def assignments(mesh: Mesh, view: OutboundView, near: EndpointView, gateway: bool) -> Offer:
    """The endpoints of every outbound cluster that has them from us."""
    shared = dict(_public_assignments(mesh, gateway))
    for namespace in _near_namespaces(mesh, gateway):
        shared[namespace] = _assignments_in(mesh, namespace, None, near.locality, gateway)
    for namespace in _special_namespaces(mesh, view.namespace) & shared.keys():
        place = near.locality if _prefer_near(mesh, namespace, view.namespace, gateway) else None
        shared[namespace] = _assignments_in(mesh, namespace, view.namespace, place, gateway)
    return Offer(shared.values(), otherwise=empty_assignment)


@query
def _public_assignments(mesh: Mesh, gateway: bool) -> tuple[tuple[str, Offer], ...]:
    """By namespace; those whose endpoints depend on where the client is are empty here."""
    near = _near_namespaces(mesh, gateway)
    return tuple(
        (ns, EMPTY_OFFER if ns in near else _assignments_in(mesh, ns, None, None, gateway))
        for ns in service_namespaces(mesh)
    )


@query
def _near_namespaces(mesh: Mesh, gateway: bool) -> tuple[str, ...]:
    return tuple(ns for ns in service_namespaces(mesh) if _prefer_near(mesh, ns, None, gateway))


@query
def _prefer_near(mesh: Mesh, namespace: str, client: str | None, gateway: bool) -> bool:
    return any(prefers_near(mesh, target) for target in clusters_of(mesh, namespace, client, gateway))


@query
def _assignments_in(mesh: Mesh, namespace: str, client: str | None, near: Locality | None, gateway: bool) -> Offer:
    targets = (t for t in clusters_of(mesh, namespace, client, gateway) if not t.original_destination)
    wanted = ((target, near if near is not None and prefers_near(mesh, target) else None) for target in targets)
    return _built(load_assignment, mesh, wanted)


# Listeners


@query
def listeners(mesh: Mesh, view: OutboundView) -> Offer:
    """The listeners of a sidecar's client side."""
    del view  # every sidecar has the same ones, until something restricts which services it sees
    return _public_listeners(mesh)


@query
def _public_listeners(mesh: Mesh) -> Offer:
    namespaces = service_namespaces(mesh)
    http = _built(http_listener, mesh, ((port,) for port in _http_ports(mesh)))
    return Offer([virtual_outbound(mesh), http, *(_tcp_listeners_in(mesh, ns) for ns in namespaces)])


@query
def _tcp_listeners_in(mesh: Mesh, namespace: str) -> Offer:
    return _built(tcp_listeners_of, mesh, ((key,) for key in services_in(mesh, namespace)))


@query
def _http_ports(mesh: Mesh) -> tuple[int, ...]:
    return tuple(sorted(frozenset().union(*(http_ports_in(mesh, ns) for ns in service_namespaces(mesh)))))


@query
def inbound_listeners(mesh: Mesh, view: InboundView) -> Offer:
    """The listener of a sidecar's server side."""
    return Offer([virtual_inbound(mesh, view)])


@query
def gateway_listeners(mesh: Mesh, view: GatewayView) -> Offer:
    """A gateway's listeners, one for each port."""
    return _built(gateway_listener, mesh, ((port.listen, port.bind) for port in view.ports))


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


# Parts


@query
def _special_namespaces(mesh: Mesh, client_namespace: str) -> frozenset[str]:
    """Namespaces whose clusters look different to these clients than to most: their own rules say so."""
    return namespaces_of(mesh, client_rule_hosts(mesh, client_namespace))


def _built(
    question: Callable[..., Resource | Offer | None], mesh: Mesh, arguments: Iterable[tuple[object, ...]]
) -> Offer:
    """The answers for each of the arguments. One that cannot be built is left out: the others must not suffer."""
    return Offer(found for args in arguments if (found := surviving(question, mesh, *args)) is not None)
