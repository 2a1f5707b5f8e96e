"""StatefulSets: pods with a name, a host name and claims of their own, in the order of their numbers. Pure.

One difference from Kubernetes: an old pod that is not ready never stands in the way of the template that replaces it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from lateen.local_runtime.plan.availability import is_available, until_available
from lateen.local_runtime.plan.daemon_sets import REVISION_HASH
from lateen.local_runtime.plan.replica_sets import failure_condition
from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import (
    Json,
    is_ending,
    namespace_of,
    pod_from_template,
    reference_to,
    replicas,
    template_hash,
)

_POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
_POD_INDEX: Final = "apps.kubernetes.io/pod-index"


def initial_names(stateful_set: Json) -> tuple[str, ...]:
    """All names, in order."""
    start = int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)
    name = stateful_set["metadata"]["name"]
    return tuple(f"{name}-{number}" for number in range(start, start + replicas(stateful_set)))


def pod_of(stateful_set: Json, name: str) -> Json:
    """The pod of a number: its host name is its name, and `spec.serviceName` gives it a name in DNS."""
    labels = {_POD_NAME: name, _POD_INDEX: str(_number(name)), REVISION_HASH: _revision(stateful_set)}
    pod = pod_from_template(
        stateful_set, name, f"{stateful_set['metadata']['name']}-", reference_to(stateful_set), labels
    )
    pod["spec"]["hostname"] = name
    if stateful_set["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = stateful_set["spec"]["serviceName"]
    claims = [template["metadata"]["name"] for template in _claim_templates(stateful_set)]
    others = [volume for volume in pod["spec"].get("volumes") or () if volume["name"] not in claims]
    if claims:
        pod["spec"]["volumes"] = [
            *({"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{name}"}} for claim in claims),
            *others,
        ]
    return pod


def claims_of(stateful_set: Json, name: str) -> list[Json]:
    """The PersistentVolumeClaims of the pod of that name; they outlive it."""
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                **template["metadata"],
                "name": f"{template['metadata']['name']}-{name}",
                "namespace": namespace_of(stateful_set),
            },
            "spec": template.get("spec") or {},
        }
        for template in _claim_templates(stateful_set)
    ]


def next_step(stateful_set: Json, pods: Sequence[Json], taken: Collection[str], now: datetime) -> Step:
    """Pods are made in order, each once the one before is available, and ended and replaced in the reverse order.

    With `podManagementPolicy: Parallel` they are made and ended all at once; replaced one after the other even then.
    """
    wanted = initial_names(stateful_set)
    there = {pod["metadata"]["name"]: pod for pod in pods}
    parallel = stateful_set["spec"].get("podManagementPolicy") == "Parallel"
    again = until_available(stateful_set, pods, now)
    missing = tuple(name for name in wanted if name not in there and name not in taken)
    if not parallel:
        for name in wanted:
            if name not in there:
                return Step(create=(name,) if name in missing else ())
            if is_ending(there[name]) or not is_available(stateful_set, there[name], now):
                return Step(delete=_stuck(stateful_set, there[name]), again=again)
    condemned = sorted((pod for name, pod in there.items() if name not in wanted), key=_number_of, reverse=True)
    if not parallel and condemned:
        return Step(delete=_alive(condemned[:1]), again=again)
    if missing or condemned:
        return Step(create=missing, delete=_alive(condemned), again=again)
    return Step(delete=_replaced(stateful_set, [there[name] for name in wanted if name in there], now), again=again)


def status(stateful_set: Json, pods: Sequence[Json], failures: Sequence[str], now: datetime) -> Json:
    live = [pod for pod in pods if not is_ending(pod)]
    updated = sum(_is_current(stateful_set, pod) for pod in live)
    revision = _revision(stateful_set)
    before = (stateful_set.get("status") or {}).get("currentRevision") or revision
    done = updated == len(live) == replicas(stateful_set) and all(map(is_ready, live))
    found: Json = {
        "replicas": len(live),
        "readyReplicas": sum(map(is_ready, live)),
        "availableReplicas": sum(is_available(stateful_set, pod, now) for pod in live),
        "currentReplicas": len(live) if done else len(live) - updated if before != revision else updated,
        "updatedReplicas": updated,
        "currentRevision": revision if done else before,
        "updateRevision": revision,
        "collisionCount": 0,
        "observedGeneration": stateful_set["metadata"].get("generation", 1),
    }
    if failures:
        found["conditions"] = [failure_condition(failures)]
    return found


def _replaced(stateful_set: Json, pods: Sequence[Json], now: datetime) -> tuple[str, ...]:
    """The next pod to be replaced: the last one of an old template, once those after it are available."""
    for pod in reversed(pods):
        if not _is_current(stateful_set, pod) and _may_be_replaced(stateful_set, pod):
            return _alive([pod])
        if is_ending(pod) or not is_available(stateful_set, pod, now):
            return ()
    return ()


def _stuck(stateful_set: Json, pod: Json) -> tuple[str, ...]:
    """A pod of an old template that is not ready: what it waits for may be what the new template mends."""
    if is_ready(pod) or _is_current(stateful_set, pod) or not _may_be_replaced(stateful_set, pod):
        return ()
    return _alive([pod])


def _may_be_replaced(stateful_set: Json, pod: Json) -> bool:
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    return strategy.get("type") != "OnDelete" and _number_of(pod) >= partition


def _alive(pods: Sequence[Json]) -> tuple[str, ...]:
    return tuple(pod["metadata"]["name"] for pod in pods if not is_ending(pod))


def _is_current(stateful_set: Json, pod: Json) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get(REVISION_HASH) == _revision(stateful_set))


def _revision(stateful_set: Json) -> str:
    return f"{stateful_set['metadata']['name']}-{template_hash(stateful_set)}"[-63:].lstrip("-.")


def _claim_templates(stateful_set: Json) -> Sequence[Json]:
    return stateful_set["spec"].get("volumeClaimTemplates") or ()


def _number_of(pod: Json) -> int:
    return _number(pod["metadata"]["name"])


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
