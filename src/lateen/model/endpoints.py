"""The endpoints behind a service port, from the EndpointSlices that name the service."""

from enum import StrEnum

import msgspec

from lateen.common.hosts import is_address
from lateen.config.kinds.endpoint_slice import EndpointSlice, SliceEndpoint
from lateen.config.kinds.pod import Pod
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.incremental.tables import Index
from lateen.model.mesh import Mesh
from lateen.model.services import ServiceKey, object_of
from lateen.model.workloads import Locality, Workload, workload


class Health(StrEnum):
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    DRAINING = "DRAINING"


class Endpoint(msgspec.Struct, frozen=True):
    """An address and port that serves; `workload` is None where no pod is known to be behind it."""

    address: str
    port: int
    health: Health
    locality: Locality
    workload: Workload | None = None


class SlicePorts(msgspec.Struct, frozen=True):
    """The part of a slice that does not depend on who is in it: port name to target port."""

    service: ObjectRef | None
    ports: tuple[tuple[str, int], ...]


SLICES_BY_SERVICE = Index(
    EndpointSlice,
    keys=lambda piece: ((piece.metadata.namespace, piece.service_name),) if piece.service_name else (),
    name="slices by service",
)

SLICES_BY_ADDRESS = Index(
    EndpointSlice,
    keys=lambda piece: tuple(address for endpoint in piece.endpoints for address in endpoint.addresses),
    name="slices by address",
)


@query
def endpoints_of(mesh: Mesh, key: ServiceKey, port_name: str) -> tuple[Endpoint, ...]:
    """The endpoints of a service port, by address: ready ones, those that are not, and those that leave."""
    found: dict[tuple[str, int], Endpoint] = {}
    for ref in mesh.find(SLICES_BY_SERVICE, (key.namespace, object_of(key).name)):
        piece = mesh.get(EndpointSlice, ref)
        if piece is None:
            continue
        numbers = [port.port for port in piece.ports if port.name == port_name and port.port is not None]
        for endpoint in piece.endpoints if numbers else ():
            if not endpoint.addresses or not is_address(endpoint.addresses[0]):
                continue  # a name: Envoy takes addresses only
            made = _endpoint(mesh, endpoint, ref.namespace, numbers[0])
            found.setdefault((made.address, made.port), made)
    return tuple(found[place] for place in sorted(found))


def _endpoint(mesh: Mesh, endpoint: SliceEndpoint, namespace: str, port: int) -> Endpoint:
    target = endpoint.target_ref
    behind = None
    if target is not None and target.kind == "Pod":
        behind = workload(mesh, Pod.ref_to(target.namespace or namespace, target.name))
    locality = behind.locality if behind is not None else Locality()
    if locality == Locality() and endpoint.zone:
        locality = Locality(zone=endpoint.zone)
    return Endpoint(endpoint.addresses[0], port, _health(endpoint), locality, behind)


def _health(endpoint: SliceEndpoint) -> Health:
    conditions = endpoint.conditions
    if conditions.terminating:
        return Health.DRAINING
    return Health.UNHEALTHY if conditions.ready is False else Health.HEALTHY


@query
def slice_ports(mesh: Mesh, ref: ObjectRef) -> SlicePorts:
    """What a slice says of its ports; equal while only its endpoints change."""
    piece = mesh.get(EndpointSlice, ref)
    if piece is None or piece.service_name is None:
        return SlicePorts(None, ())
    owner = object_of_slice(piece)
    return SlicePorts(owner, tuple((port.name, port.port) for port in piece.ports if port.port is not None))


def object_of_slice(piece: EndpointSlice) -> ObjectRef:
    """The Service object that a slice belongs to."""
    return ObjectRef("", "Service", piece.metadata.namespace, piece.service_name or "")
