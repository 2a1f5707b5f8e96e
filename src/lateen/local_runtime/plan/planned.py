"""What a set of manifests would come to on this machine, without running anything. Pure.

The same functions plan the running mesh; here every pod is taken to run and to be ready.
"""

from collections.abc import Iterable, Sequence

from lateen.local_runtime.plan.gateway import MESH_CONFIG_MAP, ROOT_NAMESPACE, mesh_config_map, wanted_gateway
from lateen.local_runtime.plan.kinds import kind_of, plan_pods
from lateen.local_runtime.plan.services import endpoint_slices, mirrored_slices, own_addresses, with_cluster_ip
from lateen.local_runtime.plan.workloads import Json, with_addresses


def planned(objects: Sequence[Json]) -> list[Json]:
    """The objects with what the local mesh adds to them: the ingress gateway that Gateways ask for, pods of workloads,
    addresses and EndpointSlices of Services, and the mesh configuration.

    Pods that already have an address, and slices that are written out, stay as they are.
    """
    written = [_in_namespace(found) for found in objects]
    gateways = [found for found in written if found.get("kind") == "Gateway"]
    written += wanted_gateway(gateways, [found for found in written if found.get("kind") == "Pod" or kind_of(found)])
    others = [found for found in written if found.get("kind") not in ("Pod", "Service")]
    pods = _pods(written)
    services = _with_addresses(found for found in written if found.get("kind") == "Service")
    slices = [piece for service in services for piece in endpoint_slices(service, pods)]
    slices += [piece for found in written if found.get("kind") == "Endpoints" for piece in mirrored_slices(found)]
    return [*_with_mesh_config(others), *services, *pods, *slices]


def _in_namespace(found: Json) -> Json:
    metadata = {"namespace": "default", **(found.get("metadata") or {})}
    return {**found, "metadata": metadata}


def _pods(written: Iterable[Json]) -> list[Json]:
    wanted = [pod for found in written for pod in plan_pods(found)]
    placed = [pod for pod in wanted if (pod.get("status") or {}).get("podIP")]
    return [*placed, *with_addresses(pod for pod in wanted if pod not in placed)]


def _with_addresses(services: Iterable[Json]) -> list[Json]:
    taken: set[str] = set()
    placed = []
    for service in services:
        found = with_cluster_ip(service, taken)
        taken.update(own_addresses(found))
        placed.append(found)
    return placed


def _with_mesh_config(objects: Sequence[Json]) -> list[Json]:
    def is_ours(found: Json) -> bool:
        metadata = found["metadata"]
        names = (metadata.get("namespace"), metadata.get("name"))
        return found.get("kind") == "ConfigMap" and names == (ROOT_NAMESPACE, MESH_CONFIG_MAP)

    existing = next((found for found in objects if is_ours(found)), None)
    return [*(found for found in objects if not is_ours(found)), mesh_config_map(existing)]
