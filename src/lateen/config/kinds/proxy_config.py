"""ProxyConfig as written under a mesh's `defaultConfig` and in the annotation `proxy.istio.io/config`."""

from collections.abc import Mapping
from enum import StrEnum

from lateen.config.values import Duration, Int32, IstioMessage, JsonObject


class InboundInterceptionMode(StrEnum):
    REDIRECT = "REDIRECT"
    TPROXY = "TPROXY"
    NONE = "NONE"


class ForwardClientCertDetails(StrEnum):
    UNDEFINED = "UNDEFINED"
    SANITIZE = "SANITIZE"
    FORWARD_ONLY = "FORWARD_ONLY"
    APPEND_FORWARD = "APPEND_FORWARD"
    SANITIZE_SET = "SANITIZE_SET"
    ALWAYS_FORWARD_ONLY = "ALWAYS_FORWARD_ONLY"


class GatewayTopology(IstioMessage, frozen=True):
    num_trusted_proxies: int = 0
    forward_client_cert_details: ForwardClientCertDetails = ForwardClientCertDetails.UNDEFINED
    proxy_protocol: JsonObject | None = None


class ProxyStatsMatcher(IstioMessage, frozen=True):
    inclusion_prefixes: tuple[str, ...] = ()
    inclusion_suffixes: tuple[str, ...] = ()
    inclusion_regexps: tuple[str, ...] = ()


class ProxyConfig(IstioMessage, frozen=True):
    """How one proxy runs. `concurrency: 0` means every core; None means the container's CPU limit decides."""

    config_path: str = "./etc/istio/proxy"
    binary_path: str = "/usr/local/bin/envoy"
    service_cluster: str | None = None
    tracing_service_name: str | None = None
    drain_duration: Duration = Duration(seconds=45)
    termination_drain_duration: Duration = Duration(seconds=5)
    discovery_address: str = "istiod.istio-system.svc:15012"
    proxy_admin_port: Int32 = 15000
    status_port: Int32 = 15020
    stat_name_length: Int32 = 189
    concurrency: Int32 | None = None
    interception_mode: InboundInterceptionMode = InboundInterceptionMode.REDIRECT
    control_plane_auth_policy: str | None = None
    proxy_metadata: Mapping[str, str] = {}
    runtime_values: Mapping[str, str] = {}
    extra_stat_tags: tuple[str, ...] = ()
    gateway_topology: GatewayTopology | None = None
    mesh_id: str | None = None
    proxy_stats_matcher: ProxyStatsMatcher | None = None
    hold_application_until_proxy_starts: bool | None = None
    tracing: JsonObject | None = None
    envoy_access_log_service: JsonObject | None = None
    envoy_metrics_service: JsonObject | None = None
    readiness_probe: JsonObject | None = None
    ca_certificates_pem: tuple[str, ...] = ()
    image: JsonObject | None = None
    private_key_provider: JsonObject | None = None
    proxy_headers: JsonObject | None = None
    file_flush_interval: Duration | None = None
    file_flush_min_size_kb: int | None = None
    stats_compression: bool | None = None
    connection_settings: JsonObject | None = None
