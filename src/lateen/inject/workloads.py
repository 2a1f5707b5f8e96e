"""Injection into objects as people write them: the pod template of a workload of any kind, injected where it stands.

This is what `kube-inject` does to a document. Only the kind counts, whatever the version of its API.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from lateen.inject import pods
from lateen.inject.encoding import encoded
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, inject
from lateen.inject.owner import Owner, owner_of
from lateen.inject.pods import JsonMap
from lateen.inject.settings import Settings
from lateen.inject.shape_checks import check_shape

LIST: Final = "List"
_POD: Final = "Pod"

_TEMPLATE: Final = ("spec", "template")
_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    _POD: (),
    "ReplicationController": _TEMPLATE,
    "Deployment": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DeploymentConfig": _TEMPLATE,
}
"""By kind, where the pod template stands; a Pod is its own."""
_METADATA: Final[Mapping[str, tuple[str, ...]]] = {"CronJob": ("spec", "jobTemplate", "metadata")}
"""Where the pod's metadata stands, if not in the template."""

_WITH_METADATA: Final[JsonMap] = {"template": {"metadata": {}}}
_ALWAYS_THERE: Final[Mapping[str, JsonMap]] = {
    _POD: {"status": {}},
    "ReplicationController": {"spec": _WITH_METADATA, "status": {"replicas": 0}},
    "Deployment": {"spec": {"strategy": {}, **_WITH_METADATA}, "status": {}},
    "DaemonSet": {
        "spec": {"updateStrategy": {}, **_WITH_METADATA},
        "status": dict.fromkeys(
            ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"), 0
        ),
    },
    "ReplicaSet": {"spec": _WITH_METADATA, "status": {"replicas": 0}},
    "StatefulSet": {
        "spec": {"updateStrategy": {}, **_WITH_METADATA},
        "status": {"availableReplicas": 0, "replicas": 0},
    },
    "Job": {"spec": _WITH_METADATA, "status": {}},
    "CronJob": {"spec": {"jobTemplate": {"metadata": {}, "spec": _WITH_METADATA}}, "status": {}},
    "DeploymentConfig": {
        "spec": {"strategy": {"resources": {}}, "test": False, **_WITH_METADATA},
        "status": dict.fromkeys(
            (
                "availableReplicas",
                "latestVersion",
                "observedGeneration",
                "replicas",
                "unavailableReplicas",
                "updatedReplicas",
            ),
            0,
        ),
    },
}
"""By kind, the fields that its type writes even when they are empty."""
_CLAIM: Final[JsonMap] = {"spec": {"resources": {}}, "status": {}}


class Question(NamedTuple):
    """What injection is asked about a workload: its pod, the settings for it, and who makes it."""

    pod: JsonMap
    settings: Settings
    owner: Owner


class Rewritten(msgspec.Struct, frozen=True):
    """The object as it is to be printed, and a warning for each workload that is not injected."""

    object: JsonMap
    warnings: tuple[str, ...] = ()


def is_known(document: Mapping[str, Any]) -> bool:
    """Whether `rewritten` would touch it; others are to stay as they are written."""
    return document.get("kind") == LIST or is_workload(document)


def is_workload(document: Mapping[str, Any]) -> bool:
    """Whether it has a pod template, or is a pod."""
    return document.get("kind") in _TEMPLATES


def rewritten(document: Mapping[str, Any], settings: Settings) -> Rewritten:
    """A workload with its pods injected; a list with each of its workloads so, other items as they are.

    Raises `InjectionError`, which names the object.
    """
    if document.get("kind") != LIST:
        return _workload(document, settings)
    results = [_workload(item, settings) if is_workload(item) else Rewritten(item) for item in _items(document)]
    warnings = tuple(warning for result in results for warning in result.warnings)
    return Rewritten({"metadata": {}, **document, "items": [result.object for result in results]}, warnings)


def pod_of(workload: Mapping[str, Any]) -> JsonMap:
    """Metadata and spec of the pods that a workload makes. Raises `InjectionError` naming the field that is missing."""
    kind = str(workload["kind"])
    path = _TEMPLATES[kind]
    template = _object_at(workload, path)
    if template is None:
        raise InjectionError(f"{'.'.join(path)}: is missing; a {kind} needs a pod template")
    metadata = _object_at(workload, _METADATA[kind]) if kind in _METADATA else template.get("metadata")
    return {"metadata": metadata or {}, "spec": template.get("spec") or {}}


