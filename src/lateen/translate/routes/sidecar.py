"""Route configurations of sidecars, assembled in layers from shared virtual hosts.

Per namespace of services and kind of client, a part; once for all clients, the public parts; per view, those with the
few special namespaces replaced. A view walks namespaces, never services.
"""

from collections.abc import Mapping
from typing import Final

from lateen.common.hosts import Hostname, covers, is_wildcard
from lateen.incremental.engine import query
from lateen.model import http_rules, mesh_config, traffic_policy
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.services import (
    ServiceKey,
    http_services,
    service,
    service_key,
    service_namespaces,
    services_in,
)
from lateen.model.views import OutboundView
from lateen.translate import names
from lateen.translate.routes.domains import in_brackets, other_domains
from lateen.translate.routes.route_configuration import CATCH_ALL, joined
from lateen.translate.routes.route_configuration import route_configuration as assembled
from lateen.translate.routes.special import concerned, has_special, namespaces_of, special_namespaces
from lateen.translate.routes.virtual_host import Look, orphan_virtual_host, virtual_host
from lateen.xds.resource import Resource

ORPHAN_PORT: Final = 80
"""The port on which hosts of VirtualServices that are no service are routed. Source: Istio."""


# Per namespace


@query
def route_part(mesh: Mesh, namespace: str, port: int, audience: Audience | None) -> Resource:
    """The virtual hosts of a namespace's HTTP services with that port, by name.

    Without an audience: as most clients see them, who are of another namespace.
    """
    keys = dict(http_services(mesh, namespace)).get(port, ())
    withheld = withheld_domains(mesh, namespace, audience) if port == ORPHAN_PORT else {}
    hosts = [virtual_host(mesh, key, port, look(mesh, key, audience), withheld.get(key, ())) for key in keys]
    return joined(namespace, [host for host in hosts if host is not None])


@query
def look(mesh: Mesh, key: ServiceKey, audience: Audience | None) -> Look:
    """How a service looks to these clients; without an audience, to most, who are of another namespace."""
    client = audience.namespace if audience is not None else None
    governing = http_rules.virtual_services_for(mesh, key.hostname, client)
    return Look(
        governing=governing,
        rule=traffic_policy.destination_rule(mesh, key.hostname, key.namespace, client),
        audience=concerned(mesh, governing, audience),
        local=client == key.namespace,
    )


@query
def withheld_domains(mesh: Mesh, namespace: str, audience: Audience | None) -> Mapping[ServiceKey, tuple[str, ...]]:
    """Domains that a namespace's services do without, as an orphan host has them."""
    taken = orphan_domains(mesh, audience).get(namespace)
    if not taken:
        return {}
    local = audience is not None and audience.namespace == namespace
    found = (service(mesh, key) for key in services_in(mesh, namespace))
    withheld = {each.key: tuple(d for d in other_domains(each, local=local) if d in taken) for each in found if each}
    return {key: domains for key, domains in withheld.items() if domains}


# For all views


@query
def public_parts(mesh: Mesh, port: int) -> tuple[tuple[str, Resource], ...]:
    """The parts of all namespaces that have HTTP services on the port, as most clients see them."""
    holding = [ns for ns in service_namespaces(mesh) if any(port == number for number, _ in http_services(mesh, ns))]
    return tuple((namespace, route_part(mesh, namespace, port, None)) for namespace in holding)


@query
def orphans(mesh: Mesh, client_namespace: str | None) -> tuple[Hostname, ...]:
    """Hosts of VirtualServices that match no service, sorted; without a client, of those that everyone sees."""
    hosts = set(http_rules.publicly_governed_hosts(mesh))
    if client_namespace is not None:
        hosts.update(http_rules.privately_governed_hosts(mesh, client_namespace))
    return tuple(sorted(host for host in hosts if host != "*" and not matches_service(mesh, host)))


@query
def orphan_part(mesh: Mesh, audience: Audience | None) -> Resource:
    """The virtual hosts of orphan hosts; without an audience, as most clients see them."""
    client = audience.namespace if audience is not None else None
    return joined("", [built for host in orphans(mesh, client) if (built := _orphan(mesh, host, audience)) is not None])


@query
def orphan_domains(mesh: Mesh, audience: Audience | None) -> Mapping[str, frozenset[str]]:
    """The domains in `orphan_part`, by the namespaces whose services might otherwise answer to them."""
    found: dict[str, set[str]] = {}
    for host in _answering(mesh, audience):
        for namespace in namespaces_of(mesh, (host,)):
            found.setdefault(namespace, set()).add(in_brackets(host))
    return {namespace: frozenset(domains) for namespace, domains in found.items()}


@query
def _answering(mesh: Mesh, audience: Audience | None) -> tuple[Hostname, ...]:
    """The orphan hosts whose rules yield a route for these clients."""
    hosts = orphans(mesh, audience.namespace if audience is not None else None)
    return tuple(host for host in hosts if _orphan(mesh, host, audience) is not None)


@query
def _orphan(mesh: Mesh, host: Hostname, audience: Audience | None) -> Resource | None:
    governing = http_rules.virtual_services_for(mesh, host, audience.namespace if audience is not None else None)
    return orphan_virtual_host(mesh, host, ORPHAN_PORT, governing, concerned(mesh, governing, audience))


@query
def matches_service(mesh: Mesh, host: Hostname) -> bool:
    """Whether the host is a service or, as a wildcard, covers one."""
    if not is_wildcard(host):
        return service_key(mesh, host, "") is not None
    return any(
        covers(host, key.hostname) for namespace in namespaces_of(mesh, (host,)) for key in services_in(mesh, namespace)
    )


# Per view


@query
def route_configuration(mesh: Mesh, port: int, view: OutboundView) -> Resource:
    """The route configuration `<port>`: its virtual hosts by namespace and name, orphan hosts, then the catch-all."""
    parts = dict(public_parts(mesh, port))
    for namespace in special_namespaces(mesh, view.namespace):
        parts[namespace] = route_part(mesh, namespace, port, view.audience)
    chunks = [part for _, part in sorted(parts.items())]
    if port == ORPHAN_PORT:
        special = has_special(mesh, view.namespace, orphans(mesh, view.namespace))
        chunks.append(orphan_part(mesh, view.audience if special else None))
    catch_all = CATCH_ALL[mesh_config.outbound_traffic_mode(mesh)]
    return assembled(names.outbound_route(port), [*chunks, catch_all])
