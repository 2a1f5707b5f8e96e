"""DNS of a pod whose queries its sidecar captures: the rules of interception redirect them here.

Over UDP, Envoy answers for the hosts of services itself and asks the pod's own name servers for all others. It knows
only A and AAAA records: of a host in the table it has no others, and where it has no address of the family that is
asked for, it says that there is no such name. Over TCP everything goes to the name servers, which know more kinds.
"""

from envoy.config.core.v3.address_pb2 import SocketAddress
from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.core.v3.resolver_pb2 import DnsResolverOptions
from envoy.config.listener.v3.listener_components_pb2 import ListenerFilter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.data.dns.v3.dns_table_pb2 import DnsTable
from envoy.extensions.filters.udp.dns_filter.v3.dns_filter_pb2 import DnsFilterConfig
from envoy.extensions.network.dns_resolver.cares.v3.cares_dns_resolver_pb2 import CaresDnsResolverConfig

from lateen.common.ip_families import IpFamilies
from lateen.config.values import Duration
from lateen.incremental.engine import query
from lateen.model.endpoints import Health, endpoints_of
from lateen.model.mesh import Mesh
from lateen.model.services import ServiceKey, service, service_namespaces, services_in
from lateen.translate import names
from lateen.translate.listeners.filter_chains import filter_chain, listen_at, socket_address, tcp_proxy
from lateen.translate.messages import as_resource, duration, packed
from lateen.xds.resource import Resource

PORT = 15053
"""Where the rules redirect DNS to. Source: the contract of istio-iptables."""

DNS_PORT = 53

_REMEMBERED = Duration(seconds=30)
"""How long a client may keep an answer: the least that Envoy allows."""
_PATIENCE = Duration(seconds=5)
_MAX_PENDING = 1000


@query
def dns_datagrams(mesh: Mesh, name_servers: tuple[str, ...], families: IpFamilies) -> Resource:
    """The listener of queries over UDP."""
    config = DnsFilterConfig(stat_prefix="dns")
    config.server_config.inline_dns_table.ParseFromString(_table(mesh))
    resolver = CaresDnsResolverConfig(
        resolvers=[socket_address(server, DNS_PORT) for server in name_servers],
        # Names arrive as the program's resolver has completed them.
        dns_resolver_options=DnsResolverOptions(no_default_search_domain=True),
    )
    client = config.client_config
    client.typed_dns_resolver_config.CopyFrom(
        TypedExtensionConfig(name="envoy.network.dns_resolver.cares", typed_config=packed(resolver))
    )
    client.resolver_timeout.CopyFrom(duration(_PATIENCE))
    client.max_pending_lookups = _MAX_PENDING
    listener = Listener(
        name=f"udp_{names.listener(families.loopbacks[0], PORT)}",
        traffic_direction=TrafficDirection.OUTBOUND,
        listener_filters=[ListenerFilter(name="envoy.filters.udp.dns_filter", typed_config=packed(config))],
    )
    listen_at(listener, families.loopbacks, PORT, SocketAddress.UDP)
    return as_resource(listener.name, listener)


@query
def dns_connections(mesh: Mesh, families: IpFamilies) -> Resource:
    """The listener of queries over TCP."""
    listener = Listener(
        name=names.listener(families.loopbacks[0], PORT),
        traffic_direction=TrafficDirection.OUTBOUND,
        filter_chains=[filter_chain([tcp_proxy(mesh, names.NAME_SERVERS_CLUSTER)])],
    )
    listen_at(listener, families.loopbacks, PORT)
    return as_resource(listener.name, listener)


@query
def _table(mesh: Mesh) -> bytes:
    """A DnsTable of all hosts. Serialised messages may be concatenated: those of a namespace stay as they are."""
    return b"".join(_table_in(mesh, namespace) for namespace in service_namespaces(mesh))


@query
def _table_in(mesh: Mesh, namespace: str) -> bytes:
    table = DnsTable()
    for key in services_in(mesh, namespace):
        if addresses := host_addresses(mesh, key):
            domain = table.virtual_domains.add(name=key.hostname, answer_ttl=duration(_REMEMBERED))
            domain.endpoint.address_list.address.extend(addresses)
    return table.SerializeToString(deterministic=True)


@query
def host_addresses(mesh: Mesh, key: ServiceKey) -> tuple[str, ...]:
    """What a service's host name stands for: its own addresses; of a headless one, those of its ready endpoints."""
    found = service(mesh, key)
    if found is None or not found.headless:
        return found.addresses if found is not None else ()
    ready = {
        address: None
        for port in found.ports
        for endpoint in endpoints_of(mesh, key, port.name)
        if endpoint.health is Health.HEALTHY or (found.publish_not_ready and endpoint.health is Health.UNHEALTHY)
        for address in endpoint.addresses
    }
    return tuple(ready)
