"""One rule under a VirtualService's `http`: the rules its types cannot say."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from http import HTTPStatus

from lateen.config.kinds.virtual_service import (
    CorsPolicy,
    Destination,
    Headers,
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
)
from lateen.config.problems import Path, Problem
from lateen.config.validation import names
from lateen.config.validation.regex import not_a_regex
from lateen.config.validation.substitution import not_a_format
from lateen.config.values import Percent, StringMatch

MILLISECOND = timedelta(milliseconds=1)
_HTTP_CONDITIONS = """5xx gateway-error reset reset-before-request connect-failure envoy-ratelimited retriable-4xx
    refused-stream retriable-status-codes retriable-headers http3-post-connect-failure"""
_GRPC_CONDITIONS = "cancelled deadline-exceeded internal resource-exhausted unavailable"
RETRY_CONDITIONS = frozenset(f"{_HTTP_CONDITIONS} {_GRPC_CONDITIONS}".split())
"""What Envoy knows to retry on."""

_STATUSES = frozenset(str(int(status)) for status in HTTPStatus)
_ACTIONS = (
    ("route", "route"),
    ("redirect", "redirect"),
    ("direct_response", "directResponse"),
    ("delegate", "delegate"),
)
_NOT_WITH = {"redirect": ("fault", "rewrite"), "direct_response": ("fault", "rewrite"), "delegate": ()}
_MAX_PERCENT = 100
_MAX_WEIGHTS = 2**32 - 1
_MAX_PARAMETER_BYTES = 1024
MAX_BODY_BYTES = 1 << 20
"""What a route configuration lets a direct response have."""


def http_route(path: Path, rule: HTTPRoute) -> Iterator[Problem]:
    yield from _action(path, rule)
    for position, match in enumerate(rule.match):
        yield from _match((*path, "match", position), match)
    for position, route in enumerate(rule.route):
        at = (*path, "route", position)
        yield from destination((*at, "destination"), route.destination)
        yield from _headers((*at, "headers"), route.headers)
    yield from weights((*path, "route"), [route.weight for route in rule.route])
    yield from _headers((*path, "headers"), rule.headers)
    yield from _redirect((*path, "redirect"), rule.redirect)
    yield from _direct_response((*path, "directResponse"), rule.direct_response)
    yield from _rewrite((*path, "rewrite"), rule.rewrite)
    yield from zero_or_more((*path, "timeout"), rule.timeout)
    yield from http_retry((*path, "retries"), rule.retries)
    yield from _fault((*path, "fault"), rule.fault)
    yield from _mirrors(path, rule)
    yield from _cors((*path, "corsPolicy"), rule.cors_policy)
    if rule.delegate and not rule.delegate.name:
        yield Problem((*path, "delegate", "name"), "missing; name the VirtualService that has the rules")


def destination(path: Path, found: Destination | None) -> Iterator[Problem]:
    if found is None:
        yield Problem(path, "missing; say where requests go: `destination: {host: …}`")
        return
    if not found.host:
        yield Problem((*path, "host"), "missing; name a service, such as `reviews`")
    else:
        yield from names.check((*path, "host"), names.not_a_host_or_address(found.host, wildcard=False))
    if found.subset is not None:
        yield from names.check((*path, "subset"), not_a_subset(found.subset))
    if found.port is not None:
        yield from names.check((*path, "port", "number"), names.not_a_port(found.port.number))


def not_a_subset(name: str) -> str | None:
    """Subsets are part of cluster names, so `|` cannot be in one; otherwise as in an object's name, any case."""
    return names.not_an_object_name(name.lower().replace("_", "-")) and f"`{name}` cannot name a subset"


def weights(path: Path, given: Sequence[int]) -> Iterator[Problem]:
    """Of several destinations at least one gets something, none less than nothing."""
    for position, weight in enumerate(given):
        if weight < 0:
            yield Problem((*path, position, "weight"), f"{weight} is below zero; a weight is 0 or more")
    if len(given) > 1 and not any(given):
        yield Problem(path, "all weights are 0, so nothing would be sent; give at least one destination a `weight`")
    if sum(given) > _MAX_WEIGHTS:
        yield Problem(path, f"the weights sum up to {sum(given)}; they may have at most {_MAX_WEIGHTS} together")


def _action(path: Path, rule: HTTPRoute) -> Iterator[Problem]:
    given = [(attribute, field) for attribute, field in _ACTIONS if getattr(rule, attribute)]
    if not given:
        fields = ", ".join(f"`{field}`" for _, field in _ACTIONS)
        yield Problem(path, f"says nothing about what to do with a request; give it one of {fields}")
    for _, field in given[1:]:
        yield Problem((*path, field), f"cannot be together with `{given[0][1]}`; keep one, or split the rule in two")
    for attribute, field in given:
        for other in _NOT_WITH.get(attribute, ()):
            if getattr(rule, other):
                yield Problem((*path, other), f"cannot be together with `{field}`")


