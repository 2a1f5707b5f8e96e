"""What the mesh's Services mean to DNS and to the kernel: a zone of names, and the rules of virtual addresses. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, Literal, get_args

from lateen.common.hosts import service_hostname
from lateen.local_runtime.network.dns import ServiceTarget, Zone
from lateen.local_runtime.network.service_rules import Backend, ServiceRule
from lateen.local_runtime.plan.services import (
    SERVICE_NAME_LABEL,
    is_external,
    is_headless,
    own_addresses,
    ready_addresses,
)
from lateen.local_runtime.plan.workloads import Json

_MAX_ALIASES: Final = 8

Transport = Literal["tcp", "udp"]

SlicesByService = Mapping[tuple[str, str], Sequence[Json]]


def by_service(slices: Iterable[Json]) -> SlicesByService:
    """EndpointSlices by namespace and name of the Service they belong to."""
    found: dict[tuple[str, str], list[Json]] = {}
    for piece in slices:
        meta = piece["metadata"]
        owner = (meta.get("labels") or {}).get(SERVICE_NAME_LABEL)
        if owner:
            found.setdefault((meta.get("namespace", "default"), owner), []).append(piece)
    return found


def zone_of(services: Iterable[Json], slices: SlicesByService) -> Zone:
    """All names of the cluster's domain.

    A Service's name stands for its address, a headless one's for its ready endpoints; an endpoint with a host name has
    a name of its own under its headless Service. An ExternalName is followed as long as it stays among these names.
    """
    addresses: dict[str, tuple[str, ...]] = {}
    targets: dict[str, tuple[ServiceTarget, ...]] = {}
    aliases: dict[str, str] = {}
    for service in services:
        namespace, name = _identity(service)
        host = service_hostname(name, namespace)
        if is_external(service):
            aliases[host] = str(service["spec"].get("externalName", "")).rstrip(".").lower()
        elif is_headless(service):
            addresses |= _headless(host, slices.get((namespace, name), ()))
        elif own := own_addresses(service):
            addresses[host] = own
        for port in (service.get("spec") or {}).get("ports") or ():
            if port.get("name"):
                transport = str(port.get("protocol", "TCP")).lower()
                targets[f"_{port['name']}._{transport}.{host}"] = (ServiceTarget(host, int(port["port"])),)
    for alias in aliases:
        found = _followed(alias, aliases, addresses)
        if found is not None:
            addresses[alias] = found
    return Zone(addresses, targets)


def service_rules(services: Iterable[Json], slices: SlicesByService) -> list[ServiceRule]:
    """One rule per address and port of each Service: where the kernel sends what no sidecar has routed."""
    rules = []
    for service in services:
        for address in map(ip_address, own_addresses(service)):
            for port in service["spec"].get("ports") or ():
                transport = _transport(port)
                if transport is not None:
                    pieces = slices.get(_identity(service), ())
                    backends = _backends(str(port.get("name") or ""), pieces, address.version)
                    rules.append(ServiceRule(address, transport, int(port["port"]), backends))
    return rules


def _transport(port: Json) -> Transport | None:
    lowered = str(port.get("protocol", "TCP")).lower()
    return next((transport for transport in get_args(Transport) if transport == lowered), None)


def _backends(port: str, slices: Sequence[Json], version: int) -> tuple[Backend, ...]:
    found: dict[Backend, None] = {}
    for piece in slices:
        for declared in piece.get("ports") or ():
            if (declared.get("name") or "") == port and declared.get("port"):
                for address in map(ip_address, ready_addresses([piece])):
                    if address.version == version:
                        found[Backend(address, int(declared["port"]))] = None
    return tuple(found)


def _headless(host: str, slices: Sequence[Json]) -> dict[str, tuple[str, ...]]:
    records = {host: tuple(ready_addresses(slices))}
    for piece in slices:
        for endpoint in piece.get("endpoints") or ():
            if endpoint.get("hostname") and (endpoint.get("conditions") or {}).get("ready", True):
                name = f"{endpoint['hostname']}.{host}"
                records[name] = (*records.get(name, ()), *endpoint["addresses"])
    return records


def _followed(
    name: str, aliases: Mapping[str, str], addresses: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...] | None:
    for _ in range(_MAX_ALIASES):
        if name not in aliases:
            return addresses.get(name)
        name = aliases[name]
    return None


def _identity(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", "default"), obj["metadata"]["name"]
