"""Who owns a pod: the workload that it is known by in metadata and metrics."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.inject import pods

_CRON_JOB_SUFFIX = re.compile(r"-\d{8,10}$")


class Owner(msgspec.Struct, frozen=True):
    """The workload's type and names; the namespace may be empty."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @property
    def path(self) -> str:
        """Its address in the API, as the proxy's metadata carries it; empty without a type or a name."""
        if not self.api_version or not self.name:
            return ""
        namespace = self.namespace or "default"
        return f"kubernetes://apis/{self.api_version}/namespaces/{namespace}/{self.kind.lower()}s/{self.name}"


def owner_of(pod: Mapping[str, Any]) -> Owner:
    """The owner that a pod's own metadata tells: its controller, or what controls that; else the pod itself."""
    metadata = pod.get("metadata") or {}
    namespace = metadata.get("namespace") or ""
    references = metadata.get("ownerReferences") or ()
    controller = next((reference for reference in references if reference.get("controller")), None)
    if not metadata.get("generateName") or controller is None:
        return Owner("v1", "Pod", metadata.get("name") or "", namespace)
    version, kind, name = (controller.get(key) or "" for key in ("apiVersion", "kind", "name"))
    labels = pods.labels(pod)
    own = labels.get("pod-template-hash")
    rollout = labels.get("rollouts-pod-template-hash")
    if kind == "ReplicaSet" and own and name.endswith(f"-{own}"):
        return Owner(version, "Deployment", name.removesuffix(f"-{own}"), namespace)
    if kind == "ReplicaSet" and rollout and name.endswith(f"-{rollout}"):
        return Owner("v1alpha1", "Rollout", name.removesuffix(f"-{rollout}"), namespace)
    if kind == "ReplicationController" and labels.get("deploymentconfig"):
        return Owner(version, "DeploymentConfig", labels["deploymentconfig"], namespace)
    if kind == "Job" and _CRON_JOB_SUFFIX.search(name):
        return Owner("batch/v1", "CronJob", _CRON_JOB_SUFFIX.sub("", name), namespace)
    return Owner(version, kind, name, namespace)
