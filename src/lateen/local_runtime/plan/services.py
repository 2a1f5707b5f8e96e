"""What the mesh derives from Services and pods: virtual addresses and EndpointSlices.

Pure functions of API objects (JSON values). The controllers write their results back to the object store.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final

from lateen.common.addresses import allocate, is_ipv6
from lateen.local_runtime.network.address_plan import DNS_ADDRESS, VIP_NETWORK, ipv4_twin, ipv6_twin
from lateen.local_runtime.plan.workloads import NODE_NAME, Json, uid_of

SERVICE_NETWORK: Final = IPv4Network(VIP_NETWORK)

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
CONTROLLER: Final = "endpointslice-controller.k8s.io"
MIRROR: Final = "endpointslicemirroring-controller.k8s.io"

_FAMILIES: Final = ("IPv4", "IPv6")

_SLICE_SIZE: Final = 100
"""Endpoints in one slice, as Kubernetes' controller has it."""


def is_headless(service: Json) -> bool:
    """Whether the Service has no address of its own and its name stands for its pods."""
    return _spec(service).get("clusterIP") == "None"


def is_external(service: Json) -> bool:
    return _spec(service).get("type") == "ExternalName"


def families_of(service: Json) -> tuple[str, ...]:
    """The families of a Service's addresses, that of `clusterIP` first. Source: Kubernetes, dual stack."""
    spec = _spec(service)
    asked = [family for family in spec.get("ipFamilies") or () if family in _FAMILIES]
    if not asked:
        asked = ["IPv6" if is_ipv6(str(spec.get("clusterIP"))) else "IPv4"]
    single = "SingleStack" if len(asked) == 1 else "RequireDualStack"
    if spec.get("ipFamilyPolicy", single) == "SingleStack":
        return (asked[0],)
    return tuple(dict.fromkeys((*asked, *_FAMILIES)))


def with_cluster_ip(service: Json, taken: Collection[str], *, ipv6: bool = True) -> Json:
    """The Service with an address of the mesh's range per family, the same for the same name while it is free.

    A headless or ExternalName Service is returned as it is; so is one whose addresses are in the range and free. An
    address from outside the range would lead nowhere here, so it is replaced. Without IPv6 all have IPv4.
    """
    if not ipv6:
        service = _without_ipv6(service)
    if is_external(service) or is_headless(service):
        return service
    spec, families = _spec(service), families_of(service)
    given = [*(spec.get("clusterIPs") or ()), spec.get("clusterIP")]
    usable = [str(address) for address in given if _in_range(address) and address not in taken]
    addresses = _one_of_each(families, usable, service, taken)
    listed = {"clusterIP": addresses[0], "clusterIPs": addresses}
    if families != ("IPv4",):
        policy = "SingleStack" if len(families) == 1 else "RequireDualStack"
        listed |= {"ipFamilies": list(families), "ipFamilyPolicy": spec.get("ipFamilyPolicy", policy)}
    if all(spec.get(name) == value for name, value in listed.items() if name != "clusterIPs" or len(families) > 1):
        return service
    return {**service, "spec": {"type": "ClusterIP", **spec, **listed}}


def _without_ipv6(service: Json) -> Json:
    if families_of(service) == ("IPv4",):
        return service
    spec = {name: value for name, value in _spec(service).items() if not is_ipv6(str(value))}
    return {**service, "spec": {**spec, "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}}


def _one_of_each(families: Sequence[str], usable: Sequence[str], service: Json, taken: Collection[str]) -> list[str]:
    """An address per family: a usable one, else the twin of another of them, else one by the Service's name."""
    meta = service["metadata"]
    found = {family: next((a for a in usable if _family(a) == family), "") for family in families}
    slot = next(filter(None, found.values()), "")
    if not slot or _twin(slot) in taken:
        used = {address if _family(address) == "IPv4" else _twin(address) for address in taken if _in_range(address)}
        slot = allocate(f"{meta.get('namespace', 'default')}/{meta['name']}", SERVICE_NETWORK, used)
    pair = {_family(address): address for address in (slot, _twin(slot))}
    return [found[family] or pair[family] for family in families]


def _twin(address: str) -> str:
    return ipv4_twin(address) or ipv6_twin(address)


def _family(address: str) -> str:
    return "IPv6" if is_ipv6(address) else "IPv4"


def selects(service: Json, pod: Json) -> bool:
    """Whether the Service's selector, if it has one, selects a pod of its namespace."""
    selector = _spec(service).get("selector")
    if not selector or pod["metadata"].get("namespace") != service["metadata"].get("namespace"):
        return False
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def endpoint_slices(service: Json, pods: Iterable[Json]) -> list[Json]:
    """The EndpointSlices of a Service with a selector, ordered by name; none for one without or an ExternalName.

    Each family of the Service has its own. Pods with an address are listed until they have ended, those not ready with
    `ready: false`. Pods whose named target ports have different numbers go to different slices; a pod that lacks a
    named port is left out of that port's.
    """
    if is_external(service) or not _spec(service).get("selector"):
        return []
    chosen = [pod for pod in sorted(pods, key=lambda p: str(p["metadata"]["name"])) if selects(service, pod)]
    slices = [piece for family in families_of(service) for piece in _slices_of(service, chosen, family)]
    return sorted(slices, key=lambda s: str(s["metadata"]["name"]))


def _slices_of(service: Json, pods: Iterable[Json], family: str) -> Iterator[Json]:
    base = "" if family == "IPv4" else family
    groups: dict[str, list[Json]] = {}
    for pod in pods:
        address = _endpoint_address(pod, family)
        if address is not None:
            ports = json.dumps(_resolved_ports(service, pod), sort_keys=True)
            groups.setdefault(ports, []).append(_endpoint(service, pod, address))
    if not groups:
        yield _slice(service, [], [], base, family=family)
    for ports, endpoints in sorted(groups.items()):
        for start in range(0, len(endpoints), _SLICE_SIZE):
            key = f"{base}{ports}{start}" if start or len(groups) > 1 else base
            piece = endpoints[start : start + _SLICE_SIZE]
            yield _slice(service, json.loads(ports), piece, key, family=family)


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


def own_addresses(service: Json) -> tuple[str, ...]:
    """The addresses of the mesh's range that a Service has."""
    spec = _spec(service)
    listed = (*(spec.get("clusterIPs") or ()), spec.get("clusterIP"))
    return tuple(dict.fromkeys(str(address) for address in listed if _in_range(address)))


def _in_range(address: object) -> bool:
    """Whether it is an address for Services, of either family, and spelt as they are compared."""
    text = str(address)
    if is_ipv6(text):
        return _in_range(ipv4_twin(text)) and ipv6_twin(str(ipv4_twin(text))) == text
    try:
        return IPv4Address(text) in SERVICE_NETWORK and text != DNS_ADDRESS
    except ValueError:
        return False


def _endpoint_address(pod: Json, family: str) -> str | None:
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return None
    listed = (status.get("podIP"), *(one.get("ip") for one in status.get("podIPs") or ()))
    return next((str(address) for address in listed if address and _family(address) == family), None)


def _endpoint(service: Json, pod: Json, address: str) -> Json:
    meta, spec = pod["metadata"], pod["spec"]
    serving, terminating = is_ready(pod), "deletionTimestamp" in meta
    patient = bool(_spec(service).get("publishNotReadyAddresses"))
    endpoint: Json = {
        "addresses": [address],
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
