"""The reference cases through what users run: the command kube-inject on files, and the webhook's reviews.

The command's text is compared as it is, with white space at both ends cut off and the field `version` of a status
annotation blanked. A webhook's pods are compared as `test_injection` compares them: both sides made pods of a workload,
encoded alike, and the status annotation left aside.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from conformance.test_injection import (
    _BLOCK,
    CASES,
    REFERENCE,
    _made_by,
    _name,
    _on_openshift,
    _pairs,
    _settings,
    _without_status,
)
from support.admission_reviews import admitted, refusal_of, review_of

from lateen.cli.__main__ import main
from lateen.config.decode import decode
from lateen.config.objects import ConfigObject
from lateen.config.store import ConfigStore
from lateen.control_plane.injector import Injector
from lateen.control_plane.settings import Injection

pytestmark = pytest.mark.skipif(not CASES, reason=f"the reference outputs are not at {REFERENCE}")

FILES = [pytest.param(case, id=_name(case)) for case in CASES if not case["skip_kube_inject"]]
PODS = [pytest.param(case, id=_name(case)) for case in CASES if not case["skip_webhook"]]


def _blanked(text: str) -> str:
    return re.sub(r'"version":"[^"]*"', '"version":""', text.strip())


@pytest.mark.parametrize("case", FILES)
def test_the_command_prints_the_reference_files(
    case: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = tmp_path / "mesh.yaml"
    mesh.write_text(yaml.safe_dump(case["mesh"] or {}))
    words = ["kube-inject", "-f", str(REFERENCE / case["in"]), "--meshConfigFile", str(mesh)]
    words += ["--operatorFileName", str(REFERENCE / case["iop_file"])] if case["iop_file"] else []
    for flag in case["set_flags"]:
        words += ["--set", flag]
    for name, value in case["env"].items():
        monkeypatch.setenv(name, value)
    # Files know no nodes, so what the case's nodes can do is said instead.
    monkeypatch.setenv("ENABLE_NATIVE_SIDECARS", "true" if _settings(case).native_sidecars else "false")
    code = main(words)
    printed = capsys.readouterr()
    if wanted := case["expected_error_contains"]:
        assert code == 1
        assert wanted in printed.err.lower()
        return
    assert (code, _blanked(printed.out)) == (0, _blanked((REFERENCE / case["want"]).read_text()))
    if wanted := case["expected_warning_contains"]:
        assert wanted in printed.err


def _injector(case: Mapping[str, Any]) -> Injector:
    """As it is in a cluster: by ConfigMaps, variables of the process, and annotations of namespaces."""
    settings = _settings(case)
    injection = Injection(
        native_sidecars="true" if settings.native_sidecars else "false",
        compliance_policy=settings.compliance_policy,
        openshift=_on_openshift(case),
    )
    data = {"istio-sidecar-injector": {"values": json.dumps(settings.values.document)}}
    data["istio"] = {"mesh": yaml.safe_dump(case["mesh"] or {})}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "istio-system", "name": name}, "data": each}
        for name, each in data.items()
    ]
    for name in ("default", "test-ns"):
        metadata = {"name": name, "annotations": _BLOCK}
        objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    store, injector = ConfigStore(), Injector(injection)
    decoded = [decode(each) for each in objects]
    injector.follow(store, store.apply([each for each in decoded if isinstance(each, ConfigObject)]))
    return injector


def _reviewed(injector: Injector, pod: Mapping[str, Any], namespace: str) -> bytes:
    return injector.review(json.dumps(review_of(pod, namespace)).encode(), "/inject", 0.0)


@pytest.mark.parametrize("case", PODS)
def test_the_webhook_patches_pods_into_the_reference_pods(case: Mapping[str, Any]) -> None:
    injector = _injector(case)
    if wanted := case["expected_error_contains"]:
        pod = yaml.safe_load((REFERENCE / case["in"]).read_text())["spec"]["template"]
        assert wanted in refusal_of(_reviewed(injector, pod, "default")).lower()
        return
    for pod, owner, wanted in _pairs(case):
        made, expected = _made_by(owner, pod), _made_by(owner, wanted)
        answer = _reviewed(injector, made, owner.namespace or made["metadata"].get("namespace") or "")
        assert _without_status(admitted(made, answer)) == _without_status(expected)
