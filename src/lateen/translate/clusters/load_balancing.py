"""A DestinationRule's effective policy -> an outbound Cluster: how it balances. Source: Istio, LoadBalancerSettings."""

from typing import Final, assert_never

from envoy.config.cluster.v3.cluster_pb2 import Cluster

from lateen.common.ports import Protocol
from lateen.config.kinds.destination_rule import ConsistentHashLB, LoadBalancerSettings, SimpleLB, TrafficPolicy
from lateen.model.mesh import Mesh
from lateen.translate.clusters.connection_pool import apply_connection_pool
from lateen.translate.clusters.outlier_detection import apply_outlier_detection

_DEFAULT_RING_SIZE: Final = 1024
_DEFAULT_WARMUP_PERCENT: Final = 10.0
_DEFAULT_AGGRESSION: Final = 1.0


def apply_traffic_policy(mesh: Mesh, cluster: Cluster, policy: TrafficPolicy, protocol: Protocol) -> None:
    """Write the policy in force for a port into its outbound cluster, which has the mesh's defaults so far."""
    apply_connection_pool(mesh, cluster, policy, protocol, upgrade=True)
    apply_outlier_detection(cluster, policy.outlier_detection)
    if cluster.type != Cluster.ORIGINAL_DST and policy.load_balancer is not None:
        _balance(cluster, policy.load_balancer)


def _balance(cluster: Cluster, settings: LoadBalancerSettings) -> None:
    if settings.consistent_hash is not None:
        _hash(cluster, settings.consistent_hash)
        return
    match settings.simple:
        case None | SimpleLB.UNSPECIFIED | SimpleLB.LEAST_CONN | SimpleLB.LEAST_REQUEST:
            cluster.lb_policy = Cluster.LEAST_REQUEST
            _warm_up(cluster.least_request_lb_config.slow_start_config, settings)
        case SimpleLB.ROUND_ROBIN:
            cluster.lb_policy = Cluster.ROUND_ROBIN
            _warm_up(cluster.round_robin_lb_config.slow_start_config, settings)
        case SimpleLB.RANDOM:
            cluster.lb_policy = Cluster.RANDOM
        case SimpleLB.PASSTHROUGH:
            _pass_through(cluster)
        case _:
            assert_never(settings.simple)


def _pass_through(cluster: Cluster) -> None:
    """Connect to the address that the client chose."""
    cluster.type = Cluster.ORIGINAL_DST
    cluster.lb_policy = Cluster.CLUSTER_PROVIDED
    cluster.ClearField("eds_cluster_config")
    cluster.ClearField("load_assignment")


def _hash(cluster: Cluster, settings: ConsistentHashLB) -> None:
    """The key that is hashed is a matter of the routes."""
    if settings.maglev is not None:
        cluster.lb_policy = Cluster.MAGLEV
        if settings.maglev.table_size:
            cluster.maglev_lb_config.table_size.value = settings.maglev.table_size
        return
    cluster.lb_policy = Cluster.RING_HASH
    ring = settings.ring_hash.minimum_ring_size if settings.ring_hash is not None else settings.minimum_ring_size
    cluster.ring_hash_lb_config.minimum_ring_size.value = ring or _DEFAULT_RING_SIZE


def _warm_up(out: Cluster.SlowStartConfig, settings: LoadBalancerSettings) -> None:
    """A new endpoint gets its share of requests bit by bit."""
    warmup = settings.warmup
    if warmup is not None and warmup.duration is not None:
        out.slow_start_window.FromTimedelta(warmup.duration)
        percent = warmup.minimum_percent if warmup.minimum_percent is not None else _DEFAULT_WARMUP_PERCENT
        out.min_weight_percent.value = percent
        aggression = warmup.aggression if warmup.aggression is not None else _DEFAULT_AGGRESSION
        out.aggression.default_value = aggression
        out.aggression.runtime_key = "upstream.slow_start.aggression"
    elif settings.warmup_duration_secs is not None:
        out.slow_start_window.FromTimedelta(settings.warmup_duration_secs)
