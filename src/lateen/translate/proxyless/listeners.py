"""API listeners: one for each name and port by which a client may call a service; none of them listens."""

from typing import Final

from envoy.config.listener.v3.api_listener_pb2 import ApiListener
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)

from lateen.common.hosts import is_wildcard
from lateen.incremental.engine import query
from lateen.model.mesh import Mesh
from lateen.model.services import Service, ServiceKey, service
from lateen.translate import names
from lateen.translate.listeners.connection_manager import ADS
from lateen.translate.messages import packed
from lateen.translate.routes.domains import other_domains, own_domain
from lateen.xds.resource import Offer, Resource

_ROUTER: Final = HttpFilter(name="envoy.filters.http.router", typed_config=packed(Router()))


@query
def api_listeners_of(mesh: Mesh, key: ServiceKey, local: bool) -> Offer:
    """The listeners of a service, for every name that its clients may say; `local` as for its domains."""
    found = service(mesh, key)
    if found is None:
        return Offer()
    hosts = [own_domain(found), *(d for d in other_domains(found, local=local) if not is_wildcard(d))]
    return Offer(each for port in found.proxied_ports for each in _listeners(found, port.number, hosts))


def unknown_listener(name: str) -> Resource:
    """The listener of a name that no service has: calls fail at once, where without one gRPC would wait 15 s for it."""
    nowhere = RouteConfiguration(name=names.BLACK_HOLE_CLUSTER)
    return Resource(name, (_bytes(Listener(name=name)), _api_listener(HttpConnectionManager(route_config=nowhere))))


def _listeners(found: Service, port: int, hosts: list[str]) -> list[Resource]:
    """They differ in their names only, and share the rest."""
    route = names.outbound_cluster(port, "", found.key.hostname)
    shared = _api_listener(HttpConnectionManager(rds=Rds(route_config_name=route, config_source=ADS)))
    called = [names.api_listener(host, port) for host in hosts]
    return [Resource(name, (_bytes(Listener(name=name)), shared)) for name in called]


def _api_listener(manager: HttpConnectionManager) -> bytes:
    """All of a listener but its name."""
    manager.http_filters.append(_ROUTER)
    return _bytes(Listener(api_listener=ApiListener(api_listener=packed(manager))))


def _bytes(listener: Listener) -> bytes:
    return listener.SerializeToString(deterministic=True)
