"""Outbound clusters as gRPC reads them: endpoints by EDS, a limit of requests, and a way to balance that it knows.

Source: gRFC A27, A32 (limit), A42 (ring hash), A48 and A52 (least request, where the client has it).
"""

from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster, LoadBalancingPolicy
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.extensions.load_balancing_policies.least_request.v3.least_request_pb2 import LeastRequest
from envoy.extensions.load_balancing_policies.round_robin.v3.round_robin_pb2 import RoundRobin
from envoy.extensions.load_balancing_policies.wrr_locality.v3.wrr_locality_pb2 import WrrLocality
from google.protobuf.message import Message

from lateen.incremental.engine import query
from lateen.model.mesh import Mesh
from lateen.translate.clusters.outbound import OutboundCluster, cluster_of
from lateen.translate.listeners.connection_manager import ADS
from lateen.translate.messages import as_resource, packed
from lateen.xds.resource import Resource


@query
def proxyless_cluster(mesh: Mesh, target: OutboundCluster) -> Resource | None:
    """The cluster; None where the service has no such port any more."""
    known = cluster_of(mesh, target)
    if known is None:
        return None
    out = Cluster(name=target.name, type=Cluster.EDS)
    out.eds_cluster_config.eds_config.CopyFrom(ADS)
    out.eds_cluster_config.service_name = target.name
    limit = known.circuit_breakers.thresholds[0].max_requests  # without it gRPC would allow 1024
    out.circuit_breakers.thresholds.add(max_requests=limit)
    _balance(out, known)
    return as_resource(target.name, out)


def _balance(out: Cluster, known: Cluster) -> None:
    """The same way or the nearest: what gRPC does not know it would refuse, and the whole cluster with it."""
    match known.lb_policy:
        case Cluster.RING_HASH | Cluster.MAGLEV:
            out.lb_policy = Cluster.RING_HASH
            if known.HasField("ring_hash_lb_config"):
                out.ring_hash_lb_config.CopyFrom(known.ring_hash_lb_config)
        case Cluster.LEAST_REQUEST:
            out.lb_policy = Cluster.ROUND_ROBIN  # for clients that do not read the other field
            out.load_balancing_policy.CopyFrom(_LEAST_REQUEST)
        case _:
            out.lb_policy = Cluster.ROUND_ROBIN


def _first_known(*policies: Message) -> LoadBalancingPolicy:
    """A client takes the first one that it knows."""
    named = [TypedExtensionConfig(name=each.DESCRIPTOR.full_name, typed_config=packed(each)) for each in policies]
    return LoadBalancingPolicy(policies=[LoadBalancingPolicy.Policy(typed_extension_config=each) for each in named])


_LEAST_REQUEST: Final = _first_known(WrrLocality(endpoint_picking_policy=_first_known(LeastRequest(), RoundRobin())))
"""Among the endpoints of a locality, which is picked by its weight."""
