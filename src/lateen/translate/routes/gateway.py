"""Route configurations of gateways: the hosts of a port's servers met with those of the VirtualServices bound there.

Source: Istio, Gateway `servers[].hosts` and `tls.httpsRedirect`. Of several VirtualServices for a host the rules are
joined, oldest first, and catch-alls moved to the end.
"""

from collections.abc import Iterable

import msgspec
from envoy.config.route.v3.route_components_pb2 import VirtualHost

from lateen.common.hosts import Hostname, covers
from lateen.config.kinds.gateway import Gateway, Server
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.model import http_rules
from lateen.model.audience import Audience
from lateen.model.gateways import GatewayPort, GatewayServer
from lateen.model.mesh import Mesh
from lateen.translate import names
from lateen.translate.routes.domains import in_brackets
from lateen.translate.routes.match import is_catch_all
from lateen.translate.routes.route_configuration import chunk, route_configuration
from lateen.translate.routes.rules import Scope, routes
from lateen.translate.routes.special import concerned
from lateen.xds.resource import Resource


class Binding(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """A VirtualService that serves a host, and through which Gateways."""

    virtual_service: ObjectRef
    gateways: tuple[str, ...]


class GatewayHost(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """A host served on a port; `redirect` sends plain HTTP requests to HTTPS."""

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
    """What a port serves to the outside, by host; bindings oldest first."""
    bound: dict[Hostname, dict[ObjectRef, set[str]]] = {}
    redirected: set[Hostname] = set()
    ages = {}
    for asked in port.servers:
        server = _server(mesh, asked)
        if server is None:
            continue
        attachment = http_rules.gateway_attachment(asked.gateway)
        hosts = [_server_host(text, asked.gateway.namespace) for text in server.hosts]
        served = {host for _, host in hosts}
        for ref in http_rules.virtual_services_for_gateway(mesh, asked.gateway, client_namespace):
            virtual_service = mesh.get(VirtualService, ref)
            if virtual_service is None:
                continue
            ages[ref] = virtual_service.metadata.age
            for host in _shared_hosts(hosts, virtual_service):
                bound.setdefault(host, {}).setdefault(ref, set()).add(attachment)
                served.add(host)
        if server.tls is not None and server.tls.https_redirect:
            redirected |= served
    return tuple(
        GatewayHost(
            host,
            tuple(
                Binding(ref, tuple(sorted(through)))
                for ref, through in sorted(bound.get(host, {}).items(), key=lambda item: ages[item[0]])
            ),
            host in redirected,
        )
        for host in sorted(bound.keys() | redirected)
    )


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


def _shared_hosts(hosts: Iterable[tuple[str, Hostname]], virtual_service: VirtualService) -> set[Hostname]:
    """Each host of the VirtualService that a server host meets: the more specific of the two."""
    found = set()
    for wanted in http_rules.hosts(virtual_service):
        for namespace, offered in hosts:
            if namespace not in ("*", virtual_service.metadata.namespace):
                continue
            if covers(offered, wanted):
                found.add(wanted)
            elif covers(wanted, offered):
                found.add(offered)
    return found


def _black_hole(port: int) -> Resource:
    """What a port answers with where no VirtualService is bound: 404."""
    return chunk(VirtualHost(name=f"blackhole:{port}", domains=["*"], include_request_attempt_count=True))
