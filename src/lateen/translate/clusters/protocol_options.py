"""How a cluster speaks HTTP to its endpoints."""

from datetime import timedelta
from typing import Final

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions
from envoy.config.core.v3.protocol_pb2 import HttpProtocolOptions as Common
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

from lateen.translate.messages import duration, packed

KEY: Final = HttpProtocolOptions.DESCRIPTOR.full_name
_IDLE_TIMEOUT: Final = timedelta(minutes=5)

_AS_THE_CLIENT: Final = packed(
    HttpProtocolOptions(
        common_http_protocol_options=Common(idle_timeout=duration(_IDLE_TIMEOUT)),
        use_downstream_protocol_config=HttpProtocolOptions.UseDownstreamHttpConfig(
            http_protocol_options=Http1ProtocolOptions(), http2_protocol_options=Http2ProtocolOptions()
        ),
    )
)


def follow_downstream(cluster: Cluster) -> None:
    """Speak to the endpoint what the client spoke to us; for clusters of destinations that nobody declared."""
    cluster.typed_extension_protocol_options[KEY].CopyFrom(_AS_THE_CLIENT)
