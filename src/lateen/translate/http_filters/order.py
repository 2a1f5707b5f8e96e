"""The HTTP filters of a connection manager, in their order."""

from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.grpc_stats.v3.config_pb2 import FilterConfig as GrpcStats
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from google.protobuf.wrappers_pb2 import BoolValue

from lateen.translate.messages import packed

HTTP_FILTERS = (
    # Counts calls by their gRPC status, which only trailers carry; before any filter that may answer by itself.
    HttpFilter(
        name="envoy.filters.http.grpc_stats",
        typed_config=packed(GrpcStats(emit_filter_state=True, stats_for_all_methods=BoolValue(value=False))),
    ),
    # Faults hit a request before it is sent anywhere; a route without any costs nothing.
    HttpFilter(name="envoy.filters.http.fault", typed_config=packed(HTTPFault())),
    # Preflights are answered here, after faults, so that a delayed route delays them too.
    HttpFilter(name="envoy.filters.http.cors", typed_config=packed(Cors())),
    HttpFilter(name="envoy.filters.http.router", typed_config=packed(Router())),
)
