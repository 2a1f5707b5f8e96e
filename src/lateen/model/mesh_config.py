"""Settings of the whole mesh, one projection each: who reads one field does not depend on the others."""

import msgspec

from lateen.common.hosts import CLUSTER_DOMAIN
from lateen.config.kinds.mesh_config import (
    MESH_CONFIG_REF,
    AccessLogEncoding,
    InboundTrafficMode,
    MeshConfig,
    MeshConfigSpec,
    MeshH2UpgradePolicy,
    NormalizationType,
    OutboundTrafficMode,
)
from lateen.config.kinds.proxy_config import GatewayTopology
from lateen.config.kinds.virtual_service import HTTPRetry
from lateen.config.values import Duration, TcpKeepalive
from lateen.incremental.engine import query
from lateen.model.mesh import Mesh

_DEFAULTS = MeshConfig()

NEVER = Duration()
"""As a timeout: there is none."""


class AccessLog(msgspec.Struct, frozen=True, cache_hash=True):
    """A file that requests are logged to; an empty format is Istio's default one."""

    path: str
    format: str = ""
    encoding: AccessLogEncoding = AccessLogEncoding.TEXT


def _spec(mesh: Mesh) -> MeshConfigSpec:
    return (mesh.get(MeshConfig, MESH_CONFIG_REF) or _DEFAULTS).spec


def cluster_domain(_mesh: Mesh) -> str:
    """The domain that names of Kubernetes Services end in."""
    return CLUSTER_DOMAIN


@query
def access_log(mesh: Mesh) -> AccessLog | None:
    """Where proxies log requests; None turns it off."""
    spec = _spec(mesh)
    if not spec.access_log_file:
        return None
    return AccessLog(spec.access_log_file, spec.access_log_format, spec.access_log_encoding)


@query
def connect_timeout(mesh: Mesh) -> Duration:
    return _spec(mesh).connect_timeout


@query
def tcp_keepalive(mesh: Mesh) -> TcpKeepalive | None:
    return _spec(mesh).tcp_keepalive


@query
def h2_upgrade(mesh: Mesh) -> bool:
    """Whether HTTP/1.1 ports are spoken to in HTTP/2 where no DestinationRule says otherwise."""
    return _spec(mesh).h2_upgrade_policy is MeshH2UpgradePolicy.UPGRADE


@query
def outbound_traffic_mode(mesh: Mesh) -> OutboundTrafficMode:
    return _spec(mesh).outbound_traffic_policy.mode


@query
def inbound_traffic_mode(mesh: Mesh) -> InboundTrafficMode:
    return _spec(mesh).inbound_traffic_policy.mode


@query
def protocol_detection_timeout(mesh: Mesh) -> Duration:
    """How long a listener filter waits for the client's first bytes; zero is for ever."""
    return _spec(mesh).protocol_detection_timeout


@query
def default_http_retry_policy(mesh: Mesh) -> HTTPRetry | None:
    return _spec(mesh).default_http_retry_policy


@query
def default_inbound_http_retry_policy(mesh: Mesh) -> HTTPRetry | None:
    return _spec(mesh).default_inbound_http_retry_policy


@query
def locality_balancing(mesh: Mesh) -> bool:
    """Whether endpoints near the client are preferred where outlier detection can notice that they fail."""
    return _spec(mesh).locality_lb_setting.enabled is not False


@query
def default_destination_rule_export_to(mesh: Mesh) -> tuple[str, ...]:
    return _spec(mesh).default_destination_rule_export_to


@query
def default_virtual_service_export_to(mesh: Mesh) -> tuple[str, ...]:
    return _spec(mesh).default_virtual_service_export_to


@query
def root_namespace(mesh: Mesh) -> str:
    """The namespace whose objects are defaults of the whole mesh."""
    return _spec(mesh).root_namespace


@query
def path_normalization(mesh: Mesh) -> NormalizationType:
    return _spec(mesh).path_normalization.normalization


@query
def gateway_topology(mesh: Mesh) -> GatewayTopology:
    return _spec(mesh).default_config.gateway_topology or GatewayTopology()


@query
def outbound_port(mesh: Mesh) -> int:
    """The port that captured outbound connections are redirected to."""
    return _spec(mesh).proxy_listen_port


@query
def inbound_port(mesh: Mesh) -> int:
    """The port that captured inbound connections are redirected to."""
    return _spec(mesh).proxy_inbound_listen_port