def _match(path: Path, match: HTTPMatchRequest) -> Iterator[Problem]:
    for field in ("uri", "scheme", "method", "authority"):
        if condition := getattr(match, field):
            yield from _string_match((*path, field), condition, empty_means_present=False)
    for field, conditions in (("headers", match.headers), ("withoutHeaders", match.without_headers)):
        for name, condition in conditions.items():
            at = (*path, field, name)
            if not name.startswith("@request.auth.claims"):
                yield from names.check(at, names.not_a_header(name))
            yield from _string_match(at, condition, empty_means_present=True)
    if match.uri and match.uri.regex == "*":
        yield Problem((*path, "uri", "regex"), "`*` is not a regular expression: write `.*`, or leave `uri` out")
    for name, condition in match.query_params.items():
        if not 1 <= len(name.encode()) <= _MAX_PARAMETER_BYTES:
            at = (*path, "queryParams", name)
            yield Problem(at, f"a parameter's name must have 1 to {_MAX_PARAMETER_BYTES} bytes")
        yield from _string_match((*path, "queryParams", name), condition, empty_means_present=True)
    if match.port is not None:
        yield from names.check((*path, "port"), names.not_a_port(match.port))
    yield from names.labels((*path, "sourceLabels"), match.source_labels)
    yield from names.gateway_names((*path, "gateways"), match.gateways)


def _string_match(path: Path, match: StringMatch, *, empty_means_present: bool) -> Iterator[Problem]:
    given = [field for field in ("exact", "prefix", "regex") if getattr(match, field) is not None]
    if len(given) > 1:
        yield Problem(path, f"has {' and '.join(f'`{field}`' for field in given)}; keep one of them")
    elif not given and not empty_means_present:
        yield Problem(path, "is empty; give it one of `exact`, `prefix` or `regex`")
    for field in given:
        if field != "exact" and not getattr(match, field):
            hint = "leave the condition empty to ask only that there is one" if empty_means_present else "leave it out"
            yield Problem((*path, field), f"must not be empty; {hint}")
    if match.regex and match.regex != "*":
        yield from names.check((*path, "regex"), not_a_regex(match.regex))


def _headers(path: Path, headers: Headers | None) -> Iterator[Problem]:
    if headers is None:
        return
    for direction, operations in (("request", headers.request), ("response", headers.response)):
        if operations is None:
            continue
        at = (*path, direction)
        for field in ("set", "add"):
            for name, value in getattr(operations, field).items():
                wrong = names.not_a_header(name) or _not_a_header_value(name, value)
                yield from names.check((*at, field, name), wrong)
        for position, name in enumerate(operations.remove):
            yield from names.check((*at, "remove", position), names.not_a_header(name))


def _not_a_header_value(name: str, value: str) -> str | None:
    """Envoy fills in operators, save in what becomes the request's authority."""
    if wrong := names.not_a_header_text(value):
        return wrong
    return None if name.startswith(":") or name.lower() == "host" else not_a_format(value)


def _redirect(path: Path, redirect: HTTPRedirect | None) -> Iterator[Problem]:
    if redirect is None:
        return
    targets = ("uri", "prefix_rewrite", "authority", "port", "derive_port", "scheme")
    if all(getattr(redirect, field) is None for field in targets):
        yield Problem(path, "leads nowhere: give it at least one of `uri`, `authority`, `scheme` or `port`")
    for field, text in (
        ("uri", redirect.uri),
        ("prefixRewrite", redirect.prefix_rewrite),
        ("authority", redirect.authority),
    ):
        yield from names.check((*path, field), names.not_one_line(text or ""))
    if redirect.uri is not None and redirect.prefix_rewrite is not None:
        yield Problem((*path, "prefixRewrite"), "cannot be together with `uri`")
    if redirect.port is not None:
        yield from names.check((*path, "port"), names.not_a_port(redirect.port))
        if redirect.derive_port is not None:
            yield Problem((*path, "derivePort"), "cannot be together with `port`")
    if redirect.scheme is not None and redirect.scheme not in ("http", "https"):
        yield Problem((*path, "scheme"), f"`{redirect.scheme}` must be `http` or `https`")
    codes = (301, 302, 303, 307, 308)
    if redirect.redirect_code is not None and redirect.redirect_code not in (0, *codes):
        yield Problem((*path, "redirectCode"), f"{redirect.redirect_code} must be one of {', '.join(map(str, codes))}")


def _direct_response(path: Path, response: HTTPDirectResponse | None) -> Iterator[Problem]:
    if response is None:
        return
    if not 200 <= response.status <= 599:
        yield Problem((*path, "status"), f"{response.status} is not a status for an answer: use 200 to 599")
    body = response.body
    if body and body.string is not None and body.data is not None:
        yield Problem((*path, "body"), "has `string` and `bytes`; keep one of them")
    size = len((body.string or "").encode() or body.data or b"") if body else 0
    if size > MAX_BODY_BYTES:
        yield Problem((*path, "body"), f"has {size} bytes; an answer of the proxy itself has at most {MAX_BODY_BYTES}")


