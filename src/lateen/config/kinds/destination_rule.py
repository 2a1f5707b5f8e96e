"""Istio DestinationRule: subsets of a host's endpoints, and how clients connect to them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from lateen.config.objects import ConfigObject
from lateen.config.values import (
    Duration,
    Int32,
    IstioMessage,
    Percent,
    PortSelector,
    TcpKeepalive,
    UInt32,
    UInt64,
    WorkloadSelector,
)


class SimpleLB(StrEnum):
    """`LEAST_CONN` is the older name of `LEAST_REQUEST`."""

    UNSPECIFIED = "UNSPECIFIED"
    LEAST_CONN = "LEAST_CONN"
    RANDOM = "RANDOM"
    PASSTHROUGH = "PASSTHROUGH"
    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"


class HTTPCookieAttribute(IstioMessage, frozen=True):
    name: str = ""
    value: str = ""


class HTTPCookie(IstioMessage, frozen=True):
    name: str = ""
    path: str | None = None
    ttl: Duration | None = None
    attributes: tuple[HTTPCookieAttribute, ...] = ()


class RingHash(IstioMessage, frozen=True):
    minimum_ring_size: UInt64 | None = None


class MagLev(IstioMessage, frozen=True):
    table_size: UInt64 | None = None


class ConsistentHashLB(IstioMessage, frozen=True):
    """One key (header, cookie, source address or query parameter) and at most one algorithm."""

    http_header_name: str | None = None
    http_cookie: HTTPCookie | None = None
    use_source_ip: bool | None = None
    http_query_parameter_name: str | None = None
    ring_hash: RingHash | None = None
    maglev: MagLev | None = None
    minimum_ring_size: UInt64 | None = None


class LocalityDistribute(IstioMessage, frozen=True):
    """`to` maps localities to percentages that sum up to 100."""

    from_: str = ""
    to: Mapping[str, UInt32] = {}


class LocalityFailover(IstioMessage, frozen=True):
    from_: str = ""
    to: str = ""


class LocalityLoadBalancerSetting(IstioMessage, frozen=True):
    enabled: bool | None = None
    distribute: tuple[LocalityDistribute, ...] = ()
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()


class ZoneAwareLoadBalancerSetting(IstioMessage, frozen=True):
    enabled: bool | None = None
    failover: tuple[LocalityFailover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    min_cluster_size: UInt64 | None = None


class WarmupConfiguration(IstioMessage, frozen=True):
    duration: Duration | None = None
    minimum_percent: float | None = None
    aggression: float | None = None


class LoadBalancerSettings(IstioMessage, frozen=True):
    """`simple` or `consistent_hash`, not both."""

    simple: SimpleLB | None = None
    consistent_hash: ConsistentHashLB | None = None
    locality_lb_setting: LocalityLoadBalancerSetting | None = None
    zone_aware_lb_setting: ZoneAwareLoadBalancerSetting | None = None
    warmup_duration_secs: Duration | None = None
    warmup: WarmupConfiguration | None = None


class TCPSettings(IstioMessage, frozen=True):
    max_connections: Int32 | None = None
    connect_timeout: Duration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: Duration | None = None
    idle_timeout: Duration | None = None


class H2UpgradePolicy(StrEnum):
    DEFAULT = "DEFAULT"
    DO_NOT_UPGRADE = "DO_NOT_UPGRADE"
    UPGRADE = "UPGRADE"


class Http2KeepAlive(IstioMessage, frozen=True):
    interval: Duration | None = None
    timeout: Duration | None = None


class HTTPSettings(IstioMessage, frozen=True):
    http1_max_pending_requests: Int32 | None = None
    http2_max_requests: Int32 | None = None
    max_requests_per_connection: Int32 | None = None
    max_retries: Int32 | None = None
    idle_timeout: Duration | None = None
    h2_upgrade_policy: H2UpgradePolicy | None = None
    use_client_protocol: bool = False
    max_concurrent_streams: Int32 | None = None
    http2_keep_alive: Http2KeepAlive | None = None


class ConnectionPoolSettings(IstioMessage, frozen=True):
    tcp: TCPSettings | None = None
    http: HTTPSettings | None = None


class OutlierDetection(IstioMessage, frozen=True):
    """`consecutive_errors` is accepted and has no effect."""

    consecutive_errors: Int32 | None = None
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: UInt32 | None = None
    consecutive_gateway_errors: UInt32 | None = None
    consecutive5xx_errors: UInt32 | None = None
    interval: Duration | None = None
    base_ejection_time: Duration | None = None
    max_ejection_percent: Int32 | None = None
    min_health_percent: Int32 | None = None
    outlier_detection_http_error_codes: tuple[UInt32, ...] = ()


class ClientTLSMode(StrEnum):
    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"


class ClientTLSSettings(IstioMessage, frozen=True):
    mode: ClientTLSMode = ClientTLSMode.DISABLE
    client_certificate: str | None = None
    private_key: str | None = None
    ca_certificates: str | None = None
    ca_crl: str | None = None
    credential_name: str | None = None
    subject_alt_names: tuple[str, ...] = ()
    sni: str | None = None
    insecure_skip_verify: bool | None = None


class PortTrafficPolicy(IstioMessage, frozen=True):
    """Replaces, for one port, the groups of the policy around it."""

    port: PortSelector | None = None
    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None


class TunnelSettings(IstioMessage, frozen=True):
    protocol: str | None = None
    target_host: str = ""
    target_port: UInt32 = 0


class ProxyProtocolVersion(StrEnum):
    V1 = "V1"
    V2 = "V2"


class ProxyProtocol(IstioMessage, frozen=True):
    version: ProxyProtocolVersion = ProxyProtocolVersion.V1


class RetryBudget(IstioMessage, frozen=True):
    percent: Percent | None = None
    min_retry_concurrency: UInt32 | None = None
    budget_interval: Duration | None = None


class TrafficPolicy(IstioMessage, frozen=True):
    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: TunnelSettings | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None


class Subset(IstioMessage, frozen=True):
    """The endpoints that carry all of the labels."""

    name: str = ""
    labels: Mapping[str, str] = {}
    traffic_policy: TrafficPolicy | None = None


class DestinationRuleSpec(IstioMessage, frozen=True):
    host: str = ""
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None


class DestinationRule(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = "networking.istio.io"
    KIND: ClassVar[str] = "DestinationRule"

    spec: DestinationRuleSpec = DestinationRuleSpec()
