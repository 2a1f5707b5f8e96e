"""The endpoints behind a service port, from the EndpointSlices that name the service."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from lateen.common.addresses import is_ipv6
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
    """What serves on a port of its addresses, one of each family; `workload` is None where no pod is known there."""

    addresses: tuple[str, ...]
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
    """The endpoints of a service port, by address: ready ones, those that are not, and those that leave.

    A pod that has an address in slices of either family is one endpoint, IPv4 first.
    """
    found: dict[tuple[object, bool], Endpoint] = {}
    for ref in mesh.find(SLICES_BY_SERVICE, (key.namespace, object_of(key).name)):
        piece = mesh.get(EndpointSlice, ref)
        if piece is None:
            continue
        numbers = [port.port for port in piece.ports if port.name == port_name and port.port is not None]
        for endpoint in piece.endpoints if numbers else ():
            if not endpoint.addresses or not is_address(endpoint.addresses[0]):
                continue  # a name: Envoy takes addresses only
            place = _pod_behind(endpoint, ref.namespace) or endpoint.addresses[0], numbers[0]
            made = _endpoint(mesh, endpoint, ref.namespace, numbers[0])
            found.setdefault((place, is_ipv6(endpoint.addresses[0])), made)
    return tuple(sorted(_joined(found), key=lambda endpoint: (endpoint.addresses, endpoint.port)))


def _joined(found: Mapping[tuple[object, bool], Endpoint]) -> Iterator[Endpoint]:
    for (place, ipv6), endpoint in found.items():
        other = found.get((place, not ipv6))
        if other is None:
            yield endpoint
        elif not ipv6:
            yield msgspec.structs.replace(endpoint, addresses=endpoint.addresses + other.addresses)


def _endpoint(mesh: Mesh, endpoint: SliceEndpoint, namespace: str, port: int) -> Endpoint:
    pod = _pod_behind(endpoint, namespace)
    behind = workload(mesh, pod) if pod is not None else None
    locality = behind.locality if behind is not None else Locality()
    if locality == Locality() and endpoint.zone:
        locality = Locality(zone=endpoint.zone)
    return Endpoint(endpoint.addresses[:1], port, _health(endpoint), locality, behind)


def _pod_behind(endpoint: SliceEndpoint, namespace: str) -> ObjectRef | None:
    target = endpoint.target_ref
    if target is None or target.kind != "Pod":
        return None
    return Pod.ref_to(target.namespace or namespace, target.name)


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
