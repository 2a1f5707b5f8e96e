"""Pods made from templates: names, owners, defaults and addresses, whatever kind of workload asks for them.

Objects are the JSON values of the API, since a pod template has to pass through whole. Everything is a function of its
arguments: names and addresses come from hashes, so `lateen translate` sees the pods that `lateen up` would run.
"""

import json
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from ipaddress import IPv4Network
from typing import Any, Final
from uuid import UUID

from lateen.common.addresses import allocate
from lateen.local_runtime.network.address_plan import ipv6_twin

Json = dict[str, Any]

POD_NETWORK: Final = IPv4Network("198.18.0.0/16")
NODE_NAME: Final = "lateen"
NODE_ADDRESS: Final = "198.18.0.1"
"""The bridge of the mesh namespace: what pods see as their node, and where probes come from."""

TEMPLATE_HASH: Final = "pod-template-hash"

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_MAX_NAME: Final = 63


def template_hash(workload: Json) -> str:
    """The label value that tells the pods of one template from those of another: 10 characters."""
    template = workload.get("spec", {}).get("template", {})
    return _hashed(json.dumps(template, sort_keys=True, separators=(",", ":")), 10)


def replicas(workload: Json) -> int:
    """How many pods are asked for; 1 where the field is absent."""
    count = workload.get("spec", {}).get("replicas")
    return 1 if count is None else int(count)


def hashed_names(workload: Json, base: str) -> Iterator[str]:
    """Names of pods that begin with `base`, cut to be valid, without end; a controller takes those not in use."""
    base = base[-(_MAX_NAME - 5) :].lstrip("-.")
    index = 0
    while True:
        yield base + _hashed(f"{namespace_of(workload)}/{base}{index}", 5)
        index += 1


def pod_names(deployment: Json) -> Iterator[str]:
    """Names for pods of a Deployment's current template, without end."""
    return hashed_names(deployment, _name_base(deployment))


def pod_of(deployment: Json, name: str) -> Json:
    """The Pod object of that name made from the Deployment's template, before injection."""
    hashed = template_hash(deployment)
    replica_set = f"{deployment['metadata']['name']}-{hashed}"
    owner = owner_reference("apps/v1", "ReplicaSet", namespace_of(deployment), replica_set)
    base = _name_base(deployment)[-(_MAX_NAME - 5) :].lstrip("-.")
    return pod_from_template(deployment, name, base, owner, {TEMPLATE_HASH: hashed})


def pod_from_template(
    workload: Json, name: str, generate_name: str, owner: Json, labels: Mapping[str, str] = types.MappingProxyType({})
) -> Json:
    """A Pod object made from a workload's template with some more labels, before injection."""
    template = workload.get("spec", {}).get("template", {})
    meta = template.get("metadata") or {}
    metadata: Json = {
        "name": name,
        "generateName": generate_name,
        "namespace": namespace_of(workload),
        "labels": {**(meta.get("labels") or {}), **labels},
        "ownerReferences": [owner],
    }
    if meta.get("annotations"):
        metadata["annotations"] = dict(meta["annotations"])
    spec = json.loads(json.dumps(template.get("spec") or {}))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": with_pod_defaults(spec)}


def owner_reference(api_version: str, kind: str, namespace: str, name: str, uid: str | None = None) -> Json:
    """The reference of a pod to the object that has made it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid or uid_of(kind, namespace, name),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def reference_to(workload: Json) -> Json:
    """The reference of a pod to its workload."""
    meta = workload["metadata"]
    return owner_reference(
        workload["apiVersion"], workload["kind"], namespace_of(workload), meta["name"], meta.get("uid")
    )


def with_pod_defaults(spec: Json) -> Json:
    """The pod spec with what the API server fills in, as far as the mesh and the containers can see it."""
    return {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "nodeName": NODE_NAME,
        **{key: value for key, value in spec.items() if value is not None},
    }


def deployment_of(pod: Json) -> str | None:
    """The name of the Deployment that a pod was made for, or None."""
    hashed = (pod["metadata"].get("labels") or {}).get(TEMPLATE_HASH)
    for owner in pod["metadata"].get("ownerReferences") or ():
        if hashed and owner.get("kind") == "ReplicaSet" and owner.get("name", "").endswith(f"-{hashed}"):
            return str(owner["name"].removesuffix(f"-{hashed}"))
    return None


def pod_address(pod: Json, taken: Collection[str]) -> str:
    """The address of a pod: the same for the same namespace and name while it is free."""
    meta = pod["metadata"]
    return allocate(f"{meta.get('namespace', 'default')}/{meta['name']}", POD_NETWORK, taken)


def with_addresses(pods: Iterable[Json]) -> list[Json]:
    """The pods as if all of them ran and were ready: each with an address, in order, and the status that says so."""
    taken: set[str] = set()
    placed = []
    for pod in pods:
        address = pod_address(pod, taken)
        taken.add(address)
        placed.append({**pod, "status": _ready_status(pod, address)})
    return placed


def uid_of(kind: str, namespace: str, name: str) -> str:
    """A uid for an object that exists only by name: the same names, the same uid."""
    return str(UUID(bytes=blake2b(f"{kind}/{namespace}/{name}".encode(), digest_size=16).digest(), version=4))


def _ready_status(pod: Json, address: str) -> Json:
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}, {"ip": ipv6_twin(address)}],
        "hostIP": NODE_ADDRESS,
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": c.get("name"), "ready": True, "started": True} for c in pod["spec"].get("containers", ())
        ],
    }


def namespace_of(workload: Json) -> str:
    return str(workload["metadata"].get("namespace") or "default")


def is_ending(pod: Json) -> bool:
    """Whether the pod has been told to end."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def _name_base(deployment: Json) -> str:
    return f"{deployment['metadata']['name']}-{template_hash(deployment)}-"


def _hashed(text: str, length: int) -> str:
    number = int.from_bytes(blake2b(text.encode(), digest_size=16).digest())
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)
