"""What the mesh derives from Services and pods: virtual addresses and EndpointSlices.

Pure functions of API objects (JSON values). The controllers write their results back to the object store.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from lateen.common.addresses import allocate, is_ipv6
from lateen.local_runtime.plan.workloads import NODE_NAME, Json, uid_of

SERVICE_NETWORK: Final = IPv4Network("198.19.0.0/16")
DNS_ADDRESS: Final = "198.19.0.10"

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
CONTROLLER: Final = "endpointslice-controller.k8s.io"
MIRROR: Final = "endpointslicemirroring-controller.k8s.io"

_SLICE_SIZE: Final = 100
"""Endpoints in one slice, as Kubernetes' controller has it."""


def is_headless(service: Json) -> bool:
    """Whether the Service has no address of its own and its name stands for its pods."""
    return _spec(service).get("clusterIP") == "None"


def is_external(service: Json) -> bool:
    return _spec(service).get("type") == "ExternalName"


def with_cluster_ip(service: Json, taken: Collection[str]) -> Json:
    """The Service with an address of the mesh's range, the same for the same name while it is free.

    A headless or ExternalName Service is returned as it is; so is one whose address is in the range and free. An
    address from outside the range would lead nowhere here, so it is replaced.
    """
    if is_external(service) or is_headless(service):
        return service
    wanted = _spec(service).get("clusterIP")
    if _in_range(wanted) and wanted not in taken:
        return service
    meta = service["metadata"]
    address = allocate(f"{meta.get('namespace', 'default')}/{meta['name']}", SERVICE_NETWORK, taken)
    spec = {**_spec(service), "clusterIP": address, "clusterIPs": [address]}
    return {**service, "spec": {**spec, "type": spec.get("type", "ClusterIP")}}


def selects(service: Json, pod: Json) -> bool:
    """Whether the Service's selector, if it has one, selects a pod of its namespace."""
    selector = _spec(service).get("selector")
    if not selector or pod["metadata"].get("namespace") != service["metadata"].get("namespace"):
        return False
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def endpoint_slices(service: Json, pods: Iterable[Json]) -> list[Json]:
    """The EndpointSlices of a Service with a selector, ordered by name; none for one without or an ExternalName.

    Pods with an address are listed until they have ended, those not ready with `ready: false`. Pods whose named target
    ports have different numbers go to different slices; a pod that lacks a named port is left out of that port's.
    """
    if is_external(service) or not _spec(service).get("selector"):
        return []
    groups: dict[str, list[Json]] = {}
    for pod in sorted(pods, key=lambda p: str(p["metadata"]["name"])):
        if selects(service, pod) and _has_endpoint(pod):
            ports = json.dumps(_resolved_ports(service, pod), sort_keys=True)
            groups.setdefault(ports, []).append(_endpoint(service, pod))
    if not groups:
        return [_slice(service, [], [], "")]
    slices = []
    for ports, endpoints in sorted(groups.items()):
        for start in range(0, len(endpoints), _SLICE_SIZE):
            key = f"{ports}{start}" if start or len(groups) > 1 else ""
            slices.append(_slice(service, json.loads(ports), endpoints[start : start + _SLICE_SIZE], key))
    return sorted(slices, key=lambda s: str(s["metadata"]["name"]))


def mirrored_slices(endpoints: Json) -> list[Json]:
    """The EndpointSlices that stand for a hand-written Endpoints object: one per subset and address family."""
    meta = endpoints["metadata"]
    if (meta.get("labels") or {}).get("endpointslice.kubernetes.io/skip-mirror") == "true":
        return []
    slices = []
    for index, subset in enumerate(endpoints.get("subsets") or ()):
        ports = [_port(p.get("name"), p.get("port"), p) for p in subset.get("ports") or ()]
        listed = [(a, True) for a in subset.get("addresses") or ()]
        listed += [(a, False) for a in subset.get("notReadyAddresses") or ()]
        for family in ("IPv4", "IPv6"):
            chosen = [_mirrored(a, ready) for a, ready in listed if is_ipv6(a["ip"]) == (family == "IPv6")]
            if chosen:
                slices.append(_slice(endpoints, ports, chosen, f"{family}{index}", manager=MIRROR, family=family))
    return sorted(slices, key=lambda s: str(s["metadata"]["name"]))


def ready_addresses(slices: Iterable[Json]) -> list[str]:
    """The addresses of the ready endpoints, in order, each once."""
    found: dict[str, None] = {}
    for piece in slices:
        for endpoint in piece.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready", True):
                found.update(dict.fromkeys(endpoint["addresses"]))
    return list(found)


def is_ready(pod: Json) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def container_port(pod: Json, target: int | str) -> int | None:
    """The number of a container port given by number or by name; None where no container has the name."""
    if isinstance(target, int):
        return target
    if target.isdigit():
        return int(target)
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == target:
                return int(port["containerPort"])
    return None


def _spec(service: Json) -> Json:
    return service.get("spec") or {}


def has_address(service: Json) -> bool:
    """Whether the Service has an address of the mesh's range."""
    return _in_range(_spec(service).get("clusterIP"))


def _in_range(address: object) -> bool:
    try:
        return IPv4Address(str(address)) in SERVICE_NETWORK and address != DNS_ADDRESS
    except ValueError:
        return False


def _has_endpoint(pod: Json) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in ("Succeeded", "Failed")


def _endpoint(service: Json, pod: Json) -> Json:
    meta, spec = pod["metadata"], pod["spec"]
    serving, terminating = is_ready(pod), "deletionTimestamp" in meta
    patient = bool(_spec(service).get("publishNotReadyAddresses"))
    endpoint: Json = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": patient or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": spec.get("nodeName", NODE_NAME),
        "targetRef": {"kind": "Pod", "namespace": meta.get("namespace"), "name": meta["name"]},
    }
    if meta.get("uid"):
        endpoint["targetRef"]["uid"] = meta["uid"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = spec["hostname"]
    return endpoint


def _resolved_ports(service: Json, pod: Json) -> list[Json]:
    ports = []
    for port in _spec(service).get("ports") or ():
        number = container_port(pod, port.get("targetPort", port["port"]))
        if number is not None:
            ports.append(_port(port.get("name"), number, port))
    return ports


def _port(name: object, number: object, declared: Mapping[str, Any]) -> Json:
    port: Json = {"name": name or "", "port": number, "protocol": declared.get("protocol", "TCP")}
    if declared.get("appProtocol"):
        port["appProtocol"] = declared["appProtocol"]
    return port


def _mirrored(address: Json, ready: bool) -> Json:
    endpoint: Json = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    return endpoint | {key: address[key] for key in ("hostname", "nodeName", "targetRef") if address.get(key)}


def _slice(
    owner: Json,
    ports: Sequence[Json],
    endpoints: Sequence[Json],
    key: str,
    *,
    manager: str = CONTROLLER,
    family: str = "IPv4",
) -> Json:
    meta = owner["metadata"]
    namespace, name = meta.get("namespace", "default"), meta["name"]
    labels = {**(meta.get("labels") or {}), SERVICE_NAME_LABEL: name, MANAGED_BY_LABEL: manager}
    if is_headless(owner):
        labels["service.kubernetes.io/headless"] = ""
    kind = "Endpoints" if manager == MIRROR else "Service"
    suffix = blake2b(f"{namespace}/{name}/{key}".encode(), digest_size=8).hexdigest()[:5]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{suffix}",
            "generateName": f"{name}-",
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": kind,
                    "name": name,
                    "uid": meta.get("uid") or uid_of(kind, namespace, name),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": family,
        "ports": list(ports),
        "endpoints": list(endpoints),
    }
