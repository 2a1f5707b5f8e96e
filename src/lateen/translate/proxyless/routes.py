"""Route configurations of service ports: the rules in force, as far as gRPC can follow them.

Source: gRFC A28 (conditions and weights), A31 (time limits), A42 (hashes), A44 (retries).
"""

from collections.abc import Iterable
from itertools import product
from math import prod
from typing import Final

import msgspec
from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, RetryPolicy, Route, RouteAction, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from lateen.incremental.engine import query
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.services import ServiceKey, service
from lateen.translate import names
from lateen.translate.messages import as_resource
from lateen.translate.routes.sidecar import look
from lateen.translate.routes.virtual_host import Look, service_routes
from lateen.xds.resource import Offer, Resource

_MOST_CASES: Final = 64
_PATHS: Final = frozenset({"prefix", "path", "safe_regex"})
_RETRIED: Final = frozenset({"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"})


@query
def api_routes_of(mesh: Mesh, key: ServiceKey, audience: Audience | None) -> Offer:
    """The route configurations of a service's ports; without an audience, as most clients see them."""
    found = service(mesh, key)
    seen = msgspec.structs.replace(look(mesh, key, audience), local=False)  # which names it has is up to its listeners
    ports = found.proxied_ports if found is not None else ()
    return Offer(_route_configuration(mesh, key, port.number, seen) for port in ports)


@query
def _route_configuration(mesh: Mesh, key: ServiceKey, port: int, look: Look) -> Resource:
    """Its one virtual host answers to every name: a listener leads to it by none but those of the service."""
    name = names.outbound_cluster(port, "", key.hostname)
    host = VirtualHost(name=names.virtual_host(key.hostname, port), domains=["*"])
    for route in service_routes(mesh, key.hostname, port, look):
        host.routes.extend(as_read(route))
    return as_resource(name, RouteConfiguration(name=name, virtual_hosts=[host]))


def as_read(route: Route) -> list[Route]:
    """The route with what gRPC reads of it, once for each case that must be told apart.

    Empty where it has a condition that gRPC cannot check, or too many cases: what cannot be checked does not hold.
    """
    match = route.match
    if match.query_parameters or match.dynamic_metadata or match.WhichOneof("path_specifier") not in _PATHS:
        return []
    cases = [_cases(header) for header in match.headers]
    if prod(map(len, cases)) > _MOST_CASES:
        return []
    pattern = Route(name=route.name, match=match)
    del pattern.match.headers[:]
    if not _forward(pattern.route, route.route):  # a redirect, an answer: the call fails, and no other route is tried
        pattern.non_forwarding_action.SetInParent()
    return [_with_headers(pattern, headers) for headers in product(*cases)]


def _with_headers(pattern: Route, headers: Iterable[HeaderMatcher]) -> Route:
    out = Route()
    out.CopyFrom(pattern)
    out.match.headers.extend(headers)
    return out


def _cases(header: HeaderMatcher) -> tuple[HeaderMatcher, ...]:
    """A header that is not there has no other value for gRPC, so that it is not there is a case by itself."""
    if not header.treat_missing_header_as_empty:
        return (header,)
    other = HeaderMatcher(name=header.name, string_match=header.string_match, invert_match=header.invert_match)
    return (HeaderMatcher(name=header.name, present_match=True, invert_match=True), other)


def _forward(out: RouteAction, action: RouteAction) -> bool:
    """Write where calls go, for how long and how often; whether they go anywhere."""
    for each in action.weighted_clusters.clusters:
        out.weighted_clusters.clusters.add(name=each.name, weight=each.weight)
    if action.cluster:
        out.cluster = action.cluster
    if action.timeout.ToNanoseconds():
        out.max_stream_duration.max_stream_duration.CopyFrom(action.timeout)
    out.hash_policy.extend(hashed for hashed in action.hash_policy if hashed.HasField("header"))
    retries = _retries(action.retry_policy) if action.HasField("retry_policy") else None
    if retries is not None:
        out.retry_policy.CopyFrom(retries)
    return out.WhichOneof("cluster_specifier") is not None


def _retries(policy: RetryPolicy) -> RetryPolicy | None:
    """None where no condition is one of gRPC's: a status of HTTP says nothing about a call."""
    conditions = [each for each in policy.retry_on.split(",") if each in _RETRIED]
    if not conditions:
        return None
    out = RetryPolicy(retry_on=",".join(conditions), num_retries=policy.num_retries)
    if policy.HasField("retry_back_off"):
        out.retry_back_off.CopyFrom(policy.retry_back_off)
    return out
