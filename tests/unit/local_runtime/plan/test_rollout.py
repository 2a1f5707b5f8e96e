from datetime import UTC, datetime, timedelta

from lateen.local_runtime.plan import rollout
from lateen.local_runtime.plan.rollout import deployment_status
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import pod_names, pod_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deployment(image="a:1", replicas=1, strategy=None):
    return {
        "metadata": {"name": "d", "namespace": "default", "generation": 2},
        "spec": {
            "replicas": replicas,
            "strategy": strategy or {},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
    }


def next_step(wanted, made, taken=(), now=NOW):
    return rollout.next_step(wanted, made, taken, now)


def pods(of, count=1, ready=True, ending=False):
    names = pod_names(of)
    made = []
    for _ in range(count):
        pod = pod_of(of, next(names))
        pod["status"] = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
        if ending:
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        made.append(pod)
    return made


def names(made):
    return tuple(p["metadata"]["name"] for p in made)


def test_missing_pods_are_made():
    wanted = deployment(replicas=2)
    assert next_step(wanted, []) == Step(create=names(pods(wanted, 2)))
    assert next_step(wanted, pods(wanted, 2)) == Step()


def test_a_name_that_is_still_in_use_is_not_taken_again():
    wanted = deployment()
    first, second = names(pods(wanted, 2))
    assert next_step(wanted, [], taken={first}) == Step(create=(second,))
    assert next_step(wanted, pods(wanted, 1, ending=True)) == Step(create=(second,))


def test_superfluous_pods_go_unready_ones_first():
    wanted = deployment(replicas=1)
    ready, unready = pods(wanted, 2)
    unready["status"]["conditions"][0]["status"] = "False"
    assert next_step(wanted, [ready, unready]) == Step(delete=names([unready]))


def test_a_new_template_makes_the_new_pod_before_the_old_one_goes():
    old, new = deployment("a:1"), deployment("a:2")
    before = pods(old)
    assert next_step(new, before) == Step(create=names(pods(new)))
    assert next_step(new, [*before, *pods(new, ready=False)]) == Step()
    assert next_step(new, [*before, *pods(new)]) == Step(delete=names(before))


def test_an_old_pod_that_serves_nobody_goes_at_once():
    old, new = deployment("a:1"), deployment("a:2")
    before = pods(old, ready=False)
    assert next_step(new, before) == Step(create=names(pods(new)), delete=names(before))


def test_surge_and_unavailable_bound_each_step():
    old, new = deployment("a:1", 4), deployment("a:2", 4)
    step = next_step(new, pods(old, 4))
    assert len(step.create) == 1
    assert len(step.delete) == 1
    numbers = deployment("a:2", 4, {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 0}})
    step = next_step(numbers, pods(old, 4))
    assert len(step.create) == 3
    assert step.delete == ()


def test_recreate_waits_until_the_old_are_gone():
    recreate = {"type": "Recreate"}
    old, new = deployment("a:1", strategy=recreate), deployment("a:2", strategy=recreate)
    assert next_step(new, pods(old)) == Step(delete=names(pods(old)))
    assert next_step(new, pods(old, ending=True)) == Step()
    assert next_step(new, []) == Step(create=names(pods(new)))


def test_the_status_counts_and_says_whether_enough_are_ready():
    wanted = deployment(replicas=2)
    status = deployment_status(wanted, [*pods(wanted, 1)], [], NOW)
    assert status["observedGeneration"] == 2
    assert (status["replicas"], status["readyReplicas"], status["unavailableReplicas"]) == (1, 1, 1)
    conditions = {c["type"]: c for c in status["conditions"]}
    assert conditions["Available"]["status"] == "False"
    assert conditions["Progressing"]["reason"] == "ReplicaSetUpdated"
    complete = deployment_status({**wanted, "status": status}, pods(wanted, 2), [], NOW)
    assert {c["type"]: c["status"] for c in complete["conditions"]} == {"Available": "True", "Progressing": "True"}
    assert "unavailableReplicas" not in complete


def test_why_pods_cannot_be_made_is_a_condition():
    status = deployment_status(deployment(), [], ["no"], NOW)
    assert {"ReplicaFailure"} < {c["type"] for c in status["conditions"]}


def test_a_pod_counts_when_it_has_been_ready_for_long_enough():
    old, new = deployment("a:1"), deployment("a:2")
    old["spec"]["minReadySeconds"] = new["spec"]["minReadySeconds"] = 30
    before, after = pods(old), pods(new)
    before[0]["status"]["conditions"][0]["lastTransitionTime"] = "2025-12-31T00:00:00Z"
    after[0]["status"]["conditions"][0]["lastTransitionTime"] = "2025-12-31T23:59:40Z"
    assert next_step(new, [*before, *after]) == Step(again=10)
    assert deployment_status(new, [*before, *after], [], NOW)["availableReplicas"] == 1
    assert next_step(new, [*before, *after], now=NOW + timedelta(seconds=10)) == Step(delete=names(before))


def test_a_paused_deployment_stays_as_it_is():
    old, new = deployment("a:1"), deployment("a:2")
    new["spec"]["paused"] = True
    assert next_step(new, pods(old)) == Step()


def test_a_rollout_without_progress_is_told_after_its_deadline_and_again_when_it_goes_on():
    wanted = deployment(replicas=2)
    wanted["spec"]["progressDeadlineSeconds"] = 60
    broken = pods(wanted, 2, ready=False)
    status = deployment_status(wanted, broken, [], NOW)
    assert next_step({**wanted, "status": status}, broken).again == 60

    def progressing(status):
        return next(c for c in status["conditions"] if c["type"] == "Progressing")

    later = deployment_status({**wanted, "status": status}, broken, [], NOW + timedelta(seconds=59))
    assert progressing(later)["status"] == "True"
    late = deployment_status({**wanted, "status": later}, broken, [], NOW + timedelta(seconds=60))
    assert (progressing(late)["status"], progressing(late)["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert deployment_status({**wanted, "status": late}, broken, [], NOW + timedelta(seconds=90)) == late
    mended = deployment_status({**wanted, "status": late}, pods(wanted, 2), [], NOW + timedelta(seconds=90))
    assert (progressing(mended)["status"], progressing(mended)["reason"]) == ("True", "NewReplicaSetAvailable")
