"""VirtualServices as ordered rules per host: which of them govern a host for a client, and what depends on the client.

Sidecars obey those bound to `mesh`, gateways those that name them. Source of precedence and of names: Istio,
VirtualService `hosts`, `gateways` and `exportTo`; the oldest wins everywhere.
"""

from collections.abc import Iterable, Sequence

from lateen.common.hosts import Hostname, expand, patterns_for
from lateen.common.labels import Selector
from lateen.config.kinds.virtual_service import HTTPMatchRequest, VirtualService
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.incremental.tables import Index
from lateen.model import mesh_config
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.visibility import EVERYONE, audiences, is_visible

MESH = "mesh"
"""The gateway name that stands for all sidecars."""

_DEFAULT_EXPORT = ""


def attachments(gateways: Sequence[str], namespace: str) -> tuple[str, ...]:
    """Gateway names as written in an object of `namespace`, each `mesh` or `<namespace>/<name>`; none means `mesh`."""
    return tuple(_attachment(name, namespace) for name in gateways) or (MESH,)


def _attachment(name: str, namespace: str) -> str:
    if name == MESH:
        return MESH
    if "/" in name:
        where, _, bare = name.partition("/")
        return f"{namespace if where == '.' else where}/{bare}"
    if ".svc." in f"{name}.":  # an older form: the host name of the gateway's Service
        bare, where = name.split(".")[:2]
        return f"{where}/{bare}"
    return f"{namespace}/{name}"


def gateway_attachment(gateway: ObjectRef) -> str:
    """How a VirtualService names a Gateway."""
    return f"{gateway.namespace}/{gateway.name}"


def hosts(virtual_service: VirtualService) -> tuple[Hostname, ...]:
    """The hosts in full, in the order written."""
    return tuple(dict.fromkeys(expand(h, virtual_service.metadata.namespace) for h in virtual_service.spec.hosts))


def bound_to(virtual_service: VirtualService) -> tuple[str, ...]:
    """What the VirtualService is attached to."""
    return attachments(virtual_service.spec.gateways, virtual_service.metadata.namespace)


def _mesh_hosts(virtual_service: VirtualService) -> Iterable[Hostname]:
    return hosts(virtual_service) if MESH in bound_to(virtual_service) else ()


def _mesh_exports(virtual_service: VirtualService) -> Iterable[str]:
    if MESH not in bound_to(virtual_service):
        return ()
    if not virtual_service.spec.export_to:
        return (_DEFAULT_EXPORT,)
    return audiences(virtual_service.spec.export_to, virtual_service.metadata.namespace)


def _destination_patterns(virtual_service: VirtualService) -> Iterable[Hostname]:
    if MESH not in bound_to(virtual_service):
        return set()
    entries = (entry.destination for rule in virtual_service.spec.http for entry in rule.route)
    written = {destination.host for destination in entries if destination is not None}
    namespace = virtual_service.metadata.namespace
    return {pattern for host in written for pattern in patterns_for(expand(host, namespace))}


def _source_matches(virtual_service: VirtualService) -> Iterable[HTTPMatchRequest]:
    for rule in virtual_service.spec.http:
        for match in rule.match:
            if match.source_labels or match.source_namespace:
                yield match


def _source_dependent(virtual_service: VirtualService) -> Iterable[bool]:
    return (True,) if any(True for _ in _source_matches(virtual_service)) else ()


BY_HOST = Index(VirtualService, _mesh_hosts, "virtual services by host")
BY_EXPORT = Index(VirtualService, _mesh_exports, "virtual services by export")
BY_GATEWAY = Index(VirtualService, bound_to, "virtual services by gateway")
BY_DESTINATION = Index(VirtualService, _destination_patterns, "virtual services by destination")
SOURCE_DEPENDENT = Index(VirtualService, _source_dependent, "source-dependent virtual services")


def virtual_services_for(mesh: Mesh, host: Hostname, client_namespace: str | None) -> tuple[ObjectRef, ...]:
    """The VirtualServices that govern a host for sidecars of a namespace, the one in force first.

    They are those of the most specific pattern of the host. A later one counts only where those before it yield no
    route for the client. Without a client: those that everyone sees.
    """
    for pattern in patterns_for(host):
        visible = virtual_services_of(mesh, pattern, client_namespace)
        if visible:
            return visible
    return ()


def virtual_services_of(mesh: Mesh, host: Hostname, client_namespace: str | None) -> tuple[ObjectRef, ...]:
    """Those of them that name just this host."""
    refs = mesh.find(BY_HOST, host)
    return _in_precedence(mesh, refs, client_namespace) if refs else ()


