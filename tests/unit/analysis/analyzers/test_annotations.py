"""Istio's annotations on objects."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]


def annotated(kind: str, annotation: str, labels: str = "{}", spec: str = "{}") -> str:
    return f"""\
apiVersion: v1
kind: {kind}
metadata:
  name: a
  labels: {labels}
  annotations:
    {annotation}
spec: {spec}
"""


@pytest.mark.parametrize(
    ("kind", "annotation", "expected"),
    [
        ("Pod", 'sidecar.istio.io/proxyCPU: "1"', []),
        ("Pod", "example.com/anything: x", []),
        ("Pod", 'sidecar.istio.io/status: "{}"', []),
        ("Pod", 'galley.istio.io/analyze-suppress: "IST0103"', []),
        ("Pod", 'sidecar.istio.io/proxyCPUs: "1"', ["IST0108"]),
        ("Pod", "sidecar.istio.io/proxyCPU: much", ["IST0125"]),
        ("Pod", 'sidecar.istio.io/inject: "true"', ["IST0135"]),
        ("Service", 'sidecar.istio.io/proxyCPU: "1"', ["IST0107"]),
        ("Service", "networking.istio.io/exportTo: .", []),
        ("Service", "kubernetes.io/ingress.class: istio", ["IST0107"]),
        ("Secret", "sidecar.istio.io/nonsense: x", []),
    ],
)
def test_annotations(said: Said, kind: str, annotation: str, expected: list[str]) -> None:
    found = said("annotations.K8sAnalyzer", annotated(kind, annotation))
    assert [each.code for each in found] == expected
    assert all(each.line == 7 for each in found)


def test_hints(said: Said) -> None:
    (found,) = said("annotations.K8sAnalyzer", annotated("Pod", 'sidecar.istio.io/proxyCPUs: "1"'))
    assert "did you mean sidecar.istio.io/proxyCPU?" in found.text
    deployment = annotated("Deployment", 'sidecar.istio.io/proxyCPU: "1"').replace("v1", "apps/v1")
    (found,) = said("annotations.K8sAnalyzer", deployment)
    assert "belongs on the pod template" in found.text


def test_beside_the_label_the_old_annotation_is_left_alone(said: Said) -> None:
    labels = '{sidecar.istio.io/inject: "true"}'
    assert said("annotations.K8sAnalyzer", annotated("Pod", 'sidecar.istio.io/inject: "true"', labels)) == []


def test_alpha_annotations(said: Said) -> None:
    text = annotated("Pod", "sidecar.istio.io/interceptionMode: TPROXY\n    sidecar.istio.io/proxyCPU: '1'")
    assert [each.code for each in said("annotations.AlphaAnalyzer", text)] == ["IST0136"]
    with_init = text.replace("spec: {}", "spec: {initContainers: [{name: istio-init}]}")
    assert [each.code for each in said("annotations.AlphaAnalyzer", with_init)] == ["IST0136", "IST0136"]
    assert said("annotations.AlphaAnalyzer", annotated("Pod", 'sidecar.istio.io/inject: "true"')) == []
