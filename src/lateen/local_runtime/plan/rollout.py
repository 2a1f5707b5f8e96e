"""From a Deployment and the pods it has to the pods to make and to end, and to the Deployment's status. Pure.

A changed template replaces pods as Kubernetes' RollingUpdate does: new ones become ready before old ones go.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice
from math import ceil, floor
from typing import Any

import msgspec

from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.workloads import TEMPLATE_HASH, Json, pod_names, replicas, template_hash
from lateen.local_runtime.pods.status import timestamp


class Rollout(msgspec.Struct, frozen=True):
    """The next step: names of pods to make from the current template, and of pods to end."""

    create: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


def next_step(deployment: Json, pods: Sequence[Json], taken: Collection[str] = ()) -> Rollout:
    """What to do now, given all pods of the Deployment, those that are ending too; `taken` are names not to be used."""
    wanted, current = replicas(deployment), template_hash(deployment)
    live = [pod for pod in pods if not is_ending(pod)]
    new = [pod for pod in live if _hash(pod) == current]
    old = [pod for pod in live if _hash(pod) != current]
    if _recreates(deployment):
        if old:
            return Rollout(delete=_names(old))
        missing = 0 if any(_hash(pod) != current for pod in pods) else wanted - len(new)
    else:
        missing = min(wanted - len(new), wanted + _surge(deployment, wanted) - len(live)) if old else wanted - len(new)
    superfluous = sorted(new, key=_first_to_go)[: max(0, len(new) - wanted)]
    used = {pod["metadata"]["name"] for pod in pods} | set(taken)
    free = (name for name in pod_names(deployment) if name not in used)
    return Rollout(
        create=tuple(islice(free, max(0, missing))),
        delete=_names([*superfluous, *_replaced(deployment, wanted, live, old)]),
    )


def is_ending(pod: Json) -> bool:
    """Whether the pod has been told to end."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def deployment_status(deployment: Json, pods: Sequence[Json], failures: Sequence[str], now: datetime) -> Json:
    """The Deployment's status; `failures` say why pods could not be made."""
    wanted, current = replicas(deployment), template_hash(deployment)
    live = [pod for pod in pods if not is_ending(pod)]
    updated = sum(_hash(pod) == current for pod in live)
    ready = sum(map(is_ready, live))
    unavailable = _unavailable(deployment, wanted)
    done = updated == wanted == len(live) and ready >= wanted
    status: Json = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": len(live),
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(0, wanted - ready),
    }
    before = {c["type"]: c for c in (deployment.get("status") or {}).get("conditions") or ()}
    enough = ready >= max(wanted - unavailable, 1 if wanted else 0)
    verdicts = [
        ("Available", enough, "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable", ""),
        ("Progressing", True, "NewReplicaSetAvailable" if done else "ReplicaSetUpdated", ""),
    ]
    if failures:
        verdicts.append(("ReplicaFailure", True, "FailedCreate", "; ".join(failures)))
    status["conditions"] = [_condition(*verdict, before, now) for verdict in verdicts]
    return {key: value for key, value in status.items() if value != 0 or key == "observedGeneration"}


def _replaced(deployment: Json, wanted: int, live: Sequence[Json], old: Sequence[Json]) -> list[Json]:
    """Old pods that may go: those that serve nobody, and as many others as new ones are ready to replace."""
    idle = [pod for pod in old if not is_ready(pod)]
    serving = sorted((pod for pod in old if is_ready(pod)), key=_first_to_go)
    spare = sum(map(is_ready, live)) - (wanted - _unavailable(deployment, wanted))
    return [*idle, *serving[: max(0, spare)]]


def _recreates(deployment: Json) -> bool:
    return (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"


def _surge(deployment: Json, wanted: int) -> int:
    surge = ceil(_share(deployment, "maxSurge", wanted))
    return surge or (0 if _unavailable(deployment, wanted) else 1)


def _unavailable(deployment: Json, wanted: int) -> int:
    return floor(_share(deployment, "maxUnavailable", wanted))


def _share(deployment: Json, key: str, wanted: int) -> float:
    """`maxSurge` or `maxUnavailable` as a number of pods, not rounded; 25 % where it is not given."""
    value: Any = ((deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}).get(key)
    if value is None:
        value = "25%"
    text = str(value)
    return float(text[:-1]) * wanted / 100 if text.endswith("%") else float(text)


def _first_to_go(pod: Json) -> tuple[bool, str]:
    return (is_ready(pod), pod["metadata"]["name"])


def _hash(pod: Json) -> object:
    return (pod["metadata"].get("labels") or {}).get(TEMPLATE_HASH)


def _names(pods: Sequence[Json]) -> tuple[str, ...]:
    return tuple(pod["metadata"]["name"] for pod in pods)


def _condition(kind: str, holds: bool, reason: str, message: str, before: dict[str, Json], now: datetime) -> Json:
    status = "True" if holds else "False"
    old = before.get(kind)
    since = old["lastTransitionTime"] if old and old["status"] == status else timestamp(now)
    condition = {"type": kind, "status": status, "reason": reason, "lastTransitionTime": since}
    return condition | ({"message": message} if message else {})
