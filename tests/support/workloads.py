"""Workloads as people write them."""

from typing import Any

Json = dict[str, Any]


def workload(kind: str = "Deployment", **spec: Any) -> Json:
    """One that an API server takes, with these fields in its spec."""
    pod: Json = {"containers": [{"name": "web", "image": "web"}]}
    if kind == "Job":
        pod["restartPolicy"] = "Never"
    else:
        spec = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    template = {"metadata": {"labels": {"app": "web"}, "creationTimestamp": None}, "spec": pod}
    group = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = {"name": "web", "annotations": {"any.thing/here": "x"}}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {**spec, "template": template}}
