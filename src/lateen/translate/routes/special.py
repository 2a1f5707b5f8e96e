"""Which hosts and namespaces look different to the clients of one namespace than to most: the exceptions of a view.

Everything else is shared by all views. Answered from small indexes of VirtualServices and DestinationRules.
"""

from collections.abc import Iterable

from lateen.common.hosts import Hostname, is_address, is_wildcard
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.model import http_rules, mesh_config, traffic_policy
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.services import aliases_of, service_namespaces


@query
def special_hosts(mesh: Mesh, client_namespace: str) -> tuple[Hostname, ...]:
    """Hosts, wildcards too, whose routes may look different to these clients than to most, sorted.

    Those whose routes look at the client; those with VirtualServices or DestinationRules that not everyone obeys, and
    those whose routes lead to hosts of such DestinationRules, or to what stands for them.
    """
    ruled = traffic_policy.client_rule_hosts(mesh, client_namespace)
    destinations = {*ruled, *aliases_of(mesh, ruled)}
    hosts = {
        *http_rules.source_dependent_hosts(mesh),
        *http_rules.privately_governed_hosts(mesh, client_namespace),
        *ruled,
        *(host for destination in destinations for host in http_rules.hosts_routed_to(mesh, destination)),
    }
    return tuple(sorted(hosts))


@query
def special_namespaces(mesh: Mesh, client_namespace: str) -> tuple[str, ...]:
    """The namespaces whose services may have other routes for these clients: their own, and those of special hosts."""
    return tuple(sorted({client_namespace, *namespaces_of(mesh, special_hosts(mesh, client_namespace))}))


def has_special(mesh: Mesh, client_namespace: str, hosts: Iterable[Hostname]) -> bool:
    """Whether any of the hosts is special to these clients."""
    return not set(special_hosts(mesh, client_namespace)).isdisjoint(hosts)


def concerned(mesh: Mesh, governing: tuple[ObjectRef, ...], audience: Audience | None) -> Audience | None:
    """What the routes of these VirtualServices need to know of the clients.

    All of it where the rules look at the client; its namespace where DestinationRules of its own may matter; else
    nothing, so that clients share the routes.
    """
    if audience is None or not governing:
        return None
    if any(http_rules.depends_on_source(mesh, ref) for ref in governing):
        return audience
    return Audience(audience.namespace) if traffic_policy.client_rule_hosts(mesh, audience.namespace) else None


def namespaces_of(mesh: Mesh, hosts: Iterable[Hostname]) -> frozenset[str]:
    """The namespaces that may hold services which a host, a wildcard or a short form of a host stands for."""
    return frozenset(namespace for host in hosts for namespace in _namespaces_of(mesh, host))


def _namespaces_of(mesh: Mesh, host: Hostname) -> tuple[str, ...]:
    if is_address(host):
        return service_namespaces(mesh)
    if not is_wildcard(host):
        return tuple(host.split(".")[1:2])
    domain = f".svc.{mesh_config.cluster_domain(mesh)}"
    namespace = host.removeprefix("*.").removesuffix(domain)
    if host.endswith(domain) and "." not in namespace:
        return (namespace,)
    return service_namespaces(mesh)
