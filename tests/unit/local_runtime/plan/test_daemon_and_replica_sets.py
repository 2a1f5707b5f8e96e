"""DaemonSets, which have one pod here, and ReplicaSets without a Deployment."""

from datetime import UTC, datetime

from lateen.local_runtime.plan import daemon_sets, replica_sets
from lateen.local_runtime.plan.kinds import kind_of, owner_of, plan_pods
from lateen.local_runtime.plan.step import Step

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def workload(kind, image="a:1", **spec):
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    metadata = {"name": "w", "namespace": "default", "uid": "u"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": template, **spec}}


def ready(pod, is_ready=True, ending=False):
    pod["status"] = {"conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}]}
    if ending:
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return pod


def name(pod):
    return pod["metadata"]["name"]


def daemon(*pods, of):
    return daemon_sets.next_step(of, pods, (), NOW)


def test_a_daemon_set_has_one_pod():
    of = workload("DaemonSet")
    (pod,) = plan_pods(of)
    assert owner_of(pod).name == "w"
    assert daemon(of=of) == Step(create=(name(pod),))
    assert daemon(ready(pod), of=of) == Step()
    found = daemon_sets.status(of, [pod], [], NOW)
    assert (found["desiredNumberScheduled"], found["numberReady"], found["updatedNumberScheduled"]) == (1, 1, 1)


def test_an_old_daemon_goes_before_the_new_one_comes():
    old, new = workload("DaemonSet"), workload("DaemonSet", "a:2")
    (pod,) = plan_pods(old)
    assert daemon(ready(pod), of=new) == Step(delete=(name(pod),))
    assert daemon(ready(pod, ending=True), of=new) == Step()
    assert len(daemon(of=new).create) == 1
    on_delete = workload("DaemonSet", "a:2", updateStrategy={"type": "OnDelete"})
    (pod,) = plan_pods(old)
    assert daemon(ready(pod), of=on_delete) == Step()


def test_with_surge_the_new_daemon_is_ready_before_the_old_one_goes():
    old = workload("DaemonSet")
    new = workload("DaemonSet", "a:2", updateStrategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    (before,) = plan_pods(old)
    step = daemon(ready(before), of=new)
    assert len(step.create) == 1
    assert step.delete == ()
    after = daemon_sets.pod_of(new, step.create[0])
    assert daemon(before, ready(after, is_ready=False), of=new) == Step()
    assert daemon(before, ready(after), of=new) == Step(delete=(name(before),))


def test_a_replica_set_keeps_the_number_and_not_the_template():
    of = workload("ReplicaSet", replicas=2)
    made = [ready(pod) for pod in plan_pods(of)]
    assert replica_sets.next_step(of, (), (), NOW) == Step(create=tuple(map(name, made)))
    assert replica_sets.next_step(workload("ReplicaSet", "a:2", replicas=2), made, (), NOW) == Step()
    fewer = replica_sets.next_step(workload("ReplicaSet", replicas=1), [made[0], ready(made[1], False)], (), NOW)
    assert fewer == Step(delete=(name(made[1]),))
    assert replica_sets.status(of, made, [], NOW)["readyReplicas"] == 1


def test_a_replica_set_of_a_deployment_is_left_to_the_deployment():
    of = workload("ReplicaSet")
    of["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "d", "controller": True}]
    assert kind_of(of) is None
    assert plan_pods(of) == []
