"""A pod's status in words, and when a mesh is up."""

from typing import Any

import pytest

from lateen.cli.pod_summary import Trouble, summarise
from lateen.cli.startup import Outcome, progress
from lateen.cli.startup_display import describe, failure_text

Json = dict[str, Any]
READY = [{"type": "Ready", "status": "True"}]
RUNNING: Json = {"running": {}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def container(name: str, state: Json, ready: bool = False, restarts: int = 0, last: Json | None = None) -> Json:
    return {"name": name, "state": state, "ready": ready, "restartCount": restarts, "lastState": last or {}}


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, "message": message}}


def pod(phase: str = "Running", init: tuple[Json, ...] = (), containers: tuple[Json, ...] = (), **status: Any) -> Json:
    return {
        "metadata": {"name": "p", "namespace": "default", "labels": {"app": "p"}, **status.pop("metadata", {})},
        "spec": {
            "initContainers": [{"name": each["name"]} for each in init],
            "containers": [{"name": each["name"]} for each in containers] or [{"name": "app"}],
        },
        "status": {
            "phase": phase,
            "initContainerStatuses": list(init),
            "containerStatuses": list(containers),
            **status,
        },
    }


def failed_init() -> Json:
    last = {"terminated": {"exitCode": 2, "reason": "Error", "message": "what its log says"}}
    return container("istio-init", waiting("CrashLoopBackOff", "back-off 10s"), restarts=1, last=last)


def not_startable() -> Json:
    return {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such program"}}


@pytest.mark.parametrize(
    ("raw", "status", "waits_for"),
    [
        ({"metadata": {"name": "p"}}, "Pending", "its containers"),
        (pod("Pending", init=(container("a", RUNNING), container("b", {}))), "Init:0/2", "init container a (1 of 2)"),
        (pod("Pending", init=(container("a", DONE), container("b", RUNNING))), "Init:1/2", "init container b (2 of 2)"),
        (
            pod("Pending", containers=(container("app", waiting("ContainerCreating")),)),
            "ContainerCreating",
            "app to start",
        ),
        (
            pod(containers=(container("app", RUNNING, ready=True), container("istio-proxy", RUNNING))),
            "Running",
            "istio-proxy to be ready",
        ),
        (pod(containers=(container("app", RUNNING, ready=True),), conditions=READY), "Running", ""),
        (pod("Succeeded", containers=(container("app", DONE),)), "Completed", ""),
        (pod(metadata={"deletionTimestamp": "now"}), "Terminating", "its containers"),
        (pod("Failed", reason="Evicted", message="no room"), "Evicted", "its containers"),
        (pod("Pending", init=(failed_init(),)), "Init:CrashLoopBackOff", "init container istio-init (1 of 1)"),
    ],
)
def test_statuses_are_kubectls_and_say_what_is_waited_for(raw: Json, status: str, waits_for: str) -> None:
    found = summarise(raw)
    assert (found.status, found.waits_for) == (status, waits_for)


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [
        (pod(containers=(container("app", RUNNING),)), None),
        (pod("Pending", init=(failed_init(),)), Trouble("istio-init", "CrashLoopBackOff", "back-off 10s; exit code 2")),
        (
            pod("Pending", containers=(container("app", waiting("ErrImagePull", "in no catalogue")),)),
            Trouble("app", "ErrImagePull", "in no catalogue"),
        ),
        (
            pod("Failed", containers=(container("app", {"terminated": {"exitCode": 3, "reason": "Error"}}),)),
            Trouble("app", "Error", "exit code 3"),
        ),
        (pod("Failed", reason="Evicted", message="no room"), Trouble("", "Evicted", "no room")),
        (
            pod(containers=(container("app", waiting("CrashLoopBackOff", "back-off 10s"), last=not_startable()),)),
            Trouble("app", "CrashLoopBackOff", "back-off 10s; no such program; exit code 128"),
        ),
    ],
)
def test_trouble_names_the_container_and_the_reason(raw: Json, trouble: Trouble | None) -> None:
    assert summarise(raw).trouble == trouble


def test_counts() -> None:
    found = summarise(pod(containers=(container("a", RUNNING, ready=True, restarts=2), container("b", RUNNING))))
    assert (found.ready, found.containers, found.restarts) == (1, 2, 2)


def test_a_failure_is_shown_with_its_log() -> None:
    found = summarise(pod("Pending", init=(failed_init(),)))
    assert describe(found) == "Init:CrashLoopBackOff (istio-init)"
    assert failure_text(found, ["last words"]).splitlines() == [
        "default/p, container istio-init: CrashLoopBackOff: back-off 10s; exit code 2",
        "  | last words",
    ]


def deployment(replicas: int | None = None, **status: Any) -> Json:
    spec: Json = {"selector": {"matchLabels": {"app": "p"}}} | ({} if replicas is None else {"replicas": replicas})
    return {"metadata": {"name": "d", "namespace": "default"}, "spec": spec, "status": status}


UP = pod(containers=(container("app", RUNNING, ready=True),), conditions=READY)
STARTING = pod(containers=(container("app", RUNNING),))
BROKEN = pod("Pending", init=(failed_init(),))
REFUSED = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "no such image"}]}


@pytest.mark.parametrize(
    ("pods", "deployments", "outcome"),
    [
        ([], [], Outcome.READY),
        ([UP], [deployment()], Outcome.READY),
        ([UP, STARTING], [], Outcome.STARTING),
        ([UP, BROKEN, STARTING], [], Outcome.STARTING),
        ([UP, BROKEN], [], Outcome.FAILED),
        ([UP], [deployment(2)], Outcome.STARTING),
        ([], [deployment()], Outcome.STARTING),
        ([UP], [deployment(0)], Outcome.READY),
        ([], [deployment(1, **REFUSED)], Outcome.FAILED),
    ],
)
def test_a_mesh_is_up_when_every_pod_that_is_wanted_is(
    pods: list[Json], deployments: list[Json], outcome: Outcome
) -> None:
    assert progress(pods, deployments).outcome is outcome
