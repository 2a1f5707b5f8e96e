import re

import pytest

from lateen.config.objects import ObjectRef
from lateen.local_runtime.plan.kinds import owner_of, plan_pods
from lateen.local_runtime.plan.workloads import (
    TEMPLATE_HASH,
    deployment_of,
    template_hash,
    with_addresses,
)

SAFE = "[bcdfghjklmnpqrstvwxz2456789]"


def deployment(name="reviews-v1", replicas=None, image="reviews:1", namespace="default"):
    spec = {
        "selector": {"matchLabels": {"app": "reviews"}},
        "template": {
            "metadata": {"labels": {"app": "reviews"}, "annotations": {"a": "b"}},
            "spec": {"containers": [{"name": "reviews", "image": image}]},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def test_a_pod_of_a_deployment_looks_like_one_of_kubernetes():
    (pod,) = plan_pods(deployment())
    meta = pod["metadata"]
    hashed = meta["labels"][TEMPLATE_HASH]
    assert re.fullmatch(f"{SAFE}{{10}}", hashed)
    assert re.fullmatch(f"reviews-v1-{hashed}-{SAFE}{{5}}", meta["name"])
    assert meta["generateName"] == f"reviews-v1-{hashed}-"
    assert meta["labels"]["app"] == "reviews"
    assert meta["annotations"] == {"a": "b"}
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ReplicaSet", f"reviews-v1-{hashed}", True)
    assert pod["spec"]["serviceAccountName"] == "default"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    assert deployment_of(pod) == "reviews-v1"
    assert owner_of(pod) == ObjectRef("apps", "Deployment", "default", "reviews-v1")


def test_the_same_deployment_gives_the_same_pods():
    assert plan_pods(deployment(replicas=3)) == plan_pods(deployment(replicas=3))


def test_names_differ_by_index_template_and_namespace():
    names = [p["metadata"]["name"] for p in plan_pods(deployment(replicas=5))]
    assert len(set(names)) == 5
    assert template_hash(deployment()) != template_hash(deployment(image="reviews:2"))
    assert template_hash(deployment()) == template_hash(deployment(replicas=4))
    other = plan_pods(deployment(namespace="other"))[0]["metadata"]["name"]
    assert other != names[0]


@pytest.mark.parametrize(("replicas", "count"), [(None, 1), (0, 0), (3, 3)])
def test_replicas_are_honoured(replicas, count):
    assert len(plan_pods(deployment(replicas=replicas))) == count


def test_a_long_name_is_cut_to_a_valid_pod_name():
    (pod,) = plan_pods(deployment(name="x" * 80))
    assert len(pod["metadata"]["name"]) == 63
    assert re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", pod["metadata"]["name"])


def test_planning_does_not_share_the_template():
    wanted = deployment()
    (pod,) = plan_pods(wanted)
    pod["spec"]["containers"][0]["image"] = "other"
    assert wanted["spec"]["template"]["spec"]["containers"][0]["image"] == "reviews:1"


def test_a_bare_pod_stands_for_itself_with_defaults():
    (pod,) = plan_pods({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [], "restartPolicy": "Never"}})
    assert pod["metadata"] == {"name": "p", "namespace": "default"}
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["serviceAccountName"] == "default"


def test_other_kinds_ask_for_no_pods():
    assert plan_pods({"kind": "Service", "metadata": {"name": "s"}}) == []


def test_addresses_are_stable_and_different():
    placed = with_addresses(plan_pods(deployment(replicas=3)))
    addresses = [p["status"]["podIP"] for p in placed]
    assert len(set(addresses)) == 3
    assert all(address.startswith("198.18.") for address in addresses)
    assert addresses == [p["status"]["podIP"] for p in with_addresses(plan_pods(deployment(replicas=3)))]
