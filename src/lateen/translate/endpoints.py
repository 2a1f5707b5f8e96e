"""Load assignments: the endpoints of each outbound cluster, by locality, nearest first where the policy asks for it."""

from collections.abc import Iterable

import msgspec
from envoy.config.core.v3.base_pb2 import Locality as EnvoyLocality
from envoy.config.core.v3.base_pb2 import Metadata
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint as EnvoyEndpoint
from envoy.config.endpoint.v3.endpoint_components_pb2 import LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from google.protobuf.wrappers_pb2 import UInt32Value

from lateen.common.ip_families import IpFamilies
from lateen.common.labels import Selector
from lateen.incremental.engine import query
from lateen.model import mesh_config, traffic_policy
from lateen.model.endpoints import Endpoint, Health, endpoints_of
from lateen.model.mesh import Mesh
from lateen.model.services import service
from lateen.model.workloads import Locality, Workload
from lateen.translate.clusters.outbound import OutboundCluster
from lateen.translate.config_metadata import NAMESPACE
from lateen.translate.listeners.filter_chains import socket_address
from lateen.translate.messages import as_resource
from lateen.xds.resource import Resource

_CLUSTER_ID = "Kubernetes"
_EVERYTHING = Selector()
_STATUS = {
    Health.HEALTHY: HealthStatus.HEALTHY,
    Health.UNHEALTHY: HealthStatus.UNHEALTHY,
    Health.DRAINING: HealthStatus.DRAINING,
}


_WANTED = {True: (Health.HEALTHY, Health.UNHEALTHY), False: (Health.HEALTHY,)}
"""By whether those that are not ready are sent; what drains never is."""


def prefers_near(mesh: Mesh, target: OutboundCluster) -> bool:
    """Whether the cluster's endpoints depend on where the client is.

    Only with outlier detection: otherwise nothing would tell that the near ones fail.
    """
    policy = traffic_policy.policy(mesh, target.rule, target.port, target.subset)
    balancer = policy.load_balancer
    setting = balancer.locality_lb_setting if balancer is not None else None
    wanted = setting.enabled is not False if setting is not None else mesh_config.locality_balancing(mesh)
    return policy.outlier_detection is not None and wanted


@query
def _sends_unready(mesh: Mesh, target: OutboundCluster) -> bool:
    """Whether endpoints that are not ready are sent at all.

    Not where a share of unhealthy ones makes Envoy use them too, which the policy asks for by `minHealthPercent`.
    """
    detection = traffic_policy.policy(mesh, target.rule, target.port, target.subset).outlier_detection
    return detection is None or not detection.min_health_percent


@query
def load_assignment(mesh: Mesh, target: OutboundCluster, near: Locality | None, families: IpFamilies) -> Resource:
    """The endpoints of a cluster for clients with addresses of these families; seen from `near` where its policy
    prefers near ones, else from nowhere.
    """
    declared = service(mesh, target.service)
    port = declared.port(target.port) if declared is not None else None
    found = endpoints_of(mesh, target.service, port.name) if port is not None else ()
    selector = traffic_policy.subset_selector(mesh, target.rule, target.subset) if target.subset else _EVERYTHING
    always_ready = declared is not None and declared.publish_not_ready
    wanted = _WANTED[always_ready or _sends_unready(mesh, target)]
    chosen = [_seen_by(e, families) for e in found if e.health in wanted and _selected(e, selector)]
    assignment = ClusterLoadAssignment(
        cluster_name=target.name, endpoints=_by_locality(chosen, near, always_ready=always_ready)
    )
    return as_resource(target.name, assignment)


def empty_assignment(name: str) -> Resource:
    """A cluster without endpoints."""
    return as_resource(name, ClusterLoadAssignment(cluster_name=name))


def _seen_by(endpoint: Endpoint, families: IpFamilies) -> Endpoint:
    """The endpoint with the addresses that the client can use; one that has none of them stays as it is."""
    usable = families.having(endpoint.addresses) or endpoint.addresses
    return endpoint if usable == endpoint.addresses else msgspec.structs.replace(endpoint, addresses=usable)


def _selected(endpoint: Endpoint, selector: Selector | None) -> bool:
    labels = endpoint.workload.labels if endpoint.workload is not None else {}
    return selector is not None and selector.selects(labels)


def _by_locality(
    endpoints: Iterable[Endpoint], near: Locality | None, *, always_ready: bool
) -> Iterable[LocalityLbEndpoints]:
    groups: dict[Locality, list[Endpoint]] = {}
    for endpoint in endpoints:
        groups.setdefault(endpoint.locality, []).append(endpoint)
    priorities = _priorities(groups, near)
    for place, members in sorted(groups.items()):
        yield LocalityLbEndpoints(
            locality=EnvoyLocality(region=place.region, zone=place.zone, sub_zone=place.subzone),
            lb_endpoints=[_lb_endpoint(member, always_ready=always_ready) for member in members],
            load_balancing_weight=UInt32Value(value=len(members)),
            priority=priorities[place],
        )


def _priorities(places: Iterable[Locality], near: Locality | None) -> dict[Locality, int]:
    """0 for the nearest places that have endpoints, then 1, without gaps, as Envoy requires."""
    distances = {place: near.distance(place) if near is not None else 0 for place in places}
    ranks = {distance: rank for rank, distance in enumerate(sorted(set(distances.values())))}
    return {place: ranks[distance] for place, distance in distances.items()}


def _lb_endpoint(endpoint: Endpoint, *, always_ready: bool) -> LbEndpoint:
    first, *others = (socket_address(address, endpoint.port) for address in endpoint.addresses)
    result = LbEndpoint(
        endpoint=EnvoyEndpoint(
            address=first, additional_addresses=[EnvoyEndpoint.AdditionalAddress(address=other) for other in others]
        ),
        health_status=_STATUS[Health.HEALTHY if always_ready else endpoint.health],
        load_balancing_weight=UInt32Value(value=1),
    )
    if endpoint.workload is not None:
        result.metadata.CopyFrom(_metadata(endpoint.workload))
    return result


def _metadata(behind: Workload) -> Metadata:
    revision = "" if behind.canonical_revision == "latest" else behind.canonical_revision
    text = ";".join((behind.name, behind.namespace, behind.canonical_name, revision, _CLUSTER_ID))
    metadata = Metadata()
    metadata.filter_metadata[NAMESPACE]["workload"] = text
    return metadata
