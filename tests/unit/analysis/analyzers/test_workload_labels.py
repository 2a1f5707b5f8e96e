"""app and version labels."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]


def deployment(name: str, labels: str, kind: str = "Deployment") -> str:
    return f"""\
---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  template:
    metadata:
      labels: {labels}
    spec: {{containers: [{{name: app}}]}}
"""


def service(name: str, selector: str) -> str:
    spec = f"{{selector: {selector}, ports: [{{name: http, port: 80}}]}}"
    return f"---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {spec}}}\n"


def codes(found: list[Any]) -> list[str]:
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("{app: reviews, version: v1}", []),
        ("{app.kubernetes.io/name: reviews, app.kubernetes.io/version: v1}", []),
        ("{version: v1}", ["LTN0006"]),
        ('{app: "", version: v1}', ["LTN0006"]),
        ("{app: reviews}", ["LTN0009"]),
        ("{app: App, version: v1}", ["LTN0008"]),
        ('{app: "1", version: v1}', ["LTN0008"]),
    ],
)
def test_labels_of_one_workload(said: Said, labels: str, expected: list[str]) -> None:
    found = said("workload.LabelAnalyzer", deployment("reviews", labels))
    assert codes(found) == expected
    assert all(each.line == 8 and each.about == "Deployment shop/reviews" for each in found)


def test_what_runs_a_task_and_gateways_are_left_alone(said: Said) -> None:
    assert said("workload.LabelAnalyzer", deployment("once", "{}", "Job").replace("apps/v1", "batch/v1")) == []
    assert said("workload.LabelAnalyzer", deployment("edge", "{istio: ingressgateway}")) == []


def test_versions_of_one_application_share_its_label(said: Said) -> None:
    text = deployment("a-v1", "{app: a, version: v1}") + deployment("a-v2", "{app: a, version: v2}")
    assert said("workload.LabelAnalyzer", text) == []
    assert said("workload.LabelAnalyzer", text + service("a", "{app: a}")) == []


def test_two_workloads_that_cannot_be_told_apart(said: Said) -> None:
    text = deployment("a", "{app: a, version: v1}") + deployment("b", "{app: a, version: v1}")
    (found,) = said("workload.LabelAnalyzer", text)
    assert (found.code, found.about) == ("LTN0007", "Deployment shop/b")
    assert "Deployment a" in found.text


def test_applications_with_services_of_their_own_have_labels_of_their_own(said: Said) -> None:
    text = deployment("a", "{app: x1, version: v1}") + deployment("b", "{app: x1, version: v2}")
    text += service("a", "{version: v1}") + service("b", "{version: v2}")
    (found,) = said("workload.LabelAnalyzer", text)
    assert found.code == "LTN0007"
    assert "which belongs to other Services" in found.text


def test_namespaces_do_not_share_labels(said: Said) -> None:
    there = deployment("a", "{app: a, version: v1}").replace("{name: a}", "{name: a, namespace: elsewhere}")
    assert said("workload.LabelAnalyzer", deployment("a", "{app: a, version: v1}") + there) == []