def name_of(workload: Mapping[str, Any]) -> str:
    """`KIND NAMESPACE/NAME` for messages; no namespace where none is written."""
    metadata = workload.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    namespace = metadata.get("namespace")
    name = metadata.get("name") or metadata.get("generateName") or "without a name"
    return f"{workload.get('kind')} {namespace}/{name}" if namespace else f"{workload.get('kind')} {name}"


def question(workload: Mapping[str, Any], settings: Settings) -> Question:
    """What is asked about it in a file, where an annotation's ProxyConfig counts for the mesh's too, except where the
    pod uses the host's network and nothing of it is looked at. Raises `InjectionError`."""
    pod = pod_of(workload)
    check_shape(pod)
    owner = _owner(workload, pod)
    if not pods.spec(pod).get("hostNetwork"):
        settings = settings.with_mesh_config_of(pods.annotations(pod))
    return Question(pod, settings, owner)


def workloads_of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The document, or the items of a list, as far as they are workloads. Raises `InjectionError`."""
    return [item for item in (_items(document) if document.get("kind") == LIST else [document]) if is_workload(item)]


def _items(document: Mapping[str, Any]) -> list[JsonMap]:
    items = [] if document.get("items") is None else document["items"]
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise InjectionError("List: items: expected a list of objects")
    return items


def _workload(workload: Mapping[str, Any], settings: Settings) -> Rewritten:
    try:
        pod, settings, owner = question(workload, settings)
        if pods.spec(pod).get("hostNetwork"):
            return Rewritten(_printed(workload), (_warning(owner, pod, "has host networking enabled"),))
        result = inject(pod, settings, owner)
    except (InjectionError, msgspec.ValidationError) as error:
        raise InjectionError(f"{name_of(workload)}: {error}") from error
    if isinstance(result, Injected):
        return Rewritten(_printed(_with_pod(workload, result.pod)))
    return Rewritten(_printed(workload), (_warning(owner, pod, "has sidecar injection disabled"),))


def _owner(workload: Mapping[str, Any], pod: Mapping[str, Any]) -> Owner:
    if workload["kind"] == _POD:
        return owner_of(pod)
    metadata = _object_at(workload, ("metadata",)) or {}
    version, name, namespace = workload.get("apiVersion"), metadata.get("name"), metadata.get("namespace")
    return Owner(str(version or ""), str(workload["kind"]), str(name or ""), str(namespace or ""))


def _warning(owner: Owner, pod: Mapping[str, Any], why: str) -> str:
    name = (pod.get("metadata") or {}).get("name") or owner.name
    full = f"{owner.namespace}/{name}" if owner.namespace else name
    return f'===> Skipping injection because {owner.kind} "{full}" {why}'


def _with_pod(workload: Mapping[str, Any], pod: JsonMap) -> JsonMap:
    kind = str(workload["kind"])
    path = _TEMPLATES[kind]
    result = _replaced(workload, (*path, "spec"), pod["spec"])
    return _replaced(result, _METADATA.get(kind, (*path, "metadata")), pod["metadata"])


def _printed(workload: Mapping[str, Any]) -> JsonMap:
    """The workload as its type is written."""
    kind = str(workload["kind"])
    result = encoded(workload)
    if isinstance(claims := (result.get("spec") or {}).get("volumeClaimTemplates"), list):
        filled = [_filled(claim, _CLAIM) if isinstance(claim, dict) else claim for claim in claims]
        result = _replaced(result, ("spec", "volumeClaimTemplates"), filled)
    result = _filled(result, _ALWAYS_THERE[kind])
    spec = (*_TEMPLATES[kind], "spec", "containers")
    return result if "containers" in (_object_at(result, spec[:-1]) or {}) else _replaced(result, spec, None)


def _filled(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> JsonMap:
    """The value with defaults where it has nothing."""
    result = dict(value)
    for key, default in defaults.items():
        found = result.get(key)
        if isinstance(default, Mapping) and (found is None or isinstance(found, Mapping)):
            result[key] = _filled(found or {}, default)
        elif found is None:
            result[key] = default
    return result


def _object_at(document: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any] | None:
    """The object at a path; None where it is missing."""
    found: Any = document
    for position, key in enumerate(path, 1):
        found = found.get(key)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise InjectionError(f"{'.'.join(path[:position])}: expected an object, not {found!r}")
    return found  # type: ignore[no-any-return]


def _replaced(document: Mapping[str, Any], path: Sequence[str], value: Any) -> JsonMap:
    head, *rest = path
    return {**document, head: _replaced(document.get(head) or {}, rest, value) if rest else value}
