"""Which Services a workload belongs to, and Services that lead nowhere."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      labels: {app: web}
    spec: {containers: [{name: web}]}
"""


def service(name: str, ports: str, selector: str = "{app: web}") -> str:
    return f"""\
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {selector}
  ports: {ports}
"""


HTTP = "[{name: http, port: 80}]"


def test_a_workload_in_one_service_is_well(said: Said) -> None:
    assert said("workload.ServiceAnalyzer", WEB + service("web", HTTP)) == []


def test_a_workload_in_no_service(said: Said) -> None:
    (found,) = said("workload.ServiceAnalyzer", WEB + service("other", HTTP, "{app: other}"))
    assert (found.code, found.about, found.line) == ("LTN0001", "Deployment shop/web", 7)
    assert "belongs to no Service" in found.text
    assert "add a Service" in found.text


@pytest.mark.parametrize("kind", ["batch/v1, kind: Job", "batch/v1, kind: CronJob"])
def test_what_runs_a_task_needs_no_service(said: Said, kind: str) -> None:
    assert said("workload.ServiceAnalyzer", f"{{apiVersion: {kind}, metadata: {{name: once}}, spec: {{}}}}") == []


def test_services_that_agree_are_worth_a_word(said: Said) -> None:
    (found,) = said("workload.ServiceAnalyzer", WEB + service("a", HTTP) + service("b", HTTP))
    assert found.code == "LTN0003"
    assert "a, b, which agree" in found.text


@pytest.mark.parametrize(
    "other", ["[{name: http, port: 81}]", "[{name: tcp, port: 80}]", "[{name: x, appProtocol: grpc, port: 80}]"]
)
def test_services_that_differ_are_a_warning(said: Said, other: str) -> None:
    (found,) = said("workload.ServiceAnalyzer", WEB + service("a", HTTP) + service("b", other))
    assert found.code == "LTN0002"
    assert "ports or protocols differ" in found.text


def test_pods_that_a_workload_made_are_not_counted_again(said: Said) -> None:
    pod = "---\n{apiVersion: v1, kind: Pod, metadata: {name: web-1, ownerReferences: [{name: web}]}, spec: {}}\n"
    assert said("workload.ServiceAnalyzer", pod) == []


def test_one_port_with_two_transports(said: Said) -> None:
    mesh = WEB.replace("metadata: {name: web}", "metadata: {name: web}", 1).replace(
        "{app: web}", '{app: web, sidecar.istio.io/inject: "true"}'
    )
    text = mesh + service("a", "[{port: 53}]") + service("b", "[{port: 53, protocol: UDP}]")
    (found,) = said("deployment.MultiServiceAnalyzer", text)
    assert (found.code, found.about) == ("IST0116", "Deployment shop/web")
    assert "TCP and UDP" in found.text
    outside = text.replace('"true"', '"false"')
    assert said("deployment.MultiServiceAnalyzer", outside) == []


def test_two_ports_that_lead_to_one(said: Said) -> None:
    text = WEB + service("a", "[{port: 80, targetPort: 8080}]") + service("b", "[{port: 8080}]")
    assert said("deployment.MultiServiceAnalyzer", text) == []
    (found,) = said("deployment.MultiServiceAnalyzer", text, inject_by_default=True)
    assert found.code == "IST0137"
    assert "80, 8080" in found.text


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (WEB + service("web", HTTP), []),
        (service("web", HTTP), ["LTN0004"]),
        (WEB.replace("{name: web}", "{name: web, namespace: elsewhere}") + service("web", HTTP), ["LTN0004"]),
        (WEB.replace("Deployment", "StatefulSet") + service("web", HTTP), []),
        (service("web", HTTP, "{}"), []),
        (service("web", HTTP).replace("spec:", "spec:\n  type: ExternalName\n  externalName: a.b"), []),
    ],
)
def test_a_service_that_selects_nothing(said: Said, text: str, codes: list[str]) -> None:
    found = said("service.SelectorAnalyzer", text)
    assert [each.code for each in found] == codes
    assert all(each.path == "spec.selector" and "app=web" in each.text for each in found)
