"""Pages about the mesh, whoever is connected: objects, services, endpoints, settings."""

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.config.conform import nearest
from lateen.config.convert import to_plain
from lateen.config.decode import encode
from lateen.config.kinds.mesh_config import MESH_CONFIG_REF, MeshConfig
from lateen.config.kinds.secret import Secret
from lateen.config.objects import ConfigObject
from lateen.config.schema import SCHEMAS, KindSchema, schema_of
from lateen.control_plane.debug.page import Json, Known, PageError, Query, later
from lateen.model.endpoints import Endpoint, endpoints_of
from lateen.model.mesh import Mesh
from lateen.model.services import Service, service, service_namespaces, services_in
from lateen.translate import names

_REGISTRY = "Kubernetes"
_SHARD = f"{_REGISTRY}/{_REGISTRY}"


def configz(known: Known, query: Query) -> list[Any]:
    """Objects as Kubernetes writes them, by kind, namespace and name."""
    wanted = _kind(query.get("kind")) if query.get("kind") else None
    found = sorted(known.store.objects(), key=lambda each: each.ref)
    schemas = ((each, schema_of(each)) for each in found)
    return [
        later(_as_written, each, schema)
        for each, schema in schemas
        if schema is not None and (wanted is None or schema == wanted)
    ]


def _kind(text: str) -> KindSchema:
    by_name = {name.lower(): each for each in SCHEMAS for name in (each.kind, each.plural, *each.short_names)}
    found = by_name.get(text.lower())
    if found is None:
        near = nearest(text.lower(), list(by_name))
        hint = f"did you mean {by_name[near].kind}?" if near else f"there are {', '.join(s.kind for s in SCHEMAS)}"
        raise PageError(400, f"there is no kind {text!r}; {hint}")
    return found


def _as_written(found: ConfigObject, schema: KindSchema) -> Json:
    plain = encode(found, schema)
    if isinstance(found, Secret):  # a page is no place for keys
        plain = {name: value for name, value in plain.items() if name not in ("data", "stringData")}
        plain["data"] = {key: f"({len(value)} bytes, not shown)" for key, value in found.content.items()}
    return plain


def resourcesz(_known: Known, _query: Query) -> list[Json]:
    """The kinds that are read, as group, version and kind."""
    return [{"Group": each.group, "Version": each.versions[0], "Kind": each.kind} for each in SCHEMAS]


def mesh(known: Known, _query: Query) -> Json:
    """MeshConfig; fields that have their default value are left out."""
    found = known.store.get(MESH_CONFIG_REF)
    return to_plain((found if isinstance(found, MeshConfig) else MeshConfig()).spec)


def registryz(known: Known, _query: Query) -> list[Json]:
    """Every service, by host name."""
    return [
        {
            "Attributes": {"ServiceRegistry": _REGISTRY, "Name": each.name, "Namespace": each.key.namespace},
            "hostname": each.key.hostname,
            "defaultAddress": each.addresses[0] if each.addresses else "0.0.0.0",
            "addresses": list(each.addresses),
            "ports": [{"name": p.name, "port": p.number, "protocol": p.protocol.upper()} for p in each.ports],
            "Resolution": "Passthrough" if each.headless else "ClientSideLB",
        }
        for each in services(known.publisher.mesh)
    ]


def services(found_in: Mesh) -> list[Service]:
    """Every service of the mesh, by host name."""
    keys = (key for namespace in service_namespaces(found_in) for key in services_in(found_in, namespace))
    found = (service(found_in, key) for key in keys)
    return sorted((each for each in found if each is not None), key=lambda each: each.key)


def endpoint_shardz(known: Known, _query: Query) -> Json:
    """Endpoints by host name, namespace, then registry and cluster that they come from."""
    found: Json = {}
    for each in services(known.publisher.mesh):
        endpoints = {port.name: endpoints_of(known.publisher.mesh, each.key, port.name) for port in each.ports}
        found.setdefault(each.key.hostname, {})[each.key.namespace] = {"Shards": {_SHARD: later(_shard, endpoints)}}
    return found


def _shard(endpoints: Mapping[str, Iterable[Endpoint]]) -> list[Json]:
    return [_endpoint(each, port_name) for port_name, found in endpoints.items() for each in found]


def _endpoint(endpoint: Endpoint, port_name: str) -> Json:
    shown: Json = {
        "Addresses": list(endpoint.addresses),
        "EndpointPort": endpoint.port,
        "ServicePortName": port_name,
        "HealthStatus": endpoint.health,
    }
    place = endpoint.locality
    if label := "/".join((place.region, place.zone, place.subzone)).rstrip("/"):
        shown["Locality"] = label
    if endpoint.workload is not None:
        shown |= {
            "Namespace": endpoint.workload.namespace,
            "WorkloadName": endpoint.workload.name,
            "ServiceAccount": endpoint.workload.service_account,
            "Labels": dict(endpoint.workload.labels),
        }
    return shown


def without_endpoints(found_in: Mesh) -> list[str]:
    """Names of the clusters of service ports behind which there is nobody."""
    return [
        names.outbound_cluster(port.number, "", each.key.hostname)
        for each in services(found_in)
        for port in each.proxied_ports
        if not endpoints_of(found_in, each.key, port.name)
    ]
