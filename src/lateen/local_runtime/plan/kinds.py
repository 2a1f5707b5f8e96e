"""The kinds of workload that pods are made for, each as the same few functions. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from lateen.config.objects import ObjectRef
from lateen.local_runtime.plan import daemon_sets, jobs, replica_sets, rollout, stateful_sets
from lateen.local_runtime.plan import workloads as deployments
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import Json, deployment_of, with_pod_defaults


class WorkloadKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind. All pods of a workload are given, those that are ending too."""

    initial_names: Callable[[Json], tuple[str, ...]]
    """The pods that it comes to when all is well, nothing having run before."""
    pod_of: Callable[[Json, str], Json]
    """The pod of that name, before injection."""
    next_step: Callable[[Json, Sequence[Json], Collection[str], datetime], Step]
    status: Callable[[Json, Sequence[Json], Sequence[str], datetime], Json]
    """The workload's status; the texts say why pods could not be made."""
    claims_of: Callable[[Json, str], list[Json]] = lambda _, __: []
    """PersistentVolumeClaims of a pod."""
    until_removal: Callable[[Json, datetime], float | None] = lambda _, __: None
    """Seconds until a workload that is over is to be deleted; None where it stays."""


KINDS: Final[Mapping[tuple[str, str], WorkloadKind]] = {
    ("apps", "Deployment"): WorkloadKind(
        initial_names=rollout.initial_names,
        pod_of=deployments.pod_of,
        next_step=rollout.next_step,
        status=rollout.deployment_status,
    ),
    ("apps", "StatefulSet"): WorkloadKind(
        initial_names=stateful_sets.initial_names,
        pod_of=stateful_sets.pod_of,
        next_step=stateful_sets.next_step,
        status=stateful_sets.status,
        claims_of=stateful_sets.claims_of,
    ),
    ("apps", "DaemonSet"): WorkloadKind(
        initial_names=daemon_sets.initial_names,
        pod_of=daemon_sets.pod_of,
        next_step=daemon_sets.next_step,
        status=daemon_sets.status,
    ),
    ("apps", "ReplicaSet"): WorkloadKind(
        initial_names=replica_sets.initial_names,
        pod_of=replica_sets.pod_of,
        next_step=replica_sets.next_step,
        status=replica_sets.status,
    ),
    ("batch", "Job"): WorkloadKind(
        initial_names=jobs.initial_names,
        pod_of=jobs.pod_of,
        next_step=jobs.next_step,
        status=jobs.status,
        until_removal=jobs.until_removal,
    ),
}


def kind_of(workload: Json) -> WorkloadKind | None:
    """The kind of an object; None where no pods are made for it, such as a ReplicaSet that a Deployment has."""
    group = str(workload.get("apiVersion", "")).rpartition("/")[0]
    if any(owner.get("controller") for owner in workload["metadata"].get("ownerReferences") or ()):
        return None
    return KINDS.get((group, str(workload.get("kind"))))


def owner_of(pod: Json) -> ObjectRef | None:
    """The workload that a pod was made for, if it was for one of these kinds."""
    namespace = str(pod["metadata"].get("namespace") or "default")
    deployment = deployment_of(pod)
    if deployment is not None:
        return ObjectRef("apps", "Deployment", namespace, deployment)
    for owner in pod["metadata"].get("ownerReferences") or ():
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        if owner.get("controller") and (group, owner.get("kind")) in KINDS:
            return ObjectRef(group, owner["kind"], namespace, owner["name"])
    return None


def plan_pods(workload: Json) -> list[Json]:
    """The pods that a workload or a bare Pod asks for when nothing runs yet, without addresses; others ask for none."""
    if workload.get("kind") == "Pod":
        metadata = {"namespace": "default", **workload["metadata"]}
        spec = msgspec.json.decode(msgspec.json.encode(workload.get("spec") or {}))
        return [{**workload, "metadata": metadata, "spec": with_pod_defaults(spec)}]
    kind = kind_of(workload)
    if kind is None:
        return []
    return [kind.pod_of(workload, name) for name in kind.initial_names(workload)]
