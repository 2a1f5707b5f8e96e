from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from lateen.local_runtime.pods.restarts import BackOff, Role, restarts
from lateen.local_runtime.pods.status import (
    Container,
    PodState,
    Running,
    Terminated,
    Waiting,
    ended,
    initial_state,
    phase,
    pod_status,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WAITS, RUNS = Waiting("ContainerCreating"), Running(NOW)
DONE, FAILED = ended(0, NOW, NOW), ended(1, NOW, NOW)


def state(*containers, init=()):
    def made(states, prefix):
        return tuple(
            Container(name=f"{prefix}{i}", image="x", state=s[0], last=s[1]) for i, s in enumerate(map(pair, states))
        )

    def pair(value):
        return value if isinstance(value, tuple) else (value, None)

    return PodState(init=made(init, "i"), containers=made(containers, "c"), since=NOW)


@pytest.mark.parametrize(
    ("given", "policy", "expected"),
    [
        (state(WAITS), "Always", "Pending"),
        (state(RUNS), "Always", "Running"),
        (state(RUNS, WAITS), "Always", "Pending"),
        (state(RUNS, (WAITS, FAILED)), "Always", "Running"),
        (state((WAITS, FAILED)), "Always", "Running"),
        (state(DONE), "Always", "Running"),
        (state(DONE, DONE), "Never", "Succeeded"),
        (state(DONE, FAILED), "Never", "Failed"),
        (state(DONE, RUNS), "Never", "Running"),
        (state(DONE), "OnFailure", "Succeeded"),
        (state(FAILED), "OnFailure", "Running"),
        (state((WAITS, FAILED), DONE), "OnFailure", "Running"),
        (state(WAITS, init=(RUNS,)), "Always", "Pending"),
        (state(WAITS, init=(DONE, FAILED)), "Always", "Pending"),
        (state(WAITS, init=(DONE, FAILED)), "Never", "Failed"),
        (state(RUNS, init=(DONE, DONE)), "Never", "Running"),
        (msgspec.structs.replace(state(RUNS), failed=("FailedMount", "x")), "Always", "Failed"),
    ],
)
def test_the_phase(given, policy, expected):
    assert phase(given, policy) == expected


def test_the_status_of_a_pod_whose_init_container_runs():
    pod = {"metadata": {"uid": "u"}, "spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "c"}]}}
    given = initial_state(pod, NOW)
    given = given.with_container(msgspec.structs.replace(given.container("i"), state=RUNS))
    status = pod_status(pod, given, {}, NOW)
    assert status["phase"] == "Pending"
    assert status["initContainerStatuses"][0]["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    conditions = {c["type"]: c for c in status["conditions"]}
    assert conditions["Initialized"]["message"] == "containers with incomplete status: [i]"
    assert conditions["Ready"]["message"] == "containers with unready status: [c]"
    assert conditions["PodScheduled"]["status"] == "True"


def test_a_condition_keeps_its_time_until_it_changes():
    pod = {"metadata": {}, "spec": {"containers": [{"name": "c"}]}}
    waiting = initial_state(pod, NOW)
    before = pod_status(pod, waiting, {}, NOW)
    ready = waiting.with_container(Container(name="c", image="", state=RUNS, started=True, ready=True))
    after = pod_status(pod, ready, before, NOW + timedelta(seconds=5))
    times = {c["type"]: c["lastTransitionTime"] for c in after["conditions"]}
    assert times["Ready"] == "2026-01-01T00:00:05Z"
    assert times["PodScheduled"] == "2026-01-01T00:00:00Z"


def test_a_signalled_container_says_which_signal():
    pod = {"metadata": {}, "spec": {}}
    status = pod_status(pod, state(ended(137, NOW, NOW)), {}, NOW)
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["signal"], terminated["reason"]) == (137, 9, "Error")


@pytest.mark.parametrize(
    ("policy", "code", "role", "expected"),
    [
        ("Always", 0, Role.MAIN, True),
        ("Always", 1, Role.MAIN, True),
        ("Always", 0, Role.INIT, False),
        ("Always", 1, Role.INIT, True),
        ("OnFailure", 0, Role.MAIN, False),
        ("OnFailure", 1, Role.MAIN, True),
        ("Never", 1, Role.MAIN, False),
        ("Never", 1, Role.INIT, False),
        ("Never", 0, Role.SIDECAR, True),
    ],
)
def test_who_is_started_again(policy, code, role, expected):
    assert restarts(policy, ended(code, NOW, NOW), role) is expected


def test_the_back_off_doubles_up_to_five_minutes_and_forgets_after_a_long_run():
    back_off, delays = BackOff(), []
    for _ in range(9):
        back_off = back_off.after(FAILED)
        delays.append(back_off.delay)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    long_run = Terminated(1, "Error", NOW, NOW + timedelta(minutes=10))
    assert back_off.after(long_run).delay == 0
