from typing import Any

import pytest

from lateen.inject.owner import Owner, owner_of


def pod(kind: str, name: str, labels: dict[str, str], version: str = "apps/v1") -> dict[str, Any]:
    reference = {"apiVersion": version, "kind": kind, "name": name, "controller": True}
    return {"metadata": {"generateName": "x-", "namespace": "shop", "labels": labels, "ownerReferences": [reference]}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pod("ReplicaSet", "web-5f6", {"pod-template-hash": "5f6"}), Owner("apps/v1", "Deployment", "web", "shop")),
        (pod("ReplicaSet", "web-5f6", {}), Owner("apps/v1", "ReplicaSet", "web-5f6", "shop")),
        (
            pod("ReplicaSet", "web-5f6", {"rollouts-pod-template-hash": "5f6"}),
            Owner("v1alpha1", "Rollout", "web", "shop"),
        ),
        (pod("Job", "tidy-28391234", {}, "batch/v1"), Owner("batch/v1", "CronJob", "tidy", "shop")),
        (pod("Job", "tidy-1", {}, "batch/v1"), Owner("batch/v1", "Job", "tidy-1", "shop")),
        (
            pod("ReplicationController", "web-1", {"deploymentconfig": "web"}, "v1"),
            Owner("v1", "DeploymentConfig", "web", "shop"),
        ),
        ({"metadata": {"name": "alone"}}, Owner("v1", "Pod", "alone", "")),
    ],
)
def test_the_owner_is_the_workload_that_people_know(given: dict[str, Any], expected: Owner) -> None:
    assert owner_of(given) == expected


def test_its_path_needs_a_type_and_a_name() -> None:
    assert Owner("apps/v1", "Deployment", "web").path == "kubernetes://apis/apps/v1/namespaces/default/deployments/web"
    assert Owner("", "Deployment", "web").path == ""
    assert Owner("v1", "Pod", "").path == ""
