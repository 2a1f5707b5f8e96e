"""StatefulSets: order, identity, claims, scaling and replacement, as steps."""

from datetime import UTC, datetime, timedelta

import pytest

from lateen.local_runtime.plan.kinds import owner_of, plan_pods
from lateen.local_runtime.plan.stateful_sets import claims_of, next_step, pod_of, status
from lateen.local_runtime.plan.step import Step

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stateful_set(replicas=3, image="db:1", **spec):
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    body = {
        "replicas": replicas,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": template,
        **spec,
    }
    metadata = {"name": "db", "namespace": "default", "uid": "u"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": body}


def made(of, *numbers, ready=True, ending=False):
    pods = []
    for number in numbers:
        pod = pod_of(of, f"db-{number}")
        pod["status"] = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
        if ending:
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        pods.append(pod)
    return pods


def step(of, *pods, now=NOW):
    return next_step(of, pods, (), now)


def test_a_pod_keeps_its_name_its_host_name_and_its_claims():
    of = stateful_set(volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}])
    pod = pod_of(of, "db-1")
    assert pod["spec"]["hostname"] == "db-1"
    assert pod["spec"]["subdomain"] == "db"
    assert pod["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}]
    assert pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    (claim,) = claims_of(of, "db-1")
    assert (claim["kind"], claim["metadata"]["name"]) == ("PersistentVolumeClaim", "data-db-1")
    assert owner_of(pod).kind == "StatefulSet"
    assert [p["metadata"]["name"] for p in plan_pods(of)] == ["db-0", "db-1", "db-2"]


def test_pods_are_made_in_order_each_when_the_one_before_is_ready():
    of = stateful_set()
    assert step(of) == Step(create=("db-0",))
    assert step(of, *made(of, 0, ready=False)) == Step()
    assert step(of, *made(of, 0)) == Step(create=("db-1",))
    assert step(of, *made(of, 0, 1, 2)) == Step()


def test_ready_is_not_enough_where_a_time_is_asked_for():
    of = stateful_set(minReadySeconds=20)
    (first,) = made(of, 0)
    first["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    assert step(of, first) == Step(again=20)
    assert step(of, first, now=NOW + timedelta(seconds=20)) == Step(create=("db-1",))


def test_in_parallel_all_are_made_and_ended_at_once():
    of = stateful_set(podManagementPolicy="Parallel")
    assert step(of) == Step(create=("db-0", "db-1", "db-2"))
    fewer = stateful_set(1, podManagementPolicy="Parallel")
    assert step(fewer, *made(of, 0, 1, 2)) == Step(delete=("db-2", "db-1"))


def test_the_last_goes_first_and_the_next_when_it_is_gone():
    of = stateful_set(1)
    assert step(of, *made(of, 0, 1, 2)) == Step(delete=("db-2",))
    assert step(of, *made(of, 0, 1), *made(of, 2, ending=True)) == Step()
    assert step(of, *made(of, 0, 1)) == Step(delete=("db-1",))


def test_a_pod_that_is_ending_is_made_again_once_it_is_gone():
    of = stateful_set(1)
    assert step(of, *made(of, 0, ending=True)) == Step()
    assert step(of) == Step(create=("db-0",))


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_a_new_template_replaces_one_after_the_other_from_the_last(policy):
    old, new = (stateful_set(image=image, podManagementPolicy=policy) for image in ("db:1", "db:2"))
    assert step(new, *made(old, 0, 1, 2)) == Step(delete=("db-2",))
    assert step(new, *made(old, 0, 1), *made(old, 2, ending=True)) == Step()
    assert step(new, *made(old, 0, 1), *made(new, 2, ready=False)) == Step()
    assert step(new, *made(old, 0, 1), *made(new, 2)) == Step(delete=("db-1",))
    assert step(new, *made(new, 0, 1, 2)) == Step()


def test_the_partition_and_on_delete_keep_old_pods():
    old = stateful_set()
    partition = stateful_set(image="db:2", updateStrategy={"rollingUpdate": {"partition": 2}})
    assert step(partition, *made(old, 0, 1, 2)) == Step(delete=("db-2",))
    assert step(partition, *made(old, 0, 1), *made(partition, 2)) == Step()
    on_delete = stateful_set(image="db:2", updateStrategy={"type": "OnDelete"})
    assert step(on_delete, *made(old, 0, 1, 2)) == Step()


def test_an_old_pod_that_never_got_ready_does_not_stand_in_the_way():
    old, new = stateful_set(), stateful_set(image="db:2")
    assert step(new, *made(old, 0, ready=False)) == Step(delete=("db-0",))


def test_numbers_may_begin_elsewhere():
    of = stateful_set(2, ordinals={"start": 5})
    assert step(of) == Step(create=("db-5",))


def test_the_status_counts_by_revision():
    old, new = stateful_set(), stateful_set(image="db:2")
    before = status(old, made(old, 0, 1, 2), [], NOW)
    assert (before["readyReplicas"], before["currentReplicas"], before["updatedReplicas"]) == (3, 3, 3)
    during = status({**new, "status": before}, [*made(old, 0, 1), *made(new, 2)], [], NOW)
    assert (during["currentReplicas"], during["updatedReplicas"]) == (2, 1)
    assert during["currentRevision"] == before["updateRevision"] != during["updateRevision"]
    after = status({**new, "status": during}, made(new, 0, 1, 2), [], NOW)
    assert after["currentRevision"] == after["updateRevision"]
    assert status(new, [], ["no"], NOW)["conditions"][0]["message"] == "no"
