"""How the control plane is found inside the mesh: Istio's name and ports for it. Pure."""

from collections.abc import Sequence
from typing import Final

from lateen.local_runtime.network.address_plan import GATEWAY
from lateen.local_runtime.plan.gateway import MANAGED_BY, MANAGER, ROOT_NAMESPACE
from lateen.local_runtime.plan.workloads import Json

NAME: Final = "istiod"
XDS_PORT: Final = 15010
MONITORING_PORT: Final = 15014

_PORTS: Final = (("grpc-xds", XDS_PORT), ("http-monitoring", MONITORING_PORT))


def control_plane_objects() -> list[Json]:
    """A Service without a selector, and the Endpoints behind it: the control plane is no pod."""
    ports = [{"name": name, "port": port, "protocol": "TCP"} for name, port in _PORTS]
    metadata = {"name": NAME, "namespace": ROOT_NAMESPACE, "labels": {"app": NAME, MANAGED_BY: MANAGER}}
    subsets = [{"addresses": [{"ip": GATEWAY}], "ports": ports}]
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "ClusterIP", "ports": ports}},
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets},
    ]


def with_control_plane(objects: Sequence[Json]) -> list[Json]:
    """The objects, and those by which the control plane is found, where they are not among them."""
    there = {_names(found) for found in objects}
    return [*objects, *(found for found in control_plane_objects() if _names(found) not in there)]


def _names(found: Json) -> tuple[object, ...]:
    metadata = found.get("metadata") or {}
    return found.get("kind"), metadata.get("namespace"), metadata.get("name")
