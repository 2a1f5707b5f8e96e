"""What a rule does with a request: forward it, redirect it, answer it. Source: Istio, HTTPRoute.

Each function writes one action into a Route; none reads the mesh.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from envoy.config.core.v3.base_pb2 import DataSource
from envoy.config.route.v3.route_components_pb2 import RedirectAction, RetryPolicy, Route, RouteAction, WeightedCluster
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher

from lateen.config.kinds.virtual_service import (
    Headers,
    HTTPBody,
    HTTPDirectResponse,
    HTTPRedirect,
    HTTPRewrite,
    HTTPRoute,
    RedirectPortSelection,
)
from lateen.translate.routes.headers import apply_headers, authority

_REDIRECT_CODES: Final = {
    301: RedirectAction.RedirectResponseCode.MOVED_PERMANENTLY,
    302: RedirectAction.RedirectResponseCode.FOUND,
    303: RedirectAction.RedirectResponseCode.SEE_OTHER,
    307: RedirectAction.RedirectResponseCode.TEMPORARY_REDIRECT,
    308: RedirectAction.RedirectResponseCode.PERMANENT_REDIRECT,
}

_DEFAULT_REDIRECT_CODE: Final = 301
_PORT_OF_SCHEME: Final = {"http": 80, "https": 443}
_NO_TIMEOUT: Final = timedelta()


class Target(NamedTuple):
    """Where a part of the requests goes."""

    cluster: str
    weight: int = 0
    headers: Headers | None = None
    hash_policy: RouteAction.HashPolicy | None = None


def forward(out: Route, rule: HTTPRoute, targets: Sequence[Target], retry_policy: RetryPolicy | None) -> None:
    """Send requests to the one target, or to several by weight (those of weight 0 get none). At least one target."""
    action = out.route
    used = targets if len(targets) == 1 else [target for target in targets if target.weight > 0]
    set_timeout(action, rule.timeout or _NO_TIMEOUT)
    if retry_policy is not None:
        action.retry_policy.CopyFrom(retry_policy)
    host = authority(rule.headers)
    if rule.rewrite is not None:
        _rewrite(action, rule.rewrite)
        host = rule.rewrite.authority or host
    if len(targets) == 1:
        action.cluster = targets[0].cluster
        apply_headers(out, targets[0].headers)
        host = host or authority(targets[0].headers)
    else:
        action.weighted_clusters.clusters.extend(_weighted(target) for target in used)
    if host:
        action.host_rewrite_literal = host
    action.hash_policy.extend(target.hash_policy for target in used if target.hash_policy is not None)


def set_timeout(action: RouteAction, timeout: timedelta = _NO_TIMEOUT) -> None:
    """Limit the whole request; zero is no limit. A gRPC client's own deadline counts up to the same limit."""
    if not timeout:  # the usual case: both present and zero
        action.timeout.SetInParent()
        action.max_grpc_timeout.SetInParent()
        return
    action.timeout.FromTimedelta(timeout)
    action.max_grpc_timeout.FromTimedelta(timeout)


def _weighted(target: Target) -> WeightedCluster.ClusterWeight:
    out = WeightedCluster.ClusterWeight(name=target.cluster)
    out.weight.value = target.weight
    apply_headers(out, target.headers)
    host = authority(target.headers)
    if host:
        out.host_rewrite_literal = host
    return out


def _rewrite(action: RouteAction, rewrite: HTTPRewrite) -> None:
    if rewrite.uri_regex_rewrite is not None:
        action.regex_rewrite.pattern.CopyFrom(RegexMatcher(regex=rewrite.uri_regex_rewrite.match))
        action.regex_rewrite.substitution = rewrite.uri_regex_rewrite.rewrite
    elif rewrite.uri:
        action.prefix_rewrite = rewrite.uri


def redirect(out: Route, rule: HTTPRedirect, port: int) -> None:
    """Answer with another address. `port` is that of the listener."""
    action = out.redirect
    action.response_code = _REDIRECT_CODES[rule.redirect_code or _DEFAULT_REDIRECT_CODE]
    if rule.uri:
        action.path_redirect = rule.uri
    elif rule.prefix_rewrite:
        action.prefix_rewrite = rule.prefix_rewrite
    if rule.authority:
        action.host_redirect = rule.authority
    if rule.scheme:
        action.scheme_redirect = rule.scheme
    if rule.port:
        action.port_redirect = rule.port
    elif rule.derive_port is RedirectPortSelection.FROM_REQUEST_PORT and port != _PORT_OF_SCHEME.get(rule.scheme or ""):
        action.port_redirect = port


def direct_response(out: Route, rule: HTTPDirectResponse) -> None:
    """Answer at once."""
    out.direct_response.status = rule.status
    if rule.body is not None:
        out.direct_response.body.CopyFrom(_body(rule.body))


def _body(body: HTTPBody) -> DataSource:
    return DataSource(inline_bytes=body.data) if body.data is not None else DataSource(inline_string=body.string or "")