def _rewrite(path: Path, rewrite: HTTPRewrite | None) -> Iterator[Problem]:
    if rewrite is None:
        return
    if not (rewrite.uri or rewrite.authority or rewrite.uri_regex_rewrite):
        yield Problem(path, "changes nothing: give it `uri`, `uriRegexRewrite` or `authority`")
    for field, text in (("uri", rewrite.uri), ("authority", rewrite.authority)):
        yield from names.check((*path, field), names.not_one_line(text or ""))
    if rewrite.uri_regex_rewrite:
        if rewrite.uri is not None:
            yield Problem((*path, "uriRegexRewrite"), "cannot be together with `uri`")
        at = (*path, "uriRegexRewrite", "match")
        if not rewrite.uri_regex_rewrite.match:
            yield Problem(at, "missing; write the regular expression to replace")
        yield from names.check(at, not_a_regex(rewrite.uri_regex_rewrite.match))
        at = (*path, "uriRegexRewrite", "rewrite")
        yield from names.check(at, names.not_one_line(rewrite.uri_regex_rewrite.rewrite))


def http_retry(path: Path, retries: HTTPRetry | None) -> Iterator[Problem]:
    if retries is None:
        return
    if retries.attempts < 0:
        yield Problem((*path, "attempts"), f"{retries.attempts} is below zero; 0 switches retries off")
    if retries.attempts == 0 and (retries.retry_on or retries.per_try_timeout):
        yield Problem(
            (*path, "attempts"), "is 0, which switches retries off; say how many, or leave the other fields out"
        )
    yield from zero_or_more((*path, "perTryTimeout"), retries.per_try_timeout)
    yield from at_least_a_millisecond((*path, "backoff"), retries.backoff)
    for condition in filter(None, (part.strip() for part in (retries.retry_on or "").split(","))):
        if condition not in RETRY_CONDITIONS and condition not in _STATUSES:
            known = ", ".join(sorted(RETRY_CONDITIONS))
            yield Problem((*path, "retryOn"), f"`{condition}` is neither a status nor one of {known}")


def _fault(path: Path, fault: HTTPFaultInjection | None) -> Iterator[Problem]:
    if fault is None:
        return
    if not fault.delay and not fault.abort:
        yield Problem(path, "does nothing: give it `delay` or `abort`")
    if fault.delay:
        at = (*path, "delay")
        if fault.delay.fixed_delay is None:
            yield Problem((*at, "fixedDelay"), "missing; say how long, such as `5s`")
        yield from at_least_a_millisecond((*at, "fixedDelay"), fault.delay.fixed_delay)
        yield from _percent((*at, "percentage"), fault.delay.percentage)
    if fault.abort:
        at = (*path, "abort")
        given = [f for f in ("http_status", "grpc_status", "http2_error") if getattr(fault.abort, f) is not None]
        if len(given) != 1:
            yield Problem(at, "needs one of `httpStatus` and `grpcStatus`")
        if fault.abort.http_status is not None and not 200 <= fault.abort.http_status <= 599:
            yield Problem((*at, "httpStatus"), f"{fault.abort.http_status} is not a status: use 200 to 599")
        yield from _percent((*at, "percentage"), fault.abort.percentage)


def _mirrors(path: Path, rule: HTTPRoute) -> Iterator[Problem]:
    if rule.mirror:
        yield from destination((*path, "mirror"), rule.mirror)
        if rule.mirrors:
            yield Problem((*path, "mirrors"), "cannot be together with `mirror`; move that into the list")
    for position, policy in enumerate(rule.mirrors):
        yield from destination((*path, "mirrors", position, "destination"), policy.destination)
        yield from _percent((*path, "mirrors", position, "percentage"), policy.percentage)
    yield from _percent((*path, "mirrorPercentage"), rule.mirror_percentage)
    if rule.mirror_percent is not None and rule.mirror_percent > _MAX_PERCENT:
        yield Problem((*path, "mirrorPercent"), f"{rule.mirror_percent} must be 0 to 100")


def _cors(path: Path, cors: CorsPolicy | None) -> Iterator[Problem]:
    if cors is None:
        return
    for position, origin in enumerate(cors.allow_origins):
        yield from _string_match((*path, "allowOrigins", position), origin, empty_means_present=False)
    yield from at_least_a_millisecond((*path, "maxAge"), cors.max_age)


def _percent(path: Path, percent: Percent | None) -> Iterator[Problem]:
    if percent and not 0 <= percent.value <= _MAX_PERCENT:
        yield Problem((*path, "value"), f"{percent.value:g} must be 0 to 100")


def zero_or_more(path: Path, duration: timedelta | None) -> Iterator[Problem]:
    """Zero switches off."""
    if duration:
        yield from at_least_a_millisecond(path, duration)


def at_least_a_millisecond(path: Path, duration: timedelta | None) -> Iterator[Problem]:
    if duration is not None and duration < MILLISECOND:
        yield Problem(path, f"{duration} is too short; it must be at least 1ms")
