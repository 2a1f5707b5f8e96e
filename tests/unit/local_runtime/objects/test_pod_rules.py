"""What an API server would refuse in Pods and workloads."""

from copy import deepcopy
from typing import Any

import pytest
from support.workloads import workload

from lateen.config.problems import Path, render
from lateen.local_runtime.objects.pod_rules import problems

Json = dict[str, Any]

CONTAINER: Path = ("spec", "template", "spec", "containers", 0)


def changed(raw: Json, path: Path, value: Any) -> Json:
    """A copy with another value at a path; None removes what is there."""
    raw = deepcopy(raw)
    *above, last = path
    within: Any = raw
    for step in above:
        within = within[step]
    if value is None:
        del within[last]
    else:
        within[last] = value
    return raw


def told(raw: Json) -> list[str]:
    return [f"{render(problem.path)}: {problem.message}" for problem in problems(raw, raw["kind"])]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"])
def test_a_plain_one_is_taken(kind: str) -> None:
    assert told(workload(kind)) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*CONTAINER, "imag"), "web", "unknown field; did you mean `image`?"),
        ((*CONTAINER, "image"), None, "missing; a container needs an image"),
        ((*CONTAINER, "name"), None, "missing; it is required"),
        ((*CONTAINER, "env"), [{"name": "A", "value": 1}], "must be text in quotes, not 1"),
        ((*CONTAINER, "livenessProbe"), {"httpGet": {"port": "http", "pat": "/"}}, "unknown field; did you mean"),
        ((*CONTAINER, "volumeMounts"), [{"name": "v", "mountpath": "/v"}], "unknown field; did you mean `mountPath`?"),
        (("spec", "template", "spec", "volumes"), [{"name": "v", "configmap": {}}], "did you mean `configMap`?"),
        (("spec", "template", "spec", "containers"), [], "missing; a pod needs at least one container"),
        (("spec", "template", "spec", "restartPolicy"), "Never", "`Never` is not for a Deployment; write Always"),
        (("spec", "replicas"), -1, "must be at least 0, not -1"),
        (("spec", "replica"), 1, "unknown field; did you mean `replicas`?"),
        (("spec", "selector"), None, "missing; it selects the pods by labels that the template has"),
        (("spec", "selector", "matchLabels", "app"), "other", "`other` is not what the pod template has (`web`)"),
        (
            ("spec", "selector", "matchExpressions"),
            [{"key": "app", "operator": "NotIn", "values": ["web"]}],
            "does not match the pod template, which has `web`",
        ),
        (("metadata", "label"), {}, "unknown field; did you mean `labels`?"),
        (("spec", "template", "spec", "containers"), "web", "must be a list"),
        (("spec", "template"), "web", "must be a mapping"),
        (("specs",), {}, "unknown field; did you mean `spec`?"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(path: Path, value: Any, message: str) -> None:
    (text,) = [text for text in told(changed(workload(), path, value)) if message in text]
    assert text.startswith(render(path))


@pytest.mark.parametrize("policy", ["Always", None])
def test_a_job_whose_pods_would_never_end_is_wrong(policy: str | None) -> None:
    job = changed(workload("Job"), ("spec", "template", "spec", "restartPolicy"), policy)
    assert told(job) == [
        "spec.template.spec.restartPolicy: `Always` is not for a Job; write Never or OnFailure",
    ]


def test_expressions_of_a_selector_are_held_against_the_template() -> None:
    selector = {
        "matchExpressions": [
            {"key": "app", "operator": "In", "values": ["web", "other"]},
            {"key": "app", "operator": "Exists"},
            {"key": "tier", "operator": "DoesNotExist"},
            {"key": "tier", "operator": "NotIn", "values": ["back"]},
        ]
    }
    assert told(workload(selector=selector)) == []


def test_two_containers_of_one_name_are_wrong() -> None:
    pod = workload()["spec"]["template"]["spec"]
    pod["initContainers"] = pod["containers"]
    assert told({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod}) == [
        "spec.containers[0].name: `web` is there already; each name must be different"
    ]
