"""Where the pod of each kind stands, and what is printed around it."""

from typing import Any

import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.pods import JsonMap
from lateen.inject.settings import Settings
from lateen.inject.workloads import rewritten

POD: JsonMap = {"containers": [{"name": "app"}]}
TEMPLATE: JsonMap = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
SETTINGS = Settings(native_sidecars=True)


def workload(kind: str, template: JsonMap = TEMPLATE, **spec: Any) -> JsonMap:
    return {"apiVersion": "x/v9", "kind": kind, "metadata": {"name": "web"}, "spec": {**spec, "template": template}}


def proxies(pod: JsonMap) -> list[str]:
    return [each["name"] for each in pod["spec"].get("initContainers", [])]


@pytest.mark.parametrize(
    ("kind", "spec", "status"),
    [
        ("ReplicationController", {}, {"replicas": 0}),
        ("Deployment", {"strategy": {}}, {}),
        ("ReplicaSet", {}, {"replicas": 0}),
        ("StatefulSet", {"updateStrategy": {}}, {"availableReplicas": 0, "replicas": 0}),
        ("Job", {}, {}),
        (
            "DaemonSet",
            {"updateStrategy": {}},
            {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0},
        ),
        (
            "DeploymentConfig",
            {"strategy": {"resources": {}}, "test": False},
            {
                **{"availableReplicas": 0, "latestVersion": 0, "observedGeneration": 0, "replicas": 0},
                **{"unavailableReplicas": 0, "updatedReplicas": 0},
            },
        ),
    ],
)
def test_each_kind_has_its_template_injected_and_its_own_fields(kind: str, spec: JsonMap, status: JsonMap) -> None:
    found = rewritten(workload(kind), SETTINGS).object
    assert found["apiVersion"] == "x/v9"
    assert proxies(found["spec"]["template"]) == ["istio-init", "istio-proxy"]
    assert {key: value for key, value in found["spec"].items() if key != "template"} == spec
    assert found["status"] == status


def test_what_the_author_wrote_of_them_stays() -> None:
    written = {**workload("Deployment", strategy={"type": "Recreate"}, replicas=0), "status": {"replicas": 3}}
    found = rewritten(written, SETTINGS).object
    assert (found["spec"]["strategy"], found["spec"]["replicas"]) == ({"type": "Recreate"}, 0)
    assert found["status"] == {"replicas": 3}


def test_a_cron_jobs_metadata_is_that_of_its_job_template() -> None:
    job = {"metadata": {"annotations": {"a": "b"}}, "spec": {"template": TEMPLATE}}
    written = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "n"}, "spec": {"jobTemplate": job}}
    found = rewritten(written, SETTINGS).object["spec"]["jobTemplate"]
    assert proxies(found["spec"]["template"]) == ["istio-init", "istio-proxy"]
    assert found["metadata"]["annotations"]["a"] == "b"
    assert found["metadata"]["labels"]["service.istio.io/canonical-name"] == "n"
    assert found["spec"]["template"]["metadata"] == TEMPLATE["metadata"]


def test_a_pod_is_its_own_template_and_claims_have_their_fields() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "creationTimestamp": None}, "spec": POD}
    found = rewritten(pod, SETTINGS).object
    assert proxies(found) == ["istio-init", "istio-proxy"]
    assert found["status"] == {}
    assert "creationTimestamp" not in found["metadata"]
    claims = [{"metadata": {"name": "data"}, "spec": {"storageClassName": ""}}]
    (claim,) = rewritten(workload("StatefulSet", volumeClaimTemplates=claims), SETTINGS).object["spec"][
        "volumeClaimTemplates"
    ]
    assert claim == {**claims[0], "spec": {"storageClassName": "", "resources": {}}, "status": {}}


@pytest.mark.parametrize(
    ("metadata", "template", "warning"),
    [
        ({"name": "w"}, {"spec": {"hostNetwork": True}}, 'Deployment "w" has host networking enabled'),
        (
            {"name": "w", "namespace": "shop"},
            {"metadata": {"annotations": {"sidecar.istio.io/inject": "false"}}, "spec": POD},
            'Deployment "shop/w" has sidecar injection disabled',
        ),
        (
            {"name": "w"},
            {"metadata": {"name": "own", "labels": {"sidecar.istio.io/inject": "false"}}},
            'Deployment "own" has sidecar injection disabled',
        ),
    ],
)
def test_what_is_skipped_is_told_and_still_encoded(metadata: JsonMap, template: JsonMap, warning: str) -> None:
    found = rewritten({"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}, SETTINGS)
    assert found.warnings == (f"===> Skipping injection because {warning}",)
    assert found.object["spec"]["strategy"] == {}
    wanted = [{**each, "resources": {}} for each in template.get("spec", {}).get("containers", [])] or None
    assert found.object["spec"]["template"]["spec"]["containers"] == wanted


def test_only_a_pod_is_skipped_for_its_system_namespace() -> None:
    metadata = {"name": "n", "namespace": "kube-system"}
    assert not rewritten({**workload("Deployment"), "metadata": metadata}, SETTINGS).warnings
    (warning,) = rewritten({"kind": "Pod", "metadata": metadata, "spec": POD}, SETTINGS).warnings
    assert 'Pod "kube-system/n"' in warning


def test_a_list_is_taken_item_by_item_and_unknown_items_are_left() -> None:
    service = {"kind": "Service", "metadata": {"name": "s", "creationTimestamp": None}}
    found = rewritten({"apiVersion": "v1", "kind": "List", "items": [service, workload("Job")]}, SETTINGS).object
    assert found["metadata"] == {}
    assert found["items"][0] == service
    assert proxies(found["items"][1]["spec"]["template"])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "Deployment", "metadata": {"name": "w"}}, "Deployment w: spec.template: is missing"),
        ({"kind": "Job", "metadata": {"name": "w"}, "spec": []}, "Job w: spec: expected an object"),
        ({"kind": "Deployment", "metadata": 1, "spec": {"template": {}}}, "Deployment without a name: metadata"),
        ({"kind": "List", "items": {}}, "List: items: expected a list"),
        (
            workload("Deployment", {"spec": {"containers": [{}]}}),
            "Deployment web: spec.containers[0]: expected an object",
        ),
        (
            workload("Job", {"metadata": {"annotations": {"proxy.istio.io/config": "a: ["}}, "spec": POD}),
            "Job web: annotation proxy.istio.io/config",
        ),
        (
            workload(
                "Job",
                {"metadata": {"annotations": {"proxy.istio.io/config": "[", "sidecar.istio.io/inject": "false"}}},
            ),
            "Job web: annotation proxy.istio.io/config",
        ),
    ],
)
def test_what_is_wrong_names_the_object_and_the_field(document: JsonMap, said: str) -> None:
    with pytest.raises(InjectionError) as error:
        rewritten(document, SETTINGS)
    assert str(error.value).startswith(said)


def test_a_pods_own_proxy_config_moves_the_agents_port_as_the_meshs_would() -> None:
    annotations = {"proxy.istio.io/config": "statusPort: 15999"}
    found = rewritten(workload("Job", {"metadata": {"annotations": annotations}, "spec": POD}), SETTINGS).object
    assert found["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == "15999"
