"""Which pods a workload asks for: the pure half of what Kubernetes' Deployment controller does.

Objects are the JSON values of the API, since a pod template has to pass through whole. Everything is a function of its
arguments: names and addresses come from hashes, so `lateen translate` sees the pods that `lateen up` would run.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from ipaddress import IPv4Network
from typing import Any, Final
from uuid import UUID

from lateen.common.addresses import allocate

Json = dict[str, Any]

POD_NETWORK: Final = IPv4Network("198.18.0.0/16")
NODE_NAME: Final = "lateen"
NODE_ADDRESS: Final = "198.18.0.1"
"""The bridge of the mesh namespace: what pods see as their node, and where probes come from."""

TEMPLATE_HASH: Final = "pod-template-hash"

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_MAX_NAME: Final = 63


def template_hash(deployment: Json) -> str:
    """The label value that tells the pods of one template from those of another: 10 characters."""
    template = deployment.get("spec", {}).get("template", {})
    return _hashed(json.dumps(template, sort_keys=True, separators=(",", ":")), 10)


def replicas(deployment: Json) -> int:
    """How many pods are asked for; 1 where the field is absent."""
    count = deployment.get("spec", {}).get("replicas")
    return 1 if count is None else int(count)


def pod_names(deployment: Json) -> Iterator[str]:
    """Names for pods of the current template, without end; a controller takes those not in use."""
    base = _name_base(deployment)
    index = 0
    while True:
        yield base + _hashed(f"{_namespace(deployment)}/{base}{index}", 5)
        index += 1


def pod_of(deployment: Json, name: str) -> Json:
    """The Pod object of that name made from the Deployment's template, before injection."""
    template = deployment.get("spec", {}).get("template", {})
    meta = template.get("metadata") or {}
    hashed = template_hash(deployment)
    replica_set = f"{deployment['metadata']['name']}-{hashed}"
    namespace = _namespace(deployment)
    metadata: Json = {
        "name": name,
        "generateName": _name_base(deployment),
        "namespace": namespace,
        "labels": {**(meta.get("labels") or {}), TEMPLATE_HASH: hashed},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": replica_set,
                "uid": uid_of("ReplicaSet", namespace, replica_set),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if meta.get("annotations"):
        metadata["annotations"] = dict(meta["annotations"])
    spec = json.loads(json.dumps(template.get("spec") or {}))
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": with_pod_defaults(spec)}


def plan_pods(workload: Json) -> list[Json]:
    """The pods that a Deployment or a bare Pod asks for when nothing runs yet, without addresses.

    Other kinds ask for none.
    """
    match workload.get("kind"):
        case "Deployment":
            names = pod_names(workload)
            return [pod_of(workload, next(names)) for _ in range(replicas(workload))]
        case "Pod":
            pod = json.loads(json.dumps(workload))
            pod["metadata"].setdefault("namespace", "default")
            pod["spec"] = with_pod_defaults(pod.get("spec") or {})
            return [pod]
        case _:
            return []


def with_pod_defaults(spec: Json) -> Json:
    """The pod spec with what the API server fills in, as far as the mesh and the containers can see it."""
    return {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "nodeName": NODE_NAME,
        **{key: value for key, value in spec.items() if value is not None},
    }


def owned_by(pod: Json, deployment: Json) -> bool:
    """Whether the pod was made for this Deployment, from whichever template."""
    if pod["metadata"].get("namespace") != _namespace(deployment):
        return False
    hashed = (pod["metadata"].get("labels") or {}).get(TEMPLATE_HASH)
    wanted = f"{deployment['metadata']['name']}-{hashed}"
    owners = pod["metadata"].get("ownerReferences") or ()
    return hashed is not None and any(o.get("kind") == "ReplicaSet" and o.get("name") == wanted for o in owners)


def deployment_of(pod: Json) -> str | None:
    """The name of the Deployment that a pod was made for, or None."""
    hashed = (pod["metadata"].get("labels") or {}).get(TEMPLATE_HASH)
    for owner in pod["metadata"].get("ownerReferences") or ():
        if hashed and owner.get("kind") == "ReplicaSet" and owner.get("name", "").endswith(f"-{hashed}"):
            return str(owner["name"].removesuffix(f"-{hashed}"))
    return None


def check_deployment(deployment: Json) -> list[str]:
    """What is wrong with a Deployment that would keep its pods from being made; field paths first."""
    problems = []
    spec = deployment.get("spec") or {}
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    for key, value in wanted.items():
        if labels.get(key) != value:
            problems.append(
                f"spec.selector.matchLabels.{key}: {value!r} is not what the pod template has ({labels.get(key)!r}); "
                "the template's labels must match the selector"
            )
    if not (template.get("spec") or {}).get("containers"):
        problems.append("spec.template.spec.containers: a pod needs at least one container")
    count = spec.get("replicas")
    if count is not None and (not isinstance(count, int) or count < 0):
        problems.append(f"spec.replicas: {count!r} is not a number of pods; write 0 or more")
    return problems


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


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a Kubernetes label selector (`matchLabels`, `matchExpressions`) selects the labels; an empty one does."""
    selector = selector or {}
    equal = all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())
    return equal and all(_expression_holds(e, labels) for e in selector.get("matchExpressions") or ())


def _expression_holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def _ready_status(pod: Json, address: str) -> Json:
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": NODE_ADDRESS,
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": c.get("name"), "ready": True, "started": True} for c in pod["spec"].get("containers", ())
        ],
    }


def _name_base(deployment: Json) -> str:
    """What the pods' names begin with, cut so that five more characters make a valid name."""
    return f"{deployment['metadata']['name']}-{template_hash(deployment)}-"[-(_MAX_NAME - 5) :].lstrip("-.")


def _namespace(deployment: Json) -> str:
    return str(deployment["metadata"].get("namespace") or "default")


def _hashed(text: str, length: int) -> str:
    number = int.from_bytes(blake2b(text.encode(), digest_size=16).digest())
    characters = []
    for _ in range(length):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)
