"""HTTP connection managers: one shape, with what differs between a client's side, a server's side and a gateway."""

from enum import StrEnum
from typing import assert_never

from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    Rds,
    RequestIDExtension,
)
from envoy.extensions.request_id.uuid.v3.uuid_pb2 import UuidRequestIdConfig
from google.protobuf.wrappers_pb2 import BoolValue

from lateen.config.kinds.mesh_config import NormalizationType
from lateen.config.kinds.proxy_config import ForwardClientCertDetails
from lateen.model import mesh_config
from lateen.model.mesh import Mesh
from lateen.translate.access_logs import request_logs
from lateen.translate.http_filters.order import HTTP_FILTERS
from lateen.translate.messages import duration, packed

HTTP_CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager"
_SERVER_NAME = "istio-envoy"

_REQUEST_ID = RequestIDExtension(
    typed_config=packed(UuidRequestIdConfig(use_request_id_for_trace_sampling=BoolValue(value=True)))
)

ADS = ConfigSource(
    ads=AggregatedConfigSource(),
    initial_fetch_timeout=duration(mesh_config.NEVER),
    resource_api_version=ApiVersion.V3,
)
"""Ask for the resource on the same stream, and wait for it as long as it takes."""


class Side(StrEnum):
    """Whose requests a connection manager takes: the workload's own, those for it, or those from outside."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    GATEWAY = "gateway"


def connection_manager(mesh: Mesh, side: Side, stat_prefix: str, routes: str | RouteConfiguration) -> Filter:
    """A connection manager whose routes are inline, or come by RDS under the name given."""
    manager = HttpConnectionManager(
        stat_prefix=stat_prefix,
        http_filters=HTTP_FILTERS,
        access_log=request_logs(mesh),
        stream_idle_timeout=duration(mesh_config.NEVER),
        normalize_path=BoolValue(value=True),
        proxy_100_continue=True,
        upgrade_configs=[HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        request_id_extension=_REQUEST_ID,
    )
    if isinstance(routes, str):
        manager.rds.CopyFrom(Rds(route_config_name=routes, config_source=ADS))
    else:
        manager.route_config.CopyFrom(routes)
    _apply_side(mesh, manager, side)
    _apply_normalization(mesh, manager)
    return Filter(name=HTTP_CONNECTION_MANAGER, typed_config=packed(manager))


def _apply_side(mesh: Mesh, manager: HttpConnectionManager, side: Side) -> None:
    match side:
        case Side.OUTBOUND:
            manager.use_remote_address.value = False
        case Side.INBOUND:
            manager.use_remote_address.value = False
            manager.server_name = _SERVER_NAME
            manager.forward_client_cert_details = HttpConnectionManager.APPEND_FORWARD
            _forward_identity(manager)
        case Side.GATEWAY:
            topology = mesh_config.gateway_topology(mesh)
            manager.use_remote_address.value = True
            manager.server_name = _SERVER_NAME
            manager.xff_num_trusted_hops = topology.num_trusted_proxies
            details = topology.forward_client_cert_details
            if details is ForwardClientCertDetails.UNDEFINED:
                details = ForwardClientCertDetails.SANITIZE_SET
            manager.forward_client_cert_details = HttpConnectionManager.ForwardClientCertDetails.Value(details.value)
            if details in (ForwardClientCertDetails.APPEND_FORWARD, ForwardClientCertDetails.SANITIZE_SET):
                _forward_identity(manager)
                manager.set_current_client_cert_details.cert = True
        case _:
            assert_never(side)


def _forward_identity(manager: HttpConnectionManager) -> None:
    details = manager.set_current_client_cert_details
    details.subject.value = True
    details.dns = True
    details.uri = True


def _apply_normalization(mesh: Mesh, manager: HttpConnectionManager) -> None:
    keep = HttpConnectionManager.KEEP_UNCHANGED
    manager.path_with_escaped_slashes_action = keep
    match mesh_config.path_normalization(mesh):
        case NormalizationType.NONE:
            manager.normalize_path.value = False
        case NormalizationType.DEFAULT | NormalizationType.BASE:
            pass
        case NormalizationType.MERGE_SLASHES:
            manager.merge_slashes = True
        case NormalizationType.DECODE_AND_MERGE_SLASHES:
            manager.merge_slashes = True
            manager.path_with_escaped_slashes_action = HttpConnectionManager.UNESCAPE_AND_FORWARD
