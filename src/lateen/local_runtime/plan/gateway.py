"""The ingress gateway and the mesh configuration that the local mesh brings where no manifest does. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from lateen.local_runtime.plan.workloads import Json

ROOT_NAMESPACE: Final = "istio-system"
GATEWAY_NAME: Final = "istio-ingressgateway"
GATEWAY_LABELS: Final[Mapping[str, str]] = {"app": GATEWAY_NAME, "istio": "ingressgateway"}

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "lateen"

MESH_CONFIG_MAP: Final = "istio"
CONTROL_SOCKET: Final = "unix:///var/run/lateen/xds.sock"

GATEWAY_PORTS: Final = (("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443))
"""Name, port of the Service, port of the pods."""


def wanted_gateway(gateways: Iterable[Json], workloads: Iterable[Json]) -> list[Json]:
    """The gateway's ServiceAccount, Deployment and Service if a Gateway selects them and no workload of the manifests
    (such as a Deployment or a bare Pod) is selected by that Gateway; else nothing.
    """
    brought = [_labels(w) for w in workloads if not is_ours(w)]
    for gateway in gateways:
        selector = (gateway.get("spec") or {}).get("selector") or {}
        if selector and _selects(selector, GATEWAY_LABELS) and not any(_selects(selector, each) for each in brought):
            return [_service_account(), _deployment(), _service()]
    return []


def is_ours(obj: Json) -> bool:
    """Whether the local mesh itself made the object."""
    return bool((obj["metadata"].get("labels") or {}).get(MANAGED_BY) == MANAGER)


def mesh_config_map(existing: Json | None) -> Json:
    """The mesh's ConfigMap: the one of the manifests with the local necessities in it, or one of our own.

    Raises `ValueError` for an existing one whose `mesh` is not a YAML mapping.
    """
    base: Json = existing or {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": MESH_CONFIG_MAP, "namespace": ROOT_NAMESPACE, "labels": {MANAGED_BY: MANAGER}},
    }
    data = base.get("data") or {}
    mesh = _mesh(str(data.get("mesh") or ""))
    proxy: Any = mesh.get("defaultConfig") or {}
    if not isinstance(proxy, dict):
        raise ValueError("data.mesh: defaultConfig must be a mapping")
    merged = {"accessLogFile": "/dev/stdout", **mesh, "defaultConfig": {**proxy, "discoveryAddress": CONTROL_SOCKET}}
    if merged == mesh:
        return base
    text = yaml.dump(merged, Dumper=yaml.CSafeDumper, sort_keys=False)
    return {**base, "data": {**data, "mesh": text}}


def _mesh(text: str) -> dict[str, Any]:
    try:
        mesh = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"data.mesh: is not YAML: {error}") from error
    if mesh is None:
        return {}
    if not isinstance(mesh, dict):
        raise ValueError("data.mesh: must be a YAML mapping")
    return mesh


def _labels(workload: Json) -> Mapping[str, str]:
    if workload.get("kind") == "Pod":
        return workload["metadata"].get("labels") or {}
    template = (workload.get("spec") or {}).get("template") or {}
    return (template.get("metadata") or {}).get("labels") or {}


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _metadata(name: str) -> Json:
    return {"name": name, "namespace": ROOT_NAMESPACE, "labels": {**GATEWAY_LABELS, MANAGED_BY: MANAGER}}


def _service_account() -> Json:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(f"{GATEWAY_NAME}-service-account")}


def _deployment() -> Json:
    template = {
        "metadata": {
            "labels": {**GATEWAY_LABELS, "sidecar.istio.io/inject": "true"},
            "annotations": {"inject.istio.io/templates": "gateway"},
        },
        "spec": {
            "serviceAccountName": f"{GATEWAY_NAME}-service-account",
            "containers": [
                {
                    "name": "istio-proxy",
                    "image": "auto",
                    "ports": [{"containerPort": port, "protocol": "TCP"} for _, _, port in GATEWAY_PORTS],
                }
            ],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(GATEWAY_NAME),
        "spec": {"replicas": 1, "selector": {"matchLabels": dict(GATEWAY_LABELS)}, "template": template},
    }


def _service() -> Json:
    ports = [
        {"name": name, "port": port, "targetPort": target, "protocol": "TCP"} for name, port, target in GATEWAY_PORTS
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(GATEWAY_NAME),
        "spec": {"type": "LoadBalancer", "selector": dict(GATEWAY_LABELS), "ports": ports},
    }
