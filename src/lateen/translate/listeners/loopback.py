"""A sidecar's client side where nothing is captured: an application calls `127.0.0.1` on the port of a service.

HTTP services of a port are told apart by the host of a request. A connection that is not HTTP does not say whom it is
for: the oldest TCP service of the port has it.
"""

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_pb2 import Listener

from lateen.common.ip_families import IpFamilies
from lateen.common.ports import ProtocolClass
from lateen.incremental.engine import query
from lateen.model import mesh_config
from lateen.model.mesh import Mesh
from lateen.model.services import NO_AGE, ServiceKey, service, services_in
from lateen.translate import names
from lateen.translate.listeners.connection_manager import Side, connection_manager
from lateen.translate.listeners.filter_chains import (
    HTTP_INSPECTOR,
    PLAINTEXT_HTTP,
    filter_chain,
    listen_at,
    tcp_proxy,
)
from lateen.translate.messages import as_resource, duration
from lateen.xds.resource import Resource


@query
def loopback_listener(
    mesh: Mesh, port: int, http: bool, connections_to: ServiceKey | None, families: IpFamilies
) -> Resource:
    """The listener of a port, for its HTTP services, for the connections that one TCP service takes, or for both."""
    addresses = families.loopbacks
    name = names.listener(addresses[0], port)
    listener = Listener(name=name, traffic_direction=TrafficDirection.OUTBOUND)
    listen_at(listener, addresses, port)
    if connections_to is not None:
        proxied = tcp_proxy(mesh, names.outbound_cluster(port, "", connections_to.hostname))
        listener.default_filter_chain.CopyFrom(filter_chain([proxied]))
    if http:
        manager = connection_manager(mesh, Side.OUTBOUND, f"outbound_{name};", names.outbound_route(port))
        if connections_to is None:
            listener.filter_chains.append(filter_chain([manager]))
        else:
            listener.filter_chains.append(filter_chain([manager], transport="raw_buffer", applications=PLAINTEXT_HTTP))
            listener.listener_filters.append(HTTP_INSPECTOR)
            listener.listener_filters_timeout.CopyFrom(duration(mesh_config.protocol_detection_timeout(mesh)))
            listener.continue_on_listener_filters_timeout = True
    return as_resource(name, listener)


@query
def tcp_services(mesh: Mesh, namespace: str) -> tuple[tuple[int, ServiceKey], ...]:
    """The TCP ports of a namespace's services, each with the oldest service that has it."""
    found = [declared for key in services_in(mesh, namespace) if (declared := service(mesh, key)) is not None]
    by_port: dict[int, ServiceKey] = {}
    for declared in sorted(found, key=lambda each: each.age):
        for port in declared.ports:
            if port.protocol_class is ProtocolClass.TCP:
                by_port.setdefault(port.number, declared.key)
    return tuple(sorted(by_port.items()))


def oldest(mesh: Mesh, keys: tuple[ServiceKey, ...]) -> ServiceKey:
    """The oldest of the services; of a single one nothing is asked."""
    if len(keys) == 1:
        return keys[0]
    return min(keys, key=lambda key: found.age if (found := service(mesh, key)) is not None else NO_AGE)
