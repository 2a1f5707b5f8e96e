"""From a Deployment and the pods it has to the pods to make and to end, and to the Deployment's status. Pure.

A changed template replaces pods as Kubernetes' RollingUpdate does: new ones become ready before old ones go.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice
from math import ceil, floor
from typing import Any

from lateen.local_runtime.plan.availability import is_available, moment, soonest, until_available
from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import TEMPLATE_HASH, Json, is_ending, pod_names, replicas, template_hash
from lateen.local_runtime.pods.status import timestamp


def initial_names(deployment: Json) -> tuple[str, ...]:
    """Names of the pods when nothing runs yet."""
    return tuple(islice(pod_names(deployment), replicas(deployment)))


def next_step(deployment: Json, pods: Sequence[Json], taken: Collection[str], now: datetime) -> Step:
    """What to do now, given all pods of the Deployment, those that are ending too; `taken` are names not to be used."""
    if (deployment.get("spec") or {}).get("paused"):
        return Step()
    wanted, current = replicas(deployment), template_hash(deployment)
    live = [pod for pod in pods if not is_ending(pod)]
    new = [pod for pod in live if _hash(pod) == current]
    old = [pod for pod in live if _hash(pod) != current]
    if _recreates(deployment):
        if old:
            return Step(delete=_names(old))
        missing = 0 if any(_hash(pod) != current for pod in pods) else wanted - len(new)
    else:
        missing = min(wanted - len(new), wanted + _surge(deployment, wanted) - len(live)) if old else wanted - len(new)
    superfluous = sorted(new, key=_first_to_go)[: max(0, len(new) - wanted)]
    used = {pod["metadata"]["name"] for pod in pods} | set(taken)
    free = (name for name in pod_names(deployment) if name not in used)
    return Step(
        create=tuple(islice(free, max(0, missing))),
        delete=_names([*superfluous, *_replaced(deployment, wanted, live, old, now)]),
        again=soonest(until_available(deployment, live, now), _until_deadline(deployment, now)),
    )


def deployment_status(deployment: Json, pods: Sequence[Json], failures: Sequence[str], now: datetime) -> Json:
    """The Deployment's status; `failures` say why pods could not be made."""
    wanted, current = replicas(deployment), template_hash(deployment)
    live = [pod for pod in pods if not is_ending(pod)]
    updated = sum(_hash(pod) == current for pod in live)
    ready = sum(map(is_ready, live))
    available = sum(is_available(deployment, pod, now) for pod in live)
    done = updated == wanted == len(live) and available >= wanted
    status: Json = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": len(live),
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted - available),
    }
    old = deployment.get("status") or {}
    before = {c["type"]: c for c in old.get("conditions") or ()}
    enough = available >= max(wanted - _unavailable(deployment, wanted), 1 if wanted else 0)
    verdicts = [("Available", enough, "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable", "")]
    if failures:
        verdicts.append(("ReplicaFailure", True, "FailedCreate", "; ".join(failures)))
    moved = done or any(old.get(key, 0) != value for key, value in status.items())
    status["conditions"] = [
        *(_condition(*verdict, before, now) for verdict in verdicts),
        _progressing(deployment, done, moved, before, now),
    ]
    return {key: value for key, value in status.items() if value != 0 or key == "observedGeneration"}


def _progressing(deployment: Json, done: bool, moved: bool, before: dict[str, Json], now: datetime) -> Json:
    """How the rollout goes: over, under way, or without progress for longer than it may take."""
    late = not done and not moved and _until_deadline(deployment, now) == 0
    reason = "NewReplicaSetAvailable" if done else "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated"
    deadline = _deadline(deployment)
    message = f"no pod has become available for {deadline:g} s; see the pods for the reason" if late else ""
    old = before.get("Progressing") or {}
    condition = _condition("Progressing", not late, reason, message, before, now)
    settled = done and old.get("reason") == reason
    updated = old.get("lastUpdateTime") if (settled or not moved) and old else None
    return condition | {"lastUpdateTime": updated or timestamp(now)}


def _deadline(deployment: Json) -> float:
    given = deployment["spec"].get("progressDeadlineSeconds")
    return 600.0 if given is None else float(given)


def _until_deadline(deployment: Json, now: datetime) -> float | None:
    """Seconds until a rollout under way has taken too long without progress; None where none is under way."""
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        under_way = condition.get("reason") in ("ReplicaSetUpdated", "ProgressDeadlineExceeded")
        if condition["type"] == "Progressing" and under_way and condition.get("lastUpdateTime"):
            passed = (now - moment(condition["lastUpdateTime"])).total_seconds()
            return max(0.0, _deadline(deployment) - passed)
    return None


def _replaced(deployment: Json, wanted: int, live: Sequence[Json], old: Sequence[Json], now: datetime) -> list[Json]:
    """Old pods that may go: those that serve nobody, and as many others as new ones are available to replace."""
    idle = [pod for pod in old if not is_ready(pod)]
    serving = sorted((pod for pod in old if is_ready(pod)), key=_first_to_go)
    spare = sum(is_available(deployment, pod, now) for pod in live) - (wanted - _unavailable(deployment, wanted))
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
