"""VirtualServices as ordered rules per host: which of them govern a host for a client, and what depends on the client.

Sidecars obey those bound to `mesh`, gateways those that name them. Source of precedence and of names: Istio,
VirtualService `hosts`, `gateways` and `exportTo`; the oldest wins everywhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from lateen.common.hosts import Hostname, expand, patterns_for
from lateen.common.labels import Selector
from lateen.config.kinds.virtual_service import MESH_GATEWAY, HTTPMatchRequest, VirtualService
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.incremental.tables import Index
from lateen.model import mesh_config
from lateen.model.audience import Audience
from lateen.model.mesh import Mesh
from lateen.model.visibility import EVERYONE, audiences, is_visible

_DEFAULT_EXPORT: Final = ""
_ALL: Final = ""


def attachments(gateways: Sequence[str], namespace: str) -> tuple[str, ...]:
    """Gateway names as written in an object of `namespace`, each `mesh` or `<namespace>/<name>`; none means `mesh`."""
    return tuple(_attachment(name, namespace) for name in gateways) or (MESH_GATEWAY,)


def _attachment(name: str, namespace: str) -> str:
    if name == MESH_GATEWAY:
        return MESH_GATEWAY
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
    return hosts(virtual_service) if MESH_GATEWAY in bound_to(virtual_service) else ()


def _mesh_exports(virtual_service: VirtualService) -> Iterable[str]:
    if MESH_GATEWAY not in bound_to(virtual_service):
        return ()
    if not virtual_service.spec.export_to:
        return (_DEFAULT_EXPORT,)
    return audiences(virtual_service.spec.export_to, virtual_service.metadata.namespace)


def _destination_patterns(virtual_service: VirtualService) -> Iterable[Hostname]:
    if MESH_GATEWAY not in bound_to(virtual_service):
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


def _source_dependent(virtual_service: VirtualService) -> Iterable[ObjectRef | str]:
    return (_ALL, virtual_service.ref) if any(True for _ in _source_matches(virtual_service)) else ()


BY_HOST = Index(VirtualService, _mesh_hosts, "virtual services by host")
BY_EXPORT = Index(VirtualService, _mesh_exports, "virtual services by export")
BY_GATEWAY = Index(VirtualService, bound_to, "virtual services by gateway")
BY_DESTINATION = Index(VirtualService, _destination_patterns, "virtual services by destination")
SOURCE_DEPENDENT = Index(VirtualService, _source_dependent, "source-dependent virtual services")
"""All of them in one bucket, and each in one of its own: whether one is there is asked more often than which are."""


class Outline(msgspec.Struct, frozen=True):
    """All of a VirtualService but its rules: what decides whether, where and before which others it governs a host."""

    ref: ObjectRef
    hosts: tuple[Hostname, ...]
    attachments: tuple[str, ...]
    export_to: tuple[str, ...]
    age: tuple[datetime, str, str]

    @property
    def mesh_hosts(self) -> tuple[Hostname, ...]:
        """Those that it governs on sidecars."""
        return self.hosts if MESH_GATEWAY in self.attachments else ()


@query
def outline(mesh: Mesh, ref: ObjectRef) -> Outline | None:
    """Whoever asks for this is spared the edits of rules, which are frequent."""
    found = mesh.get(VirtualService, ref)
    if found is None:
        return None
    return Outline(ref, hosts(found), bound_to(found), found.spec.export_to, found.metadata.age)


def _outlines(mesh: Mesh, refs: Iterable[ObjectRef]) -> list[Outline]:
    return [found for ref in refs if (found := outline(mesh, ref)) is not None]


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
    for found in _outlines(mesh, refs):
        owner = found.ref.namespace
        seen_by = audiences(_export_to(mesh, found), owner)
        if EVERYONE in seen_by:
            ranked.append((2, found.age, found.ref))
        elif client in seen_by:
            ranked.append((0 if owner == client else 1, found.age, found.ref))
    return tuple(ref for _, _, ref in sorted(ranked))


def _export_to(mesh: Mesh, found: Outline) -> tuple[str, ...]:
    """The export list in force: the object's, else the mesh's default."""
    return found.export_to or mesh_config.default_virtual_service_export_to(mesh)


def virtual_services_for_gateway(mesh: Mesh, gateway: ObjectRef, client_namespace: str) -> tuple[Outline, ...]:
    """The VirtualServices that name a Gateway and that gateway proxies of the namespace see, oldest first."""
    found = _outlines(mesh, mesh.find(BY_GATEWAY, gateway_attachment(gateway)))
    seen = [each for each in found if is_visible(_export_to(mesh, each), each.ref.namespace, client_namespace)]
    return tuple(sorted(seen, key=lambda each: each.age))


# What depends on the client


@query
def source_selectors(mesh: Mesh) -> tuple[Selector, ...]:
    """Every selector that any VirtualService's `sourceLabels` uses, sorted."""
    found = (mesh.get(VirtualService, ref) for ref in mesh.find(SOURCE_DEPENDENT, _ALL))
    matches = [match for virtual_service in found if virtual_service for match in _source_matches(virtual_service)]
    return tuple(sorted({Selector.of(match.source_labels) for match in matches if match.source_labels}))


def depends_on_source(mesh: Mesh, ref: ObjectRef) -> bool:
    """Whether some rule of the VirtualService looks at the client's labels or namespace."""
    return bool(mesh.find(SOURCE_DEPENDENT, ref))


def admits(match: HTTPMatchRequest, audience: Audience | None) -> bool:
    """Whether the match's conditions on the client hold; without an audience, whether it has none."""
    if match.source_labels and (audience is None or Selector.of(match.source_labels) not in audience.selectors):
        return False
    return not match.source_namespace or (audience is not None and match.source_namespace == audience.namespace)


@query
def source_dependent_hosts(mesh: Mesh) -> tuple[Hostname, ...]:
    """Hosts whose routes on sidecars may look at the client, sorted."""
    return _hosts_of(mesh, mesh.find(SOURCE_DEPENDENT, _ALL))


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
    return tuple(sorted({host for found in _outlines(mesh, refs) for host in found.mesh_hosts}))
