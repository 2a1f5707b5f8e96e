"""VirtualService: the rules its types cannot say. Routes of HTTP requests are in `http_route`."""

from collections.abc import Iterator, Mapping, Sequence

from lateen.common.hosts import covers
from lateen.config.kinds.virtual_service import (
    MESH_GATEWAY,
    L4MatchAttributes,
    RouteDestination,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
    VirtualServiceSpec,
)
from lateen.config.problems import Path, Problem
from lateen.config.validation import names
from lateen.config.validation.http_route import destination, http_route, weights


def virtual_service(found: VirtualService) -> Iterator[Problem]:
    """A VirtualService without hosts is one that others delegate to."""
    spec, path = found.spec, ("spec",)
    yield from _delegate(spec) if not spec.hosts else _hosts(spec)
    yield from names.gateway_names((*path, "gateways"), spec.gateways)
    yield from names.export_to((*path, "exportTo"), spec.export_to)
    if not (spec.http or spec.tls or spec.tcp):
        yield Problem(path, "has no rules: write at least one under `http`, `tls` or `tcp`")
    for position, http in enumerate(spec.http):
        yield from http_route((*path, "http", position), http)
    for position, tls in enumerate(spec.tls):
        yield from _tls_route((*path, "tls", position), tls, spec.hosts)
    for position, tcp in enumerate(spec.tcp):
        yield from _tcp_route((*path, "tcp", position), tcp)


def _delegate(spec: VirtualServiceSpec) -> Iterator[Problem]:
    for field, given in (("gateways", spec.gateways), ("tls", spec.tls), ("tcp", spec.tcp)):
        if given:
            yield Problem(("spec", "hosts"), f"missing; only a VirtualService with hosts may have `{field}`")
    for position, rule in enumerate(spec.http):
        if rule.delegate:
            yield Problem(
                ("spec", "http", position, "delegate"), "a VirtualService without hosts cannot delegate further"
            )


def _hosts(spec: VirtualServiceSpec) -> Iterator[Problem]:
    path: Path = ("spec", "hosts")
    for position, host in enumerate(spec.hosts):
        yield from names.check((*path, position), names.not_a_host_or_address(host))
        if host == "*" and (not spec.gateways or MESH_GATEWAY in spec.gateways):
            yield Problem((*path, position), "`*` works only on gateways: name one under `gateways`, or name the hosts")
    yield from names.duplicates(path, [host.lower() for host in spec.hosts], "host")


def _tls_route(path: Path, route: TLSRoute, hosts: Sequence[str]) -> Iterator[Problem]:
    if not route.match:
        yield Problem((*path, "match"), "missing; a TLS rule needs at least one match with `sniHosts`")
    for position, match in enumerate(route.match):
        at = (*path, "match", position)
        if not match.sni_hosts:
            yield Problem((*at, "sniHosts"), "missing; name the server names this rule is for")
        for n, sni in enumerate(match.sni_hosts):
            yield from names.check((*at, "sniHosts", n), wrong := names.not_a_host(sni))
            if not wrong and hosts and not any(covers(host.lower(), sni.lower()) for host in hosts):
                yield Problem(
                    (*at, "sniHosts", n), f"`{sni}` is not among this VirtualService's hosts: {', '.join(hosts)}"
                )
        yield from _connection_match(at, match)
    yield from _destinations((*path, "route"), route.route)


def _tcp_route(path: Path, route: TCPRoute) -> Iterator[Problem]:
    for position, match in enumerate(route.match):
        yield from _connection_match((*path, "match", position), match)
        if match.source_subnet:
            at = (*path, "match", position, "sourceSubnet")
            yield from names.check(at, names.not_a_subnet(match.source_subnet))
    yield from _destinations((*path, "route"), route.route)


def _connection_match(path: Path, match: TLSMatchAttributes | L4MatchAttributes) -> Iterator[Problem]:
    for position, subnet in enumerate(match.destination_subnets):
        yield from names.check((*path, "destinationSubnets", position), names.not_a_subnet(subnet))
    if match.port is not None:
        yield from names.check((*path, "port"), names.not_a_port(match.port))
    yield from source(path, match.source_labels, match.gateways)


def source(path: Path, labels: Mapping[str, str], gateways: Sequence[str]) -> Iterator[Problem]:
    """Whom a match is for."""
    yield from names.labels((*path, "sourceLabels"), labels)
    yield from names.gateway_names((*path, "gateways"), gateways)


def _destinations(path: Path, routes: Sequence[RouteDestination]) -> Iterator[Problem]:
    if not routes:
        yield Problem(path, "missing; say where the connection goes: `route: [{destination: {host: …}}]`")
    for position, route in enumerate(routes):
        yield from destination((*path, position, "destination"), route.destination)
    yield from weights(path, [route.weight for route in routes])
