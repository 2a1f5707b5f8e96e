"""Route configurations of gateways: the hosts of a port's servers met with those of the VirtualServices bound there.

Source: Istio, Gateway `servers[].hosts` and `tls.httpsRedirect`. Of several VirtualServices for a host the rules are
joined, oldest first, and catch-alls moved to the end.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from envoy.config.route.v3.route_components_pb2 import VirtualHost

from lateen.common.hosts import Hostname, covers
from lateen.config.kinds.gateway import Gateway, Server
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.model import http_rules
from lateen.model.audience import Audience
from lateen.model.gateways import GatewayPort, GatewayServer
from lateen.model.http_rules import Outline
from lateen.model.mesh import Mesh
from lateen.translate import names
from lateen.translate.routes.domains import in_brackets
from lateen.translate.routes.match import is_catch_all
from lateen.translate.routes.route_configuration import chunk, route_configuration
from lateen.translate.routes.rules import Scope, routes
from lateen.translate.routes.special import concerned
from lateen.xds.resource import Resource


class Binding(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """A VirtualService that serves a host, and through which Gateways. Sorted, the oldest is first."""

    age: tuple[datetime, str, str]
    virtual_service: ObjectRef
    gateways: tuple[str, ...]


class GatewayHost(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """A host that a server or a port serves, bindings oldest first; `redirect` sends plain HTTP requests to HTTPS."""

    host: Hostname
    bindings: tuple[Binding, ...] = ()
    redirect: bool = False


@query
def gateway_route_configuration(mesh: Mesh, port: GatewayPort, audience: Audience) -> Resource:
    """The routes of one port of a gateway, virtual hosts by name. Hosts that are served alike share one.

    The configuration is named after the port that is listened on, its hosts after the servers' number, as in Istio.
    """
    alike: dict[tuple[tuple[Binding, ...], bool], list[Hostname]] = {}
    for served in gateway_hosts(mesh, port, audience.namespace):
        alike.setdefault((served.bindings, served.redirect), []).append(served.host)
    found = [
        gateway_virtual_host(mesh, tuple(hosts), port.number, bindings, redirect, _concerned(mesh, bindings, audience))
        for (bindings, redirect), hosts in alike.items()
    ]
    chunks = sorted((host for host in found if host is not None), key=lambda host: host.name)
    return route_configuration(names.gateway_route(port.listen, port.bind), chunks or [_black_hole(port.number)])


@query
def gateway_hosts(mesh: Mesh, port: GatewayPort, client_namespace: str) -> tuple[GatewayHost, ...]:
    """What a port serves to the outside: by host, what its servers do."""
    by_host: dict[Hostname, list[GatewayHost]] = {}
    for server in port.servers:
        for served in server_hosts(mesh, server, client_namespace):
            by_host.setdefault(served.host, []).append(served)
    return tuple(_merged(served) for _, served in sorted(by_host.items()))


@query
def server_hosts(mesh: Mesh, which: GatewayServer, client_namespace: str) -> tuple[GatewayHost, ...]:
    """What one server serves, by host: those that VirtualServices share with it, and all its own where it redirects."""
    server = _server(mesh, which)
    if server is None:
        return ()
    offered = [_server_host(text, which.gateway.namespace) for text in server.hosts]
    redirect = server.tls is not None and server.tls.https_redirect
    bindings: dict[Hostname, list[Binding]] = {host: [] for _, host in offered} if redirect else {}
    through = (http_rules.gateway_attachment(which.gateway),)
    for virtual_service in http_rules.virtual_services_for_gateway(mesh, which.gateway, client_namespace):
        for host in _shared_hosts(offered, virtual_service):
            bindings.setdefault(host, []).append(Binding(virtual_service.age, virtual_service.ref, through))
    return tuple(GatewayHost(host, tuple(bound), redirect) for host, bound in sorted(bindings.items()))


def _merged(served: Sequence[GatewayHost]) -> GatewayHost:
    """One host as several servers together serve it."""
    if len(served) == 1:
        return served[0]
    through: dict[tuple[tuple[datetime, str, str], ObjectRef], set[str]] = {}
    for binding in (binding for each in served for binding in each.bindings):
        through.setdefault((binding.age, binding.virtual_service), set()).update(binding.gateways)
    bindings = (Binding(age, ref, tuple(sorted(gateways))) for (age, ref), gateways in sorted(through.items()))
    return GatewayHost(served[0].host, tuple(bindings), any(each.redirect for each in served))


@query
def gateway_virtual_host(
    mesh: Mesh,
    hosts: tuple[Hostname, ...],
    port: int,
    bindings: tuple[Binding, ...],
    redirect: bool,
    audience: Audience | None,
) -> Resource | None:
    """The chunk of hosts that are served alike, named after the first; None where there is nothing to answer."""
    found = [
        route
        for binding in bindings
        for route in routes(mesh, binding.virtual_service, Scope(binding.gateways, port, audience))
    ]
    if not found and not redirect:
        return None
    out = VirtualHost(name=names.virtual_host(hosts[0], port), include_request_attempt_count=True)
    out.domains.extend(in_brackets(host) for host in hosts)
    out.routes.extend(sorted(found, key=lambda route: is_catch_all(route.match)))
    if redirect:
        out.require_tls = VirtualHost.TlsRequirementType.ALL
    return chunk(out)


def _concerned(mesh: Mesh, bindings: tuple[Binding, ...], audience: Audience) -> Audience | None:
    return concerned(mesh, tuple(binding.virtual_service for binding in bindings), audience)


def _server(mesh: Mesh, asked: GatewayServer) -> Server | None:
    gateway = mesh.get(Gateway, asked.gateway)
    if gateway is None or asked.index >= len(gateway.spec.servers):
        return None
    return gateway.spec.servers[asked.index]


def _server_host(text: str, namespace: str) -> tuple[str, Hostname]:
    """`[namespace/]host` -> the namespace whose VirtualServices may bind, `*` for any, and the host."""
    where, slash, host = text.lower().rpartition("/")
    if not slash:
        return "*", Hostname(host)
    return namespace if where == "." else where, Hostname(host)


def _shared_hosts(hosts: Iterable[tuple[str, Hostname]], virtual_service: Outline) -> set[Hostname]:
    """Each host of the VirtualService that a server host meets: the more specific of the two."""
    found = set()
    for wanted in virtual_service.hosts:
        for namespace, offered in hosts:
            if namespace not in ("*", virtual_service.ref.namespace):
                continue
            if covers(offered, wanted):
                found.add(wanted)
            elif covers(wanted, offered):
                found.add(offered)
    return found


def _black_hole(port: int) -> Resource:
    """What a port answers with where no VirtualService is bound: 404."""
    return chunk(VirtualHost(name=f"blackhole:{port}", domains=["*"], include_request_attempt_count=True))
