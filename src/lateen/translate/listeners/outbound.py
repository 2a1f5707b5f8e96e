"""A sidecar's client side: the listener that everything is redirected to, and those behind it by original destination.

HTTP ports share one listener per port, as the virtual hosts of its route configuration tell the services apart. Every
TCP port has a listener on each VIP of its service, or on each endpoint of a headless one.
"""

from collections.abc import Iterator

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from lateen.common.ip_families import IpFamilies
from lateen.common.ports import ProtocolClass
from lateen.config.kinds.mesh_config import OutboundTrafficMode
from lateen.incremental.engine import query
from lateen.model import mesh_config
from lateen.model.endpoints import Health, endpoints_of
from lateen.model.ineffective import report_virtual_services
from lateen.model.mesh import Mesh
from lateen.model.proxy import Interception
from lateen.model.services import Service, ServiceKey, ServicePort, http_services, service
from lateen.model.views import CaptureView
from lateen.translate import names
from lateen.translate.access_logs import listener_logs
from lateen.translate.listeners.connection_manager import Side, connection_manager
from lateen.translate.listeners.filter_chains import (
    HTTP_INSPECTOR,
    PLAINTEXT_HTTP,
    filter_chain,
    listen_at,
    tcp_proxy,
)
from lateen.translate.messages import as_resource, duration
from lateen.xds.resource import Offer, Resource

RESERVED_PORTS = frozenset({15001, 15006, 15021, 15090})
"""Ports of the proxy itself: no service can have the wildcard listener of one."""

_FALSE = BoolValue(value=False)


@query
def virtual_outbound(mesh: Mesh, capture: CaptureView) -> Resource:
    """The listener that captured outbound connections reach first; what no other listener takes passes through."""
    port = mesh_config.outbound_port(mesh)
    black_hole = tcp_proxy(mesh, names.BLACK_HOLE_CLUSTER)
    listener = Listener(
        name=names.VIRTUAL_OUTBOUND,
        use_original_dst=BoolValue(value=True),
        traffic_direction=TrafficDirection.OUTBOUND,
        max_connections_to_accept_per_socket_event=UInt32Value(value=1),
        filter_chains=[
            filter_chain([black_hole], name=names.VIRTUAL_OUTBOUND_BLACK_HOLE, port=port),
            filter_chain([tcp_proxy(mesh, catch_all_cluster(mesh))], name=names.VIRTUAL_OUTBOUND_CATCH_ALL),
        ],
        access_log=listener_logs(mesh),
    )
    if capture.interception is Interception.TPROXY:
        listener.transparent.value = True
    listen_at(listener, capture.families.any_addresses, port)
    return as_resource(listener.name, listener)


def catch_all_cluster(mesh: Mesh) -> str:
    """Where connections to unknown destinations go."""
    if mesh_config.outbound_traffic_mode(mesh) is OutboundTrafficMode.REGISTRY_ONLY:
        return names.BLACK_HOLE_CLUSTER
    return names.PASSTHROUGH_CLUSTER


@query
def http_listener(mesh: Mesh, port: int, families: IpFamilies) -> Resource:
    """The listener of all HTTP services of a port; what is not HTTP passes through."""
    name = names.listener(families.any_addresses[0], port)
    manager = connection_manager(mesh, Side.OUTBOUND, f"outbound_{name};", names.outbound_route(port))
    listener = Listener(
        name=name,
        bind_to_port=_FALSE,
        traffic_direction=TrafficDirection.OUTBOUND,
        filter_chains=[filter_chain([manager], transport="raw_buffer", applications=PLAINTEXT_HTTP)],
        default_filter_chain=_passthrough(mesh),
        listener_filters=[HTTP_INSPECTOR],
        listener_filters_timeout=duration(mesh_config.protocol_detection_timeout(mesh)),
        continue_on_listener_filters_timeout=True,
    )
    listen_at(listener, families.any_addresses, port)
    return as_resource(name, listener)


def _passthrough(mesh: Mesh) -> FilterChain:
    return filter_chain([tcp_proxy(mesh, catch_all_cluster(mesh))], name=names.PASSTHROUGH_FILTER_CHAIN)


@query
def tcp_listener(mesh: Mesh, addresses: tuple[str, ...], key: ServiceKey, port: int) -> Resource:
    """The listener of one TCP service port on its addresses: all connections go to the service's cluster."""
    cluster = names.outbound_cluster(port, "", key.hostname)
    name = names.listener(addresses[0], port)
    listener = Listener(
        name=name,
        bind_to_port=_FALSE,
        traffic_direction=TrafficDirection.OUTBOUND,
        filter_chains=[filter_chain([tcp_proxy(mesh, cluster)])],
        listener_filters_timeout=duration(mesh_config.NEVER),
        continue_on_listener_filters_timeout=True,
    )
    listen_at(listener, addresses, port)
    return as_resource(name, listener)


@query
def http_ports_in(mesh: Mesh, namespace: str) -> frozenset[int]:
    """The ports on which a namespace has HTTP services."""
    return frozenset(number for number, _ in http_services(mesh, namespace)) - RESERVED_PORTS


@query
def tcp_listeners_of(mesh: Mesh, key: ServiceKey, families: IpFamilies) -> Offer:
    """The listeners of a service's TCP ports."""
    found = service(mesh, key)
    listeners: list[Resource] = []
    for port in found.ports if found is not None else ():
        if found is not None and port.protocol_class is ProtocolClass.TCP:
            report_virtual_services(mesh, found, port)
            places = _places(mesh, found, port, families)
            listeners.extend(tcp_listener(mesh, addresses, key, port.number) for addresses in places)
    return Offer(listeners)


def _places(mesh: Mesh, found: Service, port: ServicePort, families: IpFamilies) -> Iterator[tuple[str, ...]]:
    """The addresses of each of the port's listeners: the service's own together, a headless one's endpoints apart."""
    if not found.headless:
        together = [found.addresses]
    else:
        live = (e for e in endpoints_of(mesh, found.key, port.name) if e.health is not Health.DRAINING)
        together = [endpoint.addresses for endpoint in live]
    return filter(None, (families.having(addresses) for addresses in together))
