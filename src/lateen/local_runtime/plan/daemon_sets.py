"""DaemonSets: one pod, since this machine is one node. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime

from lateen.local_runtime.plan.availability import is_available, until_available
from lateen.local_runtime.plan.replica_sets import failure_condition
from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import (
    Json,
    hashed_names,
    is_ending,
    pod_from_template,
    reference_to,
    template_hash,
)

REVISION_HASH = "controller-revision-hash"


def initial_names(daemon_set: Json) -> tuple[str, ...]:
    """The name of the pod when nothing runs yet."""
    return (next(hashed_names(daemon_set, _base(daemon_set))),)


def pod_of(daemon_set: Json, name: str) -> Json:
    labels = {REVISION_HASH: template_hash(daemon_set)}
    return pod_from_template(daemon_set, name, _base(daemon_set), reference_to(daemon_set), labels)


def next_step(daemon_set: Json, pods: Sequence[Json], taken: Collection[str], now: datetime) -> Step:
    """The pod of the current template. An old one goes first, unless `maxSurge` lets the new one be ready before."""
    live = [pod for pod in pods if not is_ending(pod)]
    new = [pod for pod in live if _is_current(daemon_set, pod)]
    old = [pod for pod in live if not _is_current(daemon_set, pod)]
    again = until_available(daemon_set, live, now)
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if old and strategy.get("type") == "OnDelete":
        return Step(again=again)
    surges = str((strategy.get("rollingUpdate") or {}).get("maxSurge") or 0) not in ("0", "0%")
    if old and not (surges and is_ready(old[0])):
        return Step(delete=_names(old), again=again)
    if new:
        ready = any(is_available(daemon_set, pod, now) for pod in new)
        return Step(delete=_names([*new[1:], *(old if ready else ())]), again=again)
    if not surges and pods:
        return Step(again=again)  # what is ending still has the node
    used = {pod["metadata"]["name"] for pod in pods} | set(taken)
    free = (name for name in hashed_names(daemon_set, _base(daemon_set)) if name not in used)
    return Step(create=(next(free),), again=again)


def status(daemon_set: Json, pods: Sequence[Json], failures: Sequence[str], now: datetime) -> Json:
    live = [pod for pod in pods if not is_ending(pod)]
    available = min(1, sum(is_available(daemon_set, pod, now) for pod in live))
    found: Json = {
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": min(1, len(live)),
        "updatedNumberScheduled": min(1, sum(_is_current(daemon_set, pod) for pod in live)),
        "numberReady": min(1, sum(map(is_ready, live))),
        "numberAvailable": available,
        "numberUnavailable": 1 - available,
        "numberMisscheduled": 0,
        "observedGeneration": daemon_set["metadata"].get("generation", 1),
    }
    if failures:
        found["conditions"] = [failure_condition(failures)]
    return found


def _is_current(daemon_set: Json, pod: Json) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get(REVISION_HASH) == template_hash(daemon_set))


def _names(pods: Sequence[Json]) -> tuple[str, ...]:
    return tuple(pod["metadata"]["name"] for pod in pods)


def _base(daemon_set: Json) -> str:
    return f"{daemon_set['metadata']['name']}-"
