"""Jobs: how many pods run, when one is over, and how failures count."""

from datetime import UTC, datetime, timedelta

import pytest

from lateen.local_runtime.plan.jobs import next_step, pod_of, status, until_removal, verdict
from lateen.local_runtime.plan.kinds import plan_pods
from lateen.local_runtime.plan.step import Step

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(policy="Never", **spec):
    template = {"spec": {"restartPolicy": policy, "containers": [{"name": "c", "image": "i"}]}}
    metadata = {"name": "j", "namespace": "default", "uid": "u"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}


def pods(of, *phases, finished="2026-01-01T00:00:00Z", restarts=0):
    names = iter(next_step({**of, "spec": {**of["spec"], "parallelism": 50, "completions": 50}}, (), (), NOW).create)
    made = []
    for phase in phases:
        pod = pod_of(of, next(names))
        ended = {"terminated": {"finishedAt": finished, "exitCode": 1}} if phase == "Failed" else {}
        pod["status"] = {"phase": phase, "containerStatuses": [{"restartCount": restarts, "state": ended}]}
        made.append(pod)
    return made


def step(of, *made, now=NOW):
    return next_step(of, made, (), now)


def test_one_pod_that_succeeds_completes_the_job():
    of = job()
    assert len(step(of).create) == 1
    assert step(of, *pods(of, "Running")) == Step()
    done = pods(of, "Succeeded")
    assert step(of, *done) == Step()
    found = status(of, done, [], NOW)
    assert found["succeeded"] == 1
    assert found["completionTime"] == "2026-01-01T00:00:00Z"
    assert (found["conditions"][0]["type"], found["conditions"][0]["status"]) == ("Complete", "True")
    # What it was stays, also when its pods are gone.
    assert status({**of, "status": found}, [], [], NOW + timedelta(hours=1)) == found
    assert step({**of, "status": found}) == Step()


def test_a_pod_carries_the_name_of_its_job():
    (pod,) = plan_pods(job())
    assert pod["metadata"]["labels"]["job-name"] == "j"
    assert pod["spec"]["restartPolicy"] == "Never"


def test_completions_and_parallelism():
    of = job(completions=5, parallelism=2)
    assert len(step(of).create) == 2
    assert len(step(of, *pods(of, "Succeeded", "Running")).create) == 1
    assert len(step(of, *pods(of, "Succeeded", "Succeeded", "Succeeded", "Succeeded", "Running")).create) == 0
    assert verdict(of, pods(of, *["Succeeded"] * 5), NOW)[0] == "Complete"


def test_a_queue_of_work_is_done_when_one_says_so_and_all_have_ended():
    of = job(parallelism=3)
    assert len(step(of).create) == 3
    assert step(of, *pods(of, "Succeeded", "Running", "Running")).create == ()
    assert verdict(of, pods(of, "Succeeded", "Running"), NOW) is None
    assert verdict(of, pods(of, "Succeeded", "Succeeded"), NOW)[0] == "Complete"


def test_a_failed_pod_is_followed_by_another_after_a_while():
    of = job()
    assert step(of, *pods(of, "Failed")) == Step(again=10)
    assert len(step(of, *pods(of, "Failed"), now=NOW + timedelta(seconds=10)).create) == 1
    assert step(of, *pods(of, "Failed", "Failed", "Failed"), now=NOW + timedelta(seconds=10)) == Step(again=30)


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_too_many_failures_end_the_job(policy):
    of = job(policy, backoffLimit=1, parallelism=2, completions=2)
    failing = pods(of, "Failed", "Running") if policy == "Never" else pods(of, "Running", "Running", restarts=0)
    assert verdict(of, failing, NOW) is None
    failed = (
        pods(of, "Failed", "Failed", "Running") if policy == "Never" else pods(of, "Running", "Running", restarts=1)
    )
    assert verdict(of, failed, NOW)[:2] == ("Failed", "BackoffLimitExceeded")
    assert set(step(of, *failed).delete) == {
        pod["metadata"]["name"] for pod in failed if pod["status"]["phase"] == "Running"
    }
    assert status(of, failed, [], NOW)["conditions"][0]["type"] == "Failed"


def test_a_deadline_ends_it():
    of = {**job(activeDeadlineSeconds=30), "status": {"startTime": "2026-01-01T00:00:00Z"}}
    running = pods(of, "Running")
    assert step(of, *running) == Step(again=30)
    assert step(of, *running, now=NOW + timedelta(seconds=30)).delete
    assert verdict(of, running, NOW + timedelta(seconds=30))[1] == "DeadlineExceeded"


def test_a_suspended_job_has_no_pods():
    of = job(suspend=True)
    assert step(of) == Step()
    assert step(of, *pods(job(), "Running")).delete


def test_an_indexed_job_has_one_success_for_each_number():
    of = job(completionMode="Indexed", completions=3, parallelism=2)
    first = [pod_of(of, name) for name in step(of).create]
    assert [pod["spec"]["hostname"] for pod in first] == ["j-0", "j-1"]
    assert first[1]["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "value": "1"}]
    for pod, phase in zip(first, ("Failed", "Succeeded"), strict=True):
        pod["status"] = {"phase": phase}
    after = [pod_of(of, name) for name in step(of, *first).create]
    assert [pod["spec"]["hostname"] for pod in after] == ["j-0", "j-2"]
    assert status(of, first, [], NOW)["completedIndexes"] == "1"


def test_a_finished_job_goes_when_it_says_so():
    of = job(ttlSecondsAfterFinished=60)
    assert until_removal(of, NOW) is None
    over = {**of, "status": status(of, pods(of, "Succeeded"), [], NOW)}
    assert until_removal(over, NOW + timedelta(seconds=20)) == 40
    assert until_removal(over, NOW + timedelta(seconds=70)) == 0
