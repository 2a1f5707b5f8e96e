"""A sidecar's server side: the one listener that everything for the workload is redirected to.

Its filter chains tell the declared ports apart; what is for no declared port is passed on as TCP, not guessed at.
"""

from collections.abc import Iterator

from envoy.config.core.v3.base_pb2 import TrafficDirection
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import (
    Decorator,
    RetryPolicy,
    Route,
    RouteAction,
    RouteMatch,
    VirtualHost,
)
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from lateen.common.ports import Protocol, ProtocolClass, class_of
from lateen.incremental.engine import query
from lateen.model import mesh_config
from lateen.model.mesh import Mesh
from lateen.model.proxy import Interception
from lateen.model.views import CaptureView, InboundPort, InboundView
from lateen.translate import names
from lateen.translate.access_logs import listener_logs
from lateen.translate.listeners.connection_manager import Side, connection_manager
from lateen.translate.listeners.filter_chains import (
    ORIGINAL_DESTINATION,
    ORIGINAL_SOURCE,
    filter_chain,
    listen_at,
    tcp_proxy,
)
from lateen.translate.messages import as_resource, duration
from lateen.translate.routes.retries import retry_policy
from lateen.xds.resource import Resource


@query
def virtual_inbound(mesh: Mesh, view: InboundView, capture: CaptureView) -> Resource:
    """The listener that captured inbound connections reach.

    In TPROXY mode it stands for every address, and what goes on to the application comes from the client's.
    """
    port = mesh_config.inbound_port(mesh)
    transparent = capture.interception is Interception.TPROXY
    listener = Listener(
        name=names.VIRTUAL_INBOUND,
        traffic_direction=TrafficDirection.INBOUND,
        filter_chains=_chains(mesh, view, port),
        listener_filters=[ORIGINAL_DESTINATION, *([ORIGINAL_SOURCE] if transparent else [])],
        listener_filters_timeout=duration(mesh_config.protocol_detection_timeout(mesh)),
        continue_on_listener_filters_timeout=True,
        access_log=listener_logs(mesh),
    )
    if transparent:
        listener.transparent.value = True
    listen_at(listener, capture.families.any_addresses, port)
    return as_resource(listener.name, listener)


def _chains(mesh: Mesh, view: InboundView, own_port: int) -> Iterator[FilterChain]:
    # A connection to the listener's own port would be passed on to itself for ever.
    black_hole = tcp_proxy(mesh, names.BLACK_HOLE_CLUSTER)
    yield filter_chain([black_hole], name=names.VIRTUAL_INBOUND_BLACK_HOLE, port=own_port)
    yield filter_chain([tcp_proxy(mesh, names.INBOUND_PASSTHROUGH_CLUSTER)], name=names.VIRTUAL_INBOUND)
    for port in view.ports:
        name = names.listener(names.WILDCARD_ADDRESS, port.target_port)
        yield filter_chain([_filter(mesh, port)], name=name, port=port.target_port)


def _filter(mesh: Mesh, port: InboundPort) -> Filter:
    cluster = names.inbound_cluster(port.target_port)
    if class_of(port.protocol) is not ProtocolClass.HTTP:
        return tcp_proxy(mesh, cluster)
    prefix = f"inbound_{names.listener(names.WILDCARD_ADDRESS, port.target_port)};"
    return connection_manager(mesh, Side.INBOUND, prefix, inbound_routes(mesh, port))


def inbound_routes(mesh: Mesh, port: InboundPort) -> RouteConfiguration:
    """Every request to a declared port goes to the workload, once; what fails before it is sent is tried again."""
    cluster = names.inbound_cluster(port.target_port)
    action = RouteAction(
        cluster=cluster,
        timeout=duration(mesh_config.NEVER),
        max_stream_duration=RouteAction.MaxStreamDuration(
            max_stream_duration=duration(mesh_config.NEVER), grpc_timeout_header_max=duration(mesh_config.NEVER)
        ),
    )
    if port.protocol not in (Protocol.GRPC, Protocol.GRPC_WEB):
        retries = _retries(mesh)
        if retries is not None:
            action.retry_policy.CopyFrom(retries)
    operation = f"{port.service.hostname}:{port.port}/*"
    route = Route(name="default", match=RouteMatch(prefix="/"), route=action, decorator=Decorator(operation=operation))
    host = VirtualHost(name=names.inbound_virtual_host(port.port), domains=["*"], routes=[route])
    return RouteConfiguration(name=cluster, virtual_hosts=[host], validate_clusters=BoolValue(value=False))


_UNTOUCHED_ONLY = RetryPolicy(retry_on="reset-before-request", num_retries=UInt32Value(value=2))


def _retries(mesh: Mesh) -> RetryPolicy | None:
    configured = mesh_config.default_inbound_http_retry_policy(mesh)
    return _UNTOUCHED_ONLY if configured is None else retry_policy(configured)
