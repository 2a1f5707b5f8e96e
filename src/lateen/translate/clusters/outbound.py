"""Clusters of a client's side: one for each port and subset of each service, and the two that take everything else."""

import msgspec
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.base_pb2 import Metadata
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.struct_pb2 import Struct

from lateen.common.ports import ProtocolClass
from lateen.incremental.engine import query
from lateen.model import costly, ineffective, mesh_config, traffic_policy
from lateen.model.mesh import Mesh
from lateen.model.services import Service, ServiceKey, service, services_in
from lateen.model.traffic_policy import Rule
from lateen.translate import names
from lateen.translate.clusters.circuit_breakers import UNLIMITED
from lateen.translate.clusters.load_balancing import apply_traffic_policy
from lateen.translate.clusters.protocol_options import follow_downstream
from lateen.translate.config_metadata import NAMESPACE, config_path
from lateen.translate.listeners.connection_manager import ADS
from lateen.translate.messages import as_resource, duration
from lateen.xds.resource import Resource


class OutboundCluster(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """Names one outbound cluster and the rule that shapes it: clients that find the same rule share the cluster.

    `original_destination`: connections go to the address the client chose, as sidecars do for headless services.
    """

    service: ServiceKey
    port: int
    subset: str
    rule: Rule
    original_destination: bool = False

    @property
    def name(self) -> str:
        return names.outbound_cluster(self.port, self.subset, self.service.hostname)


@query
def clusters_of(mesh: Mesh, namespace: str, client: str | None, gateway: bool) -> tuple[OutboundCluster, ...]:
    """The clusters that the services of a namespace come to, for clients of a namespace or, without one, for most."""
    found: list[OutboundCluster] = []
    for key in services_in(mesh, namespace):
        declared = service(mesh, key)
        if declared is None:
            continue
        rule = traffic_policy.destination_rule(mesh, key.hostname, namespace, client)
        ineffective.report_rule(mesh, rule)
        costly.report_rule(mesh, rule)
        original = declared.headless and not gateway
        for port in declared.ports:
            if port.protocol_class is not ProtocolClass.UDP:
                found.extend(
                    OutboundCluster(key, port.number, subset, rule, original)
                    for subset in ("", *traffic_policy.subsets(mesh, rule))
                )
    return tuple(found)


@query
def outbound_cluster(mesh: Mesh, target: OutboundCluster) -> Resource | None:
    """The cluster as proxies take it; None where the service has no such port any more."""
    cluster = cluster_of(mesh, target)
    return as_resource(target.name, cluster) if cluster is not None else None


def cluster_of(mesh: Mesh, target: OutboundCluster) -> Cluster | None:
    """The cluster with everything that the mesh and the policy in force say; None as for `outbound_cluster`."""
    declared = service(mesh, target.service)
    port = declared.port(target.port) if declared is not None else None
    if declared is None or port is None:
        return None
    cluster = Cluster(
        name=target.name,
        alt_stat_name=names.alternative_stat_name(target.name),
        connect_timeout=duration(mesh_config.connect_timeout(mesh)),
        lb_policy=Cluster.LEAST_REQUEST,
        metadata=_metadata(target, declared),
    )
    cluster.circuit_breakers.CopyFrom(UNLIMITED)
    # Endpoints that are not ready are sent as unhealthy; without this Envoy would use them when all are.
    cluster.common_lb_config.healthy_panic_threshold.value = 0
    if target.original_destination:
        cluster.type = Cluster.ORIGINAL_DST
        cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    else:
        cluster.type = Cluster.EDS
        cluster.eds_cluster_config.eds_config.CopyFrom(ADS)
        cluster.eds_cluster_config.service_name = target.name
    policy = traffic_policy.policy(mesh, target.rule, target.port, target.subset)
    apply_traffic_policy(mesh, cluster, policy, port.protocol)
    return cluster


def _metadata(target: OutboundCluster, declared: Service) -> Metadata:
    metadata = Metadata()
    istio = metadata.filter_metadata[NAMESPACE]
    if target.rule:
        istio["config"] = config_path(target.rule[0])
    if target.subset:
        istio["subset"] = target.subset
    istio["services"] = [service_metadata(declared)]
    return metadata


def service_metadata(declared: Service) -> Struct:
    """How telemetry names a service."""
    result = Struct()
    result.update({"host": declared.key.hostname, "name": declared.name, "namespace": declared.key.namespace})
    return result


@query
def passthrough_cluster(mesh: Mesh) -> Resource:
    """Where connections to unknown destinations go on to: the address that the client chose."""
    cluster = Cluster(
        name=names.PASSTHROUGH_CLUSTER,
        alt_stat_name=names.alternative_stat_name(names.PASSTHROUGH_CLUSTER),
        type=Cluster.ORIGINAL_DST,
        lb_policy=Cluster.CLUSTER_PROVIDED,
        connect_timeout=duration(mesh_config.connect_timeout(mesh)),
    )
    cluster.circuit_breakers.CopyFrom(UNLIMITED)
    follow_downstream(cluster)
    return as_resource(cluster.name, cluster)


@query
def black_hole_cluster(mesh: Mesh) -> Resource:
    """Where connections end that must not go anywhere: it has no endpoint."""
    cluster = Cluster(
        name=names.BLACK_HOLE_CLUSTER,
        alt_stat_name=names.alternative_stat_name(names.BLACK_HOLE_CLUSTER),
        type=Cluster.STATIC,
        connect_timeout=duration(mesh_config.connect_timeout(mesh)),
        load_assignment=ClusterLoadAssignment(cluster_name=names.BLACK_HOLE_CLUSTER),
    )
    return as_resource(cluster.name, cluster)
