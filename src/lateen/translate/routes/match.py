"""Match conditions of a VirtualService rule -> RouteMatch. Source: Istio, HTTPMatchRequest."""

import re

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher, QueryParameterMatcher, RouteMatch
from envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from envoy.type.matcher.v3.value_pb2 import ListMatcher, OrMatcher, ValueMatcher

from lateen.config.kinds.virtual_service import HTTPMatchRequest
from lateen.config.values import StringMatch

_CLAIMS = "@request.auth.claims"
_CLAIM_IN_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_JWT_FILTER = "envoy.filters.http.jwt_authn"


def route_match(match: HTTPMatchRequest | None) -> RouteMatch:
    """Every condition of the match that Envoy decides; without a match, and without a `uri`, every path.

    Conditions on the port, the gateway and the client are decided before: `rules.applies`.
    """
    if match is None:
        return RouteMatch(prefix="/")
    out = _path_match(match.uri)
    if match.ignore_uri_case:
        out.case_sensitive.value = False
    for name, wanted in sorted(match.headers.items()):
        _add_header(out, name, wanted, inverted=False)
    for name, unwanted in sorted(match.without_headers.items()):
        _add_header(out, name, unwanted, inverted=True)
    for pseudo, value in ((":method", match.method), (":authority", match.authority), (":scheme", match.scheme)):
        if value is not None:
            out.headers.append(_header(pseudo, value, inverted=False))
    for name, wanted in sorted(match.query_params.items()):
        out.query_parameters.append(_query_parameter(name, wanted))
    return out


def is_catch_all(match: RouteMatch) -> bool:
    """Whether every request matches: any path, and no condition on headers, query or metadata."""
    if match.headers or match.query_parameters or match.dynamic_metadata:
        return False
    match match.WhichOneof("path_specifier"):
        case "prefix":
            return match.prefix == "/"
        case "safe_regex":
            return match.safe_regex.regex == ".*"
        case "path_separated_prefix":
            return match.path_separated_prefix == "/"
        case _:
            return False


def path_pattern(match: RouteMatch) -> str:
    """The paths that match, as people write them: `/a` for one, `/a*` for those that begin so, or the expression."""
    match match.WhichOneof("path_specifier"):
        case "prefix":
            return f"{match.prefix}*"
        case "path":
            return match.path
        case "safe_regex":
            return match.safe_regex.regex
        case "path_separated_prefix":
            return f"{match.path_separated_prefix}/*"
        case _:
            return "/*"


def _path_match(uri: StringMatch | None) -> RouteMatch:
    if uri is not None:
        if uri.exact is not None:
            return RouteMatch(path=uri.exact)
        if uri.prefix is not None:
            return RouteMatch(prefix=uri.prefix)
        if uri.regex is not None:
            return RouteMatch(safe_regex=RegexMatcher(regex=uri.regex))
    return RouteMatch(prefix="/")


def _string_matcher(wanted: StringMatch) -> StringMatcher | None:
    """None where any value will do: no match type, or the regular expression `*`, which Istio reads so."""
    if wanted.exact is not None:
        return StringMatcher(exact=wanted.exact)
    if wanted.prefix is not None:
        return StringMatcher(prefix=wanted.prefix)
    if wanted.regex is not None and wanted.regex != "*":
        return StringMatcher(safe_regex=RegexMatcher(regex=wanted.regex))
    return None


def _add_header(out: RouteMatch, name: str, wanted: StringMatch, *, inverted: bool) -> None:
    claim = _claim_path(name)
    if claim:
        out.dynamic_metadata.append(_claim(claim, wanted, inverted=inverted))
    else:
        out.headers.append(_header(name, wanted, inverted=inverted))


def _header(name: str, wanted: StringMatch, *, inverted: bool) -> HeaderMatcher:
    value = _string_matcher(wanted)
    if value is None:
        return HeaderMatcher(name=name, present_match=True, invert_match=inverted)
    return HeaderMatcher(name=name, string_match=value, invert_match=inverted, treat_missing_header_as_empty=inverted)


def _query_parameter(name: str, wanted: StringMatch) -> QueryParameterMatcher:
    value = _string_matcher(wanted)
    if value is None:
        return QueryParameterMatcher(name=name, present_match=True)
    return QueryParameterMatcher(name=name, string_match=value)


def _claim_path(name: str) -> tuple[str, ...]:
    """The path to a claim of the request's token: `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`."""
    if not name.lower().startswith(_CLAIMS):
        return ()
    rest = name[len(_CLAIMS) :]
    if rest.startswith("."):
        return tuple(part for part in rest[1:].split(".") if part)
    return tuple(_CLAIM_IN_BRACKETS.findall(rest))


def _claim(path: tuple[str, ...], wanted: StringMatch, *, inverted: bool) -> MetadataMatcher:
    """A claim may be one string or a list that holds it."""
    text = _string_matcher(wanted)
    value = ValueMatcher(string_match=text) if text is not None else ValueMatcher(present_match=True)
    either = OrMatcher(value_matchers=[ValueMatcher(list_match=ListMatcher(one_of=value)), value])
    segments = [MetadataMatcher.PathSegment(key=key) for key in ("payload", *path)]
    return MetadataMatcher(filter=_JWT_FILTER, path=segments, value=ValueMatcher(or_match=either), invert=inverted)
