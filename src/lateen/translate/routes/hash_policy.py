"""What of a request a consistent hash is taken from. Source: Istio, ConsistentHashLB."""

from envoy.config.route.v3.route_components_pb2 import RouteAction

from lateen.config.kinds.destination_rule import ConsistentHashLB, HTTPCookie


def hash_policy(hashed: ConsistentHashLB | None) -> RouteAction.HashPolicy | None:
    """None where endpoints are not picked by a hash."""
    if hashed is None:
        return None
    if hashed.http_header_name:
        return RouteAction.HashPolicy(header=RouteAction.HashPolicy.Header(header_name=hashed.http_header_name))
    if hashed.http_cookie is not None:
        return RouteAction.HashPolicy(cookie=_cookie(hashed.http_cookie))
    if hashed.use_source_ip:
        return RouteAction.HashPolicy(connection_properties=RouteAction.HashPolicy.ConnectionProperties(source_ip=True))
    if hashed.http_query_parameter_name:
        return RouteAction.HashPolicy(
            query_parameter=RouteAction.HashPolicy.QueryParameter(name=hashed.http_query_parameter_name)
        )
    return None


def _cookie(cookie: HTTPCookie) -> RouteAction.HashPolicy.Cookie:
    """With a time to live (zero is a session), Envoy sets the cookie where a request has none."""
    out = RouteAction.HashPolicy.Cookie(name=cookie.name, path=cookie.path or "")
    if cookie.ttl is not None:
        out.ttl.FromTimedelta(cookie.ttl)
    for attribute in cookie.attributes:
        out.attributes.add(name=attribute.name, value=attribute.value)
    return out
