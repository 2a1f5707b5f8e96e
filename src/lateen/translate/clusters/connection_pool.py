"""A policy's connectionPool -> limits, time-outs and HTTP options of a Cluster. Source: Istio, ConnectionPoolSettings.

For both sides: what clients keep to, and what a workload's own sidecar does.
"""

from typing import Final

from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions as CommonOptions
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

from lateen.common.ports import Protocol, ProtocolClass, class_of, is_http2
from lateen.config.kinds.destination_rule import (
    ConnectionPoolSettings,
    H2UpgradePolicy,
    HTTPSettings,
    RetryBudget,
    TCPSettings,
    TrafficPolicy,
)
from lateen.model import mesh_config
from lateen.model.mesh import Mesh
from lateen.translate.clusters.outlier_detection import error_matcher
from lateen.translate.clusters.protocol_options import KEY
from lateen.translate.messages import packed

_NO_POOL: Final = ConnectionPoolSettings()
_NO_TCP: Final = TCPSettings()
_NO_HTTP: Final = HTTPSettings()
_DEFAULT_RETRY_PERCENT: Final = 20.0
_DEFAULT_RETRY_CONCURRENCY: Final = 3


def apply_connection_pool(
    mesh: Mesh, cluster: Cluster, policy: TrafficPolicy, protocol: Protocol, *, upgrade: bool = False
) -> None:
    """Write the limits and options into a cluster whose circuit breakers have one threshold.

    `upgrade` allows HTTP/1.1 ports to be spoken to in HTTP/2 where the policy or the mesh wants that. 0 is no limit.
    """
    pool = policy.connection_pool or _NO_POOL
    tcp, http = pool.tcp or _NO_TCP, pool.http or _NO_HTTP
    _limit(cluster.circuit_breakers.thresholds[0], tcp, http, policy.retry_budget)
    if tcp.connect_timeout:
        cluster.connect_timeout.FromTimedelta(tcp.connect_timeout)
    _keep_alive(mesh, cluster, tcp)
    _set_http_options(mesh, cluster, policy, protocol, upgrade=upgrade)


def _limit(
    out: CircuitBreakers.Thresholds, tcp: TCPSettings, http: HTTPSettings, retry_budget: RetryBudget | None
) -> None:
    for field, limit in (
        (out.max_connections, tcp.max_connections),
        (out.max_pending_requests, http.http1_max_pending_requests),
        (out.max_requests, http.http2_max_requests),
        (out.max_retries, http.max_retries),
    ):
        if limit is not None and limit > 0:
            field.value = limit
    if retry_budget is not None:
        percent = retry_budget.percent.value if retry_budget.percent is not None else _DEFAULT_RETRY_PERCENT
        out.retry_budget.budget_percent.value = percent
        concurrency = retry_budget.min_retry_concurrency
        out.retry_budget.min_retry_concurrency.value = (
            concurrency if concurrency is not None else _DEFAULT_RETRY_CONCURRENCY
        )


def _keep_alive(mesh: Mesh, cluster: Cluster, tcp: TCPSettings) -> None:
    """Each field by itself: the policy's, else the mesh's, else the operating system's."""
    given = [settings for settings in (tcp.tcp_keepalive, mesh_config.tcp_keepalive(mesh)) if settings is not None]
    if not given:
        return
    out = cluster.upstream_connection_options.tcp_keepalive
    out.SetInParent()
    for settings in reversed(given):
        if settings.probes:
            out.keepalive_probes.value = settings.probes
        if settings.time:
            out.keepalive_time.value = int(settings.time.total_seconds())
        if settings.interval:
            out.keepalive_interval.value = int(settings.interval.total_seconds())


def _set_http_options(
    mesh: Mesh, cluster: Cluster, policy: TrafficPolicy, protocol: Protocol, *, upgrade: bool
) -> None:
    """Options are left out where there is nothing to say: Envoy then speaks HTTP/1.1."""
    pool = policy.connection_pool or _NO_POOL
    tcp, http = pool.tcp or _NO_TCP, pool.http or _NO_HTTP
    out = HttpProtocolOptions()
    common = _common_options(tcp, http)
    if common is not None:
        out.common_http_protocol_options.CopyFrom(common)
    errors = error_matcher(policy.outlier_detection) if upgrade else None
    if errors is not None:
        out.outlier_detection.error_matcher.CopyFrom(errors)
    if http.use_client_protocol:
        out.use_downstream_protocol_config.http_protocol_options.SetInParent()
        out.use_downstream_protocol_config.http2_protocol_options.CopyFrom(_http2_options(http))
    elif is_http2(protocol) or (upgrade and _is_upgraded(mesh, http, protocol)):
        out.explicit_http_config.http2_protocol_options.CopyFrom(_http2_options(http))
    elif common is not None or errors is not None:
        out.explicit_http_config.http_protocol_options.SetInParent()
    else:
        return
    cluster.typed_extension_protocol_options[KEY].CopyFrom(packed(out))


def _common_options(tcp: TCPSettings, http: HTTPSettings) -> CommonOptions | None:
    out = CommonOptions()
    idle = http.idle_timeout if http.idle_timeout is not None else tcp.idle_timeout
    if idle is not None:
        out.idle_timeout.FromTimedelta(idle)
    if tcp.max_connection_duration is not None:
        out.max_connection_duration.FromTimedelta(tcp.max_connection_duration)
    if http.max_requests_per_connection is not None and http.max_requests_per_connection > 0:
        out.max_requests_per_connection.value = http.max_requests_per_connection
    return out if out.ByteSize() else None


def _http2_options(http: HTTPSettings) -> Http2ProtocolOptions:
    out = Http2ProtocolOptions()
    if http.max_concurrent_streams is not None and http.max_concurrent_streams > 0:
        out.max_concurrent_streams.value = http.max_concurrent_streams
    keep_alive = http.http2_keep_alive
    if keep_alive is not None and keep_alive.interval and keep_alive.timeout:
        out.connection_keepalive.interval.FromTimedelta(keep_alive.interval)
        out.connection_keepalive.timeout.FromTimedelta(keep_alive.timeout)
    return out


def _is_upgraded(mesh: Mesh, http: HTTPSettings, protocol: Protocol) -> bool:
    if class_of(protocol) is not ProtocolClass.HTTP:
        return False
    match http.h2_upgrade_policy:
        case H2UpgradePolicy.UPGRADE:
            return True
        case H2UpgradePolicy.DO_NOT_UPGRADE:
            return False
        case None | H2UpgradePolicy.DEFAULT:
            return mesh_config.h2_upgrade(mesh)
