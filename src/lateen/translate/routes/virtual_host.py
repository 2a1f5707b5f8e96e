"""Virtual hosts of sidecars: one per service and port, and one per VirtualService host that is no service.

A virtual host is asked for by what was resolved for the client (`Look`), so that clients who see the same share it.
"""

from typing import Final

import msgspec
from envoy.config.route.v3.route_components_pb2 import Route, VirtualHost

from lateen.common.hosts import Hostname
from lateen.config.kinds.virtual_service import MESH_GATEWAY
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.model import mesh_config, traffic_policy
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.services import ServiceKey, service
from lateen.model.traffic_policy import NO_RULE, Rule
from lateen.translate import names
from lateen.translate.routes.action import set_timeout
from lateen.translate.routes.domains import in_brackets, other_domains, own_domain
from lateen.translate.routes.hash_policy import hash_policy
from lateen.translate.routes.retries import retry_policy
from lateen.translate.routes.route_configuration import chunk
from lateen.translate.routes.rules import Scope, routes
from lateen.xds.resource import Resource


class Look(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """What a service's virtual host depends on besides the service: how it looks to some clients.

    governing: the VirtualServices of the host, the one in force first.
    rule: the DestinationRules of the host.
    audience: the clients, where the routes may look at them; else None.
    local: whether the clients are of the service's own namespace.
    """

    governing: tuple[ObjectRef, ...] = ()
    rule: Rule = NO_RULE
    audience: Audience | None = None
    local: bool = False


@query
def virtual_host(mesh: Mesh, key: ServiceKey, port: int, look: Look, withheld: tuple[str, ...]) -> Resource | None:
    """The chunk `<host>:<port>` of a service, without the domains withheld; None once the service is gone."""
    found = service(mesh, key)
    if found is None:
        return None
    out = VirtualHost(name=names.virtual_host(key.hostname, port), include_request_attempt_count=True)
    out.domains.append(own_domain(found))
    out.domains.extend(d for d in other_domains(found, local=look.local) if d not in withheld)
    out.routes.extend(service_routes(mesh, key.hostname, port, look))
    return chunk(out)


def service_routes(mesh: Mesh, host: Hostname, port: int, look: Look) -> list[Route]:
    """What becomes of requests for a service's port: the rules in force, else everything goes to its cluster."""
    ruled = _governed_routes(mesh, look.governing, Scope((MESH_GATEWAY,), port, look.audience))
    return ruled or [_default_route(mesh, host, port, look.rule)]


@query
def orphan_virtual_host(
    mesh: Mesh, host: Hostname, port: int, governing: tuple[ObjectRef, ...], audience: Audience | None
) -> Resource | None:
    """The chunk of a VirtualService host that is no service; None where its rules yield no route."""
    ruled = _governed_routes(mesh, governing, Scope((MESH_GATEWAY,), port, audience))
    if not ruled:
        return None
    name = names.virtual_host(host, port)
    return chunk(VirtualHost(name=name, domains=[in_brackets(host)], routes=ruled, include_request_attempt_count=True))


def _governed_routes(mesh: Mesh, governing: tuple[ObjectRef, ...], scope: Scope) -> list[Route]:
    """The routes of the first VirtualService that yields any."""
    for ref in governing:
        found = routes(mesh, ref, scope)
        if found:
            return found
    return []


def _default_pattern() -> Route:
    out = Route(name="default")
    out.match.prefix = "/"
    set_timeout(out.route)
    return out


_DEFAULT: Final = _default_pattern()


def _default_route(mesh: Mesh, host: Hostname, port: int, rule: Rule) -> Route:
    """The route of a service that no VirtualService governs: everything to its cluster."""
    out = Route()
    out.CopyFrom(_DEFAULT)
    out.route.cluster = names.outbound_cluster(port, "", host)
    out.decorator.operation = f"{host}:{port}/*"
    retries = retry_policy(mesh_config.default_http_retry_policy(mesh))
    if retries is not None:
        out.route.retry_policy.CopyFrom(retries)
    hashed = hash_policy(traffic_policy.consistent_hash(mesh, rule, port, ""))
    if hashed is not None:
        out.route.hash_policy.append(hashed)
    return out
