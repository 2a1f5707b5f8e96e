"""Sidecars: missing, unwanted, stale, impossible; and what the init container may."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]
IMAGE = "registry.example.com/proxyv2:2"
HERE = {"inject_by_default": True, "proxy_image": IMAGE}


def namespace(labels: str) -> str:
    return f"---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {labels}}}}}\n"


def deployment(pod: str = "", labels: str = "{app: web}", annotations: str = "{}", containers: str = "") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  template:
    metadata:
      labels: {labels}
      annotations: {annotations}
    spec:
      {pod or "restartPolicy: Always"}
      containers:
      - {{name: web, image: web}}
      {containers}
"""


def running(containers: str, labels: str = "{app: web}") -> str:
    metadata = f"{{name: web-1, labels: {labels}, ownerReferences: [{{name: web}}]}}"
    return f"""\
apiVersion: v1
kind: Pod
metadata: {metadata}
spec: {{containers: [{containers}]}}
status: {{phase: Running}}
"""


SIDECAR = f"- {{name: istio-proxy, image: '{IMAGE}'}}"
OLD = "- {name: istio-proxy, image: registry.example.com/proxyv2:1}"
OFF = '{app: web, sidecar.istio.io/inject: "false"}'


def codes(found: list[Any]) -> list[str]:
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (deployment(), []),
        (deployment(containers=SIDECAR), []),
        (deployment(labels=OFF), ["LTN0013"]),
        (deployment() + namespace("{istio-injection: disabled}"), ["LTN0013"]),
        (deployment(pod="hostNetwork: true"), ["LTN0014"]),
        (deployment(pod="hostNetwork: true", labels=OFF), []),
        (deployment(labels=OFF, containers=SIDECAR), ["LTN0011"]),
        (deployment(containers=SIDECAR) + namespace("{istio-injection: disabled}"), ["LTN0011"]),
        (deployment(containers=OLD), ["LTN0012"]),
        (deployment(containers=OLD.replace(":1}", ":2-distroless}")), []),
        (deployment(containers=OLD, annotations="{sidecar.istio.io/status: '{}'}"), []),
        (deployment(containers=OLD, annotations="{sidecar.istio.io/proxyImage: registry.example.com/p:1}"), []),
        (deployment(containers="- {name: istio-proxy, image: auto}"), []),
    ],
)
def test_workloads_as_they_are_written(said: Said, text: str, expected: list[str]) -> None:
    assert codes(said("sidecar.PresenceAnalyzer", text, **HERE)) == expected


@pytest.mark.parametrize(
    ("containers", "labels", "expected"),
    [
        ("{name: web}", "{app: web}", ["LTN0010"]),
        ("{name: web}", OFF, []),
        (f"{{name: web}}, {SIDECAR[2:]}", "{app: web}", []),
        (f"{{name: web}}, {OLD[2:]}", "{app: web}", ["LTN0012"]),
    ],
)
def test_pods_as_they_run(said: Said, containers: str, labels: str, expected: list[str]) -> None:
    found = said("sidecar.PresenceAnalyzer", running(containers, labels), **HERE)
    assert codes(found) == expected
    assert all(each.about == "Pod shop/web-1" for each in found)


def test_where_namespaces_must_ask_a_pod_without_sidecar_is_as_it_should_be(said: Said) -> None:
    assert said("sidecar.PresenceAnalyzer", running("{name: web}")) == []
    revision = namespace("{istio.io/rev: canary}")
    assert codes(said("sidecar.PresenceAnalyzer", running("{name: web}") + revision)) == ["LTN0010"]


def test_reasons_and_places_are_told(said: Said) -> None:
    (found,) = said("sidecar.PresenceAnalyzer", deployment(labels=OFF), **HERE)
    assert "the pod's label sidecar.istio.io/inject is false" in found.text
    assert found.line == 7


INIT = "initContainers: [{name: istio-init, image: p%s}]"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("", ["LTN0016"]),
        (", securityContext: {capabilities: {drop: [ALL]}}", ["LTN0016"]),
        (", securityContext: {capabilities: {add: [NET_ADMIN, NET_RAW], drop: [ALL]}}", []),
        (", securityContext: {privileged: true}", []),
    ],
)
def test_the_init_container_needs_its_capability(said: Said, context: str, expected: list[str]) -> None:
    assert codes(said("sidecar.CapabilityAnalyzer", deployment(pod=INIT % context), **HERE)) == expected


@pytest.mark.parametrize(
    ("level", "labels", "expected"),
    [
        ("restricted", "{app: web}", ["LTN0016"]),
        ("baseline", "{app: web}", ["LTN0016"]),
        ("privileged", "{app: web}", []),
        ("restricted", OFF, []),
    ],
)
def test_a_namespace_may_forbid_the_capability(said: Said, level: str, labels: str, expected: list[str]) -> None:
    text = deployment(labels=labels) + namespace(f"{{pod-security.kubernetes.io/enforce: {level}}}")
    found = said("sidecar.CapabilityAnalyzer", text, **HERE)
    assert codes(found) == expected
    assert all(each.about == "Namespace shop" and "web" in each.text for each in found)
