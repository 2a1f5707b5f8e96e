"""Injected pods against the reference outputs, for the settings that each case has.

Pods are compared as objects, with two normalisations: both sides pass through the encoding that Kubernetes' types give
a pod (what is dropped when empty, canonical quantities), and the field `version` of a status annotation is blanked.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.inject import openshift
from lateen.inject.encoding import normalised
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, Skipped, inject
from lateen.inject.native_sidecars import native_sidecars
from lateen.inject.owner import Owner
from lateen.inject.settings import Settings

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"
CASES: list[Mapping[str, Any]] = (
    json.loads((REFERENCE / "cases.json").read_text())["inject"] if (REFERENCE / "cases.json").is_file() else []
)
_BLOCK = {"openshift.io/sa.scc.uid-range": "1000620000/10000"}
"""What the namespaces of the cases on OpenShift say."""

pytestmark = pytest.mark.skipif(not CASES, reason=f"the reference outputs are not at {REFERENCE}")


def _name(case: Mapping[str, Any]) -> str:
    return Path(case["want"] or case["in"]).name.removesuffix(".injected")


def _documents(path: str) -> list[dict[str, Any]]:
    documents = [document for document in yaml.safe_load_all((REFERENCE / path).read_text()) if document]
    return [
        item for document in documents for item in (document["items"] if document["kind"] == "List" else [document])
    ]


def _settings(case: Mapping[str, Any]) -> Settings:
    values: dict[str, Any] = {}
    if case["iop_file"]:
        values = yaml.safe_load((REFERENCE / case["iop_file"]).read_text())["spec"].get("values", {})
    for flag in case["set_flags"]:
        path, _, text = flag.partition("=")
        path = re.sub(r"^components\.cni\.", "pilot.cni.", path.removeprefix("values."))
        _set(values, re.sub(r"^cni\.", "pilot.cni.", path), yaml.safe_load(text))
    kubelets = {str(place): version for place, version in enumerate(case["native_nodes"])}
    native = native_sidecars(case["env"].get("ENABLE_NATIVE_SIDECARS", "auto"), kubelets)
    settings = msgspec.structs.replace(
        Settings.of(values, case["mesh"] or {}),
        native_sidecars=native,
        compliance_policy=case["env"].get("COMPLIANCE_POLICY", ""),
    )
    return openshift.for_namespace(settings, _BLOCK) if _on_openshift(case) else settings


def _on_openshift(case: Mapping[str, Any]) -> bool:
    return bool(case["env"].get("PLATFORM") == "openshift")


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        values = values.setdefault(key, {})
    values[last] = value


def _pod_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The pod that a workload makes; None for a document without one."""
    if document["kind"] == "Pod":
        return {"metadata": document["metadata"], "spec": document["spec"]}
    template = document.get("spec", {}).get("template")
    return {"metadata": template.get("metadata") or {}, "spec": template["spec"]} if template else None


def _owner_of(document: Mapping[str, Any]) -> Owner:
    metadata = document["metadata"]
    return Owner(document["apiVersion"], document["kind"], metadata["name"], metadata.get("namespace", ""))


def _made_by(owner: Owner, pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod that a cluster would make for a workload: named after what controls it, in its namespace."""
    metadata = {**pod["metadata"], **({"namespace": owner.namespace} if owner.namespace else {})}
    if owner.kind == "Pod":
        return {**pod, "metadata": metadata}
    kind, name, labels = owner.kind, owner.name, metadata.get("labels") or {}
    if kind == "Deployment":
        kind, name, labels = "ReplicaSet", f"{name}-fake", {**labels, "pod-template-hash": "fake"}
    reference = {"apiVersion": owner.api_version, "kind": kind, "name": name, "controller": True}
    controlled = {"generateName": name, "ownerReferences": [reference], "labels": labels}
    return {**pod, "metadata": {**metadata, **controlled}}


def _without_status(pod: Mapping[str, Any]) -> dict[str, Any]:
    result = normalised(pod)
    result.get("metadata", {}).get("annotations", {}).pop("sidecar.istio.io/status", None)
    return result


def _comparable(pod: Mapping[str, Any]) -> dict[str, Any]:
    result = normalised(pod)
    annotations = result.get("metadata", {}).get("annotations", {})
    if "sidecar.istio.io/status" in annotations:
        status = re.sub(r'"version":"[^"]*"', '"version":""', annotations["sidecar.istio.io/status"])
        annotations["sidecar.istio.io/status"] = status
    return result


def _pairs(case: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Owner, dict[str, Any]]]:
    for document, expected in zip(_documents(case["in"]), _documents(case["want"]), strict=True):
        pod, wanted = _pod_of(document), _pod_of(expected)
        if pod is not None and wanted is not None:
            yield pod, _owner_of(document), wanted


REPRODUCED = [pytest.param(case, id=_name(case)) for case in CASES if case["want"]]
REFUSED = [pytest.param(case, id=_name(case)) for case in CASES if case["expected_error_contains"]]


@pytest.mark.parametrize("case", [case for case in REPRODUCED if not case.values[0]["skip_kube_inject"]])
def test_injected_files_are_the_reference_files(case: Mapping[str, Any]) -> None:
    settings = _settings(case)
    for pod, owner, wanted in _pairs(case):
        annotations = pod["metadata"].get("annotations") or {}
        result = inject(pod, settings.with_mesh_config_of(annotations), owner)
        got = result.pod if isinstance(result, Injected) else pod

        assert _comparable(got) == _comparable(wanted)


@pytest.mark.parametrize("case", [case for case in REPRODUCED if not case.values[0]["skip_webhook"]])
def test_injected_pods_are_the_reference_pods(case: Mapping[str, Any]) -> None:
    settings = _settings(case)
    for pod, owner, wanted in _pairs(case):
        made, expected = _made_by(owner, pod), _made_by(owner, wanted)
        result = inject(openshift.without_assigned_user(made) if _on_openshift(case) else made, settings)
        got = result.pod if isinstance(result, Injected) else made

        assert _without_status(got) == _without_status(expected)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_pods_name_the_annotation(case: Mapping[str, Any]) -> None:
    pod = _pod_of(_documents(case["in"])[0])
    assert pod is not None
    with pytest.raises(InjectionError, match=f"(?i){case['expected_error_contains']}"):
        inject(pod, _settings(case))


def test_a_pod_on_the_hosts_network_is_skipped() -> None:
    assert inject({"spec": {"hostNetwork": True, "containers": []}}, Settings()) == Skipped(
        "the pod uses the host's network"
    )


OVERRIDDEN = ("proxy-override", "multiple-templates", "merge-probers")
"""Cases in which the pod overrides a container that is injected; the second time its own settings count no more."""


@pytest.mark.parametrize("case", [case for case in REPRODUCED if not str(case.id).startswith(OVERRIDDEN)])
def test_injecting_a_reference_file_again_changes_nothing(case: Mapping[str, Any]) -> None:
    settings = _settings(case)
    for _, owner, wanted in _pairs(case):
        annotations = wanted["metadata"].get("annotations") or {}
        result = inject(wanted, settings.with_mesh_config_of(annotations), owner)
        got = result.pod if isinstance(result, Injected) else wanted

        assert _comparable(got) == _comparable(wanted)
