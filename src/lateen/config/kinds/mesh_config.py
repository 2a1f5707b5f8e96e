"""MeshConfig: settings of the whole mesh, kept as YAML in the ConfigMap `istio` of `istio-system` under the key `mesh`.

Defaults are Istio's. A field held as `JsonObject` is accepted and not read by any feature.
"""

from enum import StrEnum
from typing import ClassVar

from msgspec import field

from lateen.config.kinds.destination_rule import LocalityLoadBalancerSetting
from lateen.config.kinds.proxy_config import ProxyConfig
from lateen.config.kinds.virtual_service import HTTPRetry
from lateen.config.objects import ConfigObject, ObjectRef
from lateen.config.values import Duration, Int32, IstioMessage, JsonObject, TcpKeepalive


class AccessLogEncoding(StrEnum):
    TEXT = "TEXT"
    JSON = "JSON"


class OutboundTrafficMode(StrEnum):
    """What happens to traffic for hosts the mesh does not know."""

    REGISTRY_ONLY = "REGISTRY_ONLY"
    ALLOW_ANY = "ALLOW_ANY"
    ALLOW_ANY_DYNAMIC_DNS = "ALLOW_ANY_DYNAMIC_DNS"


class InboundTrafficMode(StrEnum):
    """What happens to traffic for ports that no Service declares."""

    PASSTHROUGH = "PASSTHROUGH"
    LOCALHOST = "LOCALHOST"


class IngressControllerMode(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    OFF = "OFF"
    DEFAULT = "DEFAULT"
    STRICT = "STRICT"


class MeshH2UpgradePolicy(StrEnum):
    DO_NOT_UPGRADE = "DO_NOT_UPGRADE"
    UPGRADE = "UPGRADE"


class NormalizationType(StrEnum):
    """`DEFAULT` is `BASE`."""

    DEFAULT = "DEFAULT"
    NONE = "NONE"
    BASE = "BASE"
    MERGE_SLASHES = "MERGE_SLASHES"
    DECODE_AND_MERGE_SLASHES = "DECODE_AND_MERGE_SLASHES"


class OutboundTrafficPolicy(IstioMessage, frozen=True):
    mode: OutboundTrafficMode = OutboundTrafficMode.ALLOW_ANY


class InboundTrafficPolicy(IstioMessage, frozen=True):
    mode: InboundTrafficMode = InboundTrafficMode.PASSTHROUGH


class PathNormalization(IstioMessage, frozen=True):
    normalization: NormalizationType = NormalizationType.DEFAULT


class MeshConfigSpec(IstioMessage, frozen=True):
    proxy_listen_port: Int32 = 15001
    proxy_inbound_listen_port: Int32 = 15006
    proxy_http_port: Int32 = 0
    connect_timeout: Duration = Duration(seconds=10)
    protocol_detection_timeout: Duration = Duration()
    tcp_keepalive: TcpKeepalive | None = None
    h2_upgrade_policy: MeshH2UpgradePolicy = MeshH2UpgradePolicy.DO_NOT_UPGRADE
    dns_refresh_rate: Duration = Duration(seconds=60)
    ingress_class: str = "istio"
    ingress_service: str = "istio-ingressgateway"
    ingress_selector: str = "ingressgateway"
    ingress_controller_mode: IngressControllerMode = IngressControllerMode.STRICT
    enable_tracing: bool = True
    access_log_file: str = ""
    access_log_format: str = ""
    access_log_encoding: AccessLogEncoding = AccessLogEncoding.TEXT
    enable_envoy_access_log_service: bool = False
    disable_envoy_listener_log: bool = False
    default_config: ProxyConfig = ProxyConfig()
    outbound_traffic_policy: OutboundTrafficPolicy = OutboundTrafficPolicy()
    inbound_traffic_policy: InboundTrafficPolicy = InboundTrafficPolicy()
    enable_auto_mtls: bool = True
    trust_domain: str = "cluster.local"
    trust_domain_aliases: tuple[str, ...] = ()
    default_service_export_to: tuple[str, ...] = ("*",)
    default_virtual_service_export_to: tuple[str, ...] = ("*",)
    default_destination_rule_export_to: tuple[str, ...] = ("*",)
    root_namespace: str = "istio-system"
    locality_lb_setting: LocalityLoadBalancerSetting = LocalityLoadBalancerSetting(enabled=True)
    path_normalization: PathNormalization = PathNormalization()
    default_http_retry_policy: HTTPRetry | None = None
    default_inbound_http_retry_policy: HTTPRetry | None = None
    enable_prometheus_merge: bool = True
    inbound_cluster_stat_name: str = ""
    outbound_cluster_stat_name: str = ""
    verify_certificate_at_client: bool | None = None
    mesh_mtls: JsonObject | None = field(default=None, name="meshMTLS")
    tls_defaults: JsonObject | None = None
    ca_certificates: tuple[JsonObject, ...] = ()
    discovery_selectors: tuple[JsonObject, ...] = ()
    zone_aware_lb_setting: JsonObject | None = None
    service_entry_visibility: JsonObject | None = None
    config_sources: tuple[JsonObject, ...] = ()
    service_settings: tuple[JsonObject, ...] = ()
    service_scope_configs: tuple[JsonObject, ...] = ()
    extension_providers: tuple[JsonObject, ...] = ()
    default_providers: JsonObject | None = None
    default_traffic_policy: JsonObject | None = None
    ca: JsonObject | None = None
    certificates: tuple[JsonObject, ...] = ()


class MeshConfig(ConfigObject, frozen=True, kw_only=True):
    """Derived from the ConfigMap; nobody applies one directly."""

    GROUP: ClassVar[str] = "mesh.istio.io"
    KIND: ClassVar[str] = "MeshConfig"

    spec: MeshConfigSpec = MeshConfigSpec()


MESH_CONFIG_REF: ObjectRef = MeshConfig.ref_to("istio-system", "istio")
"""The one MeshConfig of a mesh."""