def _in_precedence(mesh: Mesh, refs: Iterable[ObjectRef], client: str | None) -> tuple[ObjectRef, ...]:
    """Private to the client's namespace, then exported to it by name, then public; the oldest first in each."""
    ranked = []
    for virtual_service in (found for ref in refs if (found := mesh.get(VirtualService, ref))):
        owner = virtual_service.metadata.namespace
        seen_by = audiences(export_to(mesh, virtual_service), owner)
        if EVERYONE in seen_by:
            ranked.append((2, virtual_service.metadata.age, virtual_service.ref))
        elif client in seen_by:
            ranked.append((0 if owner == client else 1, virtual_service.metadata.age, virtual_service.ref))
    return tuple(ref for _, _, ref in sorted(ranked))


def export_to(mesh: Mesh, virtual_service: VirtualService) -> tuple[str, ...]:
    """The export list in force: the object's, else the mesh's default."""
    return virtual_service.spec.export_to or mesh_config.default_virtual_service_export_to(mesh)


def virtual_services_for_gateway(mesh: Mesh, gateway: ObjectRef, client_namespace: str) -> tuple[ObjectRef, ...]:
    """The VirtualServices that name a Gateway and that gateway proxies of the namespace see, oldest first."""
    found = [mesh.get(VirtualService, ref) for ref in mesh.find(BY_GATEWAY, gateway_attachment(gateway))]
    seen = [vs for vs in found if vs and is_visible(export_to(mesh, vs), vs.metadata.namespace, client_namespace)]
    return tuple(vs.ref for vs in sorted(seen, key=lambda vs: vs.metadata.age))


# What depends on the client


@query
def source_selectors(mesh: Mesh) -> tuple[Selector, ...]:
    """Every selector that any VirtualService's `sourceLabels` uses, sorted."""
    found = (mesh.get(VirtualService, ref) for ref in mesh.find(SOURCE_DEPENDENT, True))
    matches = [match for virtual_service in found if virtual_service for match in _source_matches(virtual_service)]
    return tuple(sorted({Selector.of(match.source_labels) for match in matches if match.source_labels}))


def depends_on_source(mesh: Mesh, ref: ObjectRef) -> bool:
    """Whether some rule of the VirtualService looks at the client's labels or namespace."""
    return ref in mesh.find(SOURCE_DEPENDENT, True)


def admits(match: HTTPMatchRequest, audience: Audience | None) -> bool:
    """Whether the match's conditions on the client hold; without an audience, whether it has none."""
    if match.source_labels and (audience is None or Selector.of(match.source_labels) not in audience.selectors):
        return False
    return not match.source_namespace or (audience is not None and match.source_namespace == audience.namespace)


@query
def source_dependent_hosts(mesh: Mesh) -> tuple[Hostname, ...]:
    """Hosts whose routes on sidecars may look at the client, sorted."""
    return _hosts_of(mesh, mesh.find(SOURCE_DEPENDENT, True))


@query
def privately_governed_hosts(mesh: Mesh, client_namespace: str) -> tuple[Hostname, ...]:
    """Hosts with a VirtualService on sidecars of this namespace that not everyone sees, sorted."""
    return _hosts_of(mesh, _exported_privately(mesh, client_namespace))


@query
def publicly_governed_hosts(mesh: Mesh) -> tuple[Hostname, ...]:
    """Hosts with a VirtualService on sidecars that everyone sees, sorted."""
    public = mesh.find(BY_EXPORT, EVERYONE)
    if EVERYONE in mesh_config.default_virtual_service_export_to(mesh):
        public = (*public, *mesh.find(BY_EXPORT, _DEFAULT_EXPORT))
    return _hosts_of(mesh, public)


def _exported_privately(mesh: Mesh, client_namespace: str) -> tuple[ObjectRef, ...]:
    defaults = mesh_config.default_virtual_service_export_to(mesh)
    named = mesh.find(BY_EXPORT, client_namespace)
    if EVERYONE in defaults:
        return named
    unlisted = mesh.find(BY_EXPORT, _DEFAULT_EXPORT)
    return (*named, *(ref for ref in unlisted if is_visible(defaults, ref.namespace, client_namespace)))


@query
def hosts_routed_to(mesh: Mesh, destination: Hostname) -> tuple[Hostname, ...]:
    """Hosts of the VirtualServices on sidecars that send requests to a host covered by this pattern, sorted."""
    return _hosts_of(mesh, mesh.find(BY_DESTINATION, destination))


def _hosts_of(mesh: Mesh, refs: Iterable[ObjectRef]) -> tuple[Hostname, ...]:
    found = (mesh.get(VirtualService, ref) for ref in refs)
    return tuple(
        sorted({host for virtual_service in found if virtual_service for host in _mesh_hosts(virtual_service)})
    )
