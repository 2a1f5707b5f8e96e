"""ReplicaSets that manifests bring themselves: so many pods, whatever template they are from. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice

from lateen.local_runtime.plan.availability import is_available, until_available
from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import (
    Json,
    hashed_names,
    is_ending,
    pod_from_template,
    reference_to,
    replicas,
)


def initial_names(replica_set: Json) -> tuple[str, ...]:
    """Names of the pods when nothing runs yet."""
    return tuple(islice(hashed_names(replica_set, _base(replica_set)), replicas(replica_set)))


def pod_of(replica_set: Json, name: str) -> Json:
    return pod_from_template(replica_set, name, _base(replica_set), reference_to(replica_set))


def next_step(replica_set: Json, pods: Sequence[Json], taken: Collection[str], now: datetime) -> Step:
    """Make what is missing, end what is too much, those first that are not ready."""
    live = sorted((p for p in pods if not is_ending(p)), key=lambda p: (is_ready(p), p["metadata"]["name"]))
    missing = replicas(replica_set) - len(live)
    used = {pod["metadata"]["name"] for pod in pods} | set(taken)
    free = (name for name in hashed_names(replica_set, _base(replica_set)) if name not in used)
    return Step(
        create=tuple(islice(free, max(0, missing))),
        delete=tuple(pod["metadata"]["name"] for pod in live[: max(0, -missing)]),
        again=until_available(replica_set, live, now),
    )


def status(replica_set: Json, pods: Sequence[Json], failures: Sequence[str], now: datetime) -> Json:
    live = [pod for pod in pods if not is_ending(pod)]
    found: Json = {
        "replicas": len(live),
        "fullyLabeledReplicas": len(live),
        "readyReplicas": sum(map(is_ready, live)),
        "availableReplicas": sum(is_available(replica_set, pod, now) for pod in live),
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    if failures:
        found["conditions"] = [failure_condition(failures)]
    return found


def failure_condition(failures: Sequence[str]) -> Json:
    """Why pods could not be made, as a condition; `lateen up` reads it."""
    return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "; ".join(failures)}


def _base(replica_set: Json) -> str:
    return f"{replica_set['metadata']['name']}-"
