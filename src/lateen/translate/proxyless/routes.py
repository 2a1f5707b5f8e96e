"""Route configurations of service ports: the rules in force, as far as gRPC can follow them.

Source: gRFC A28 (conditions and weights), A31 (time limits), A42 (hashes), A44 (retries).
"""

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
    return (
        Offer(_route_configuration(mesh, key, port.number, seen) for port in found.proxied_ports) if found else Offer()
    )


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

    Never where it has a condition that gRPC cannot check, or too many cases: what cannot be checked does not hold.
    """
    match = route.match
    if match.query_parameters or match.dynamic_metadata or match.WhichOneof("path_specifier") not in _PATHS:
        return []
    pattern = Route(name=route.name)
    clusters = _forward(pattern, route.route) if route.HasField("route") else 0
    if not clusters:  # a redirect, an answer: such a call fails, and does not go on to the next route
        pattern.non_forwarding_action.SetInParent()
    found: list[Route] = []
    cases = [_cases(header) for header in match.headers]
    if prod(map(len, cases)) > _MOST_CASES:
        return found
    for headers in product(*cases):
        out = Route(match=match)
        out.MergeFrom(pattern)
        del out.match.headers[:]
        out.match.headers.extend(headers)
        found.append(out)
    return found


def _cases(header: HeaderMatcher) -> tuple[HeaderMatcher, ...]:
    """A header that is not there has no other value for gRPC, so that it is not there is a case by itself."""
    if not header.treat_missing_header_as_empty:
        return (header,)
    other = HeaderMatcher(name=header.name, string_match=header.string_match, invert_match=header.invert_match)
    return (HeaderMatcher(name=header.name, present_match=True, invert_match=True), other)


def _forward(out: Route, action: RouteAction) -> int:
    """Write where calls go, and return to how many clusters; to none leaves the route as it is."""
    weighted = [(each.name, each.weight) for each in action.weighted_clusters.clusters]
    if action.HasField("cluster"):
        out.route.cluster = action.cluster
    elif weighted:
        for name, weight in weighted:
            out.route.weighted_clusters.clusters.add(name=name, weight=weight)
    else:
        return 0
    if action.timeout.ToNanoseconds():
        out.route.max_stream_duration.max_stream_duration.CopyFrom(action.timeout)
    out.route.hash_policy.extend(hashed for hashed in action.hash_policy if hashed.HasField("header"))
    retries = _retries(action.retry_policy) if action.HasField("retry_policy") else None
    if retries is not None:
        out.route.retry_policy.CopyFrom(retries)
    return max(1, len(weighted))


def _retries(policy: RetryPolicy) -> RetryPolicy | None:
    """None where no condition is one of gRPC's: a status of HTTP says nothing about a call."""
    conditions = [each for each in policy.retry_on.split(",") if each in _RETRIED]
    if not conditions:
        return None
    out = RetryPolicy(retry_on=",".join(conditions), num_retries=policy.num_retries)
    if policy.HasField("retry_back_off"):
        out.retry_back_off.CopyFrom(policy.retry_back_off)
    return out
