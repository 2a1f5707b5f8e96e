"""RouteConfiguration as a rope of finished pieces.

Serialised protobuf messages may be concatenated. So a virtual host is kept as a RouteConfiguration that holds nothing
else, and a whole one is a head with the settings followed by such chunks, shared between all that contain them.
"""

from collections.abc import Iterable
from typing import Final

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from lateen.config.kinds.mesh_config import OutboundTrafficMode
from lateen.translate import names
from lateen.translate.routes.action import set_timeout
from lateen.xds.resource import Resource, digest

_MAX_DIRECT_RESPONSE_BYTES: Final = 1 << 20
_BLOCKED: Final = 502


def route_configuration(name: str, chunks: Iterable[Resource]) -> Resource:
    """The RouteConfiguration of that name with the virtual hosts of the chunks, in order."""
    parts = list(chunks)
    head = _head(name)
    version = digest(head, *(part.version for part in parts))
    return Resource(name, (head, *(piece for part in parts for piece in part.pieces)), version)


def empty_route_configuration(name: str) -> Resource:
    """A RouteConfiguration that knows no host, for a listener that must not wait for ever."""
    return route_configuration(name, ())


def joined(name: str, chunks: Iterable[Resource]) -> Resource:
    """Several chunks as one, sharing their bytes; its version is the digest of theirs."""
    parts = list(chunks)
    version = digest(*(part.version for part in parts))
    return Resource(name, tuple(piece for part in parts for piece in part.pieces), version)


def chunk(virtual_host: VirtualHost) -> Resource:
    """A virtual host as a piece of any RouteConfiguration."""
    body = RouteConfiguration(virtual_hosts=[virtual_host]).SerializeToString(deterministic=True)
    return Resource(virtual_host.name, (body,))


def _head(name: str) -> bytes:
    out = RouteConfiguration(name=name, ignore_port_in_host_matching=True)
    out.validate_clusters.value = False
    out.max_direct_response_body_size_bytes.value = _MAX_DIRECT_RESPONSE_BYTES
    return out.SerializeToString(deterministic=True)


def _allow_any() -> Resource:
    out = VirtualHost(name="allow_any", domains=["*"], include_request_attempt_count=True)
    route = out.routes.add(name="allow_any")
    route.match.prefix = "/"
    route.route.cluster = names.PASSTHROUGH_CLUSTER
    set_timeout(route.route)
    return chunk(out)


def _block_all() -> Resource:
    out = VirtualHost(name="block_all", domains=["*"], include_request_attempt_count=True)
    route = out.routes.add(name="block_all")
    route.match.prefix = "/"
    route.direct_response.status = _BLOCKED
    return chunk(out)


CATCH_ALL: Final = {
    OutboundTrafficMode.ALLOW_ANY: _allow_any(),
    OutboundTrafficMode.ALLOW_ANY_DYNAMIC_DNS: _allow_any(),
    OutboundTrafficMode.REGISTRY_ONLY: _block_all(),
}
"""The last virtual host of a sidecar: what becomes of requests for hosts that the mesh does not know."""
