"""Clusters of a workload's server side: its own ports, reached at the address the client connected to.

Connections come from 127.0.0.6, which the interception rules let pass; from another address they would be captured
again. In TPROXY mode they come from the client's own address, and a mark tells the rules.
"""

from collections.abc import Iterable

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import ExtraSourceAddress, SocketAddress
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment

from lateen.config.kinds.mesh_config import InboundTrafficMode
from lateen.config.values import Duration
from lateen.incremental.engine import query, surviving
from lateen.model import mesh_config, traffic_policy
from lateen.model.mesh import Mesh
from lateen.model.proxy import Interception
from lateen.model.services import service
from lateen.model.views import CaptureView, InboundPort, InboundView
from lateen.translate import names
from lateen.translate.clusters.circuit_breakers import UNLIMITED
from lateen.translate.clusters.connection_pool import apply_connection_pool
from lateen.translate.clusters.outbound import service_metadata
from lateen.translate.clusters.protocol_options import follow_downstream
from lateen.translate.config_metadata import NAMESPACE
from lateen.translate.listeners.filter_chains import socket_address
from lateen.translate.messages import as_resource, duration
from lateen.xds.resource import Offer, Resource

PASSED_ADDRESSES = ("127.0.0.6", "::6")
_LOOPBACK = "127.0.0.1"
_FOR_EVER = Duration(seconds=9223372035)


@query
def inbound_clusters(mesh: Mesh, view: InboundView, capture: CaptureView) -> Offer:
    """A cluster for each declared port, and the one for all other ports."""
    found = (surviving(inbound_cluster, mesh, port, capture) for port in view.ports)
    return Offer([*(cluster for cluster in found if cluster is not None), inbound_passthrough_cluster(mesh, capture)])


@query
def inbound_cluster(mesh: Mesh, port: InboundPort, capture: CaptureView) -> Resource:
    """The cluster of one port of the workload, limited as the DestinationRule of its own host says."""
    name = names.inbound_cluster(port.target_port)
    cluster = _cluster(mesh, name, capture)
    if mesh_config.inbound_traffic_mode(mesh) is InboundTrafficMode.LOCALHOST:
        _send_to_loopback(cluster, port.target_port)
    istio = cluster.metadata.filter_metadata[NAMESPACE]
    declared = [found for key in port.services if (found := service(mesh, key)) is not None]
    istio["services"] = [service_metadata(found) for found in declared]
    namespace = port.service.namespace
    rule = traffic_policy.destination_rule(mesh, port.service.hostname, namespace, namespace)
    policy = traffic_policy.policy(mesh, rule, port.port, "")
    apply_connection_pool(mesh, cluster, policy, port.protocol)
    return as_resource(name, cluster)


@query
def inbound_passthrough_cluster(mesh: Mesh, capture: CaptureView) -> Resource:
    """The cluster of ports that no service declares."""
    cluster = _cluster(mesh, names.INBOUND_PASSTHROUGH_CLUSTER, capture)
    follow_downstream(cluster)
    return as_resource(cluster.name, cluster)


def _cluster(mesh: Mesh, name: str, capture: CaptureView) -> Cluster:
    cluster = Cluster(
        name=name,
        alt_stat_name=names.alternative_stat_name(name),
        type=Cluster.ORIGINAL_DST,
        lb_policy=Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(mesh_config.connect_timeout(mesh)),
        cleanup_interval=duration(_FOR_EVER),
    )
    cluster.circuit_breakers.CopyFrom(UNLIMITED)
    if capture.interception is not Interception.TPROXY:
        _connect_from(cluster, capture.families.having(PASSED_ADDRESSES))
    return cluster


def _connect_from(cluster: Cluster, addresses: Iterable[str]) -> None:
    """Envoy takes the one that is of the family of where it connects to."""
    first, *others = (SocketAddress(address=address, port_value=0) for address in addresses)
    cluster.upstream_bind_config.source_address.CopyFrom(first)
    cluster.upstream_bind_config.extra_source_addresses.extend(ExtraSourceAddress(address=other) for other in others)


def _send_to_loopback(cluster: Cluster, port: int) -> None:
    cluster.type = Cluster.STATIC
    cluster.lb_policy = Cluster.ROUND_ROBIN
    cluster.ClearField("upstream_bind_config")
    cluster.ClearField("cleanup_interval")
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket_address(_LOOPBACK, port)))
    cluster.load_assignment.CopyFrom(
        ClusterLoadAssignment(cluster_name=cluster.name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])])
    )
