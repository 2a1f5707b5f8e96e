"""Namespaces, their pods, and the images of proxies."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]


def namespace(labels: str, name: str = "shop") -> str:
    return f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n"


def pod(spec: str = "containers: [{name: web}]", metadata: str = "") -> str:
    return f"---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web{metadata}}}\nspec: {{{spec}}}\n"


ENABLED = "{istio-injection: enabled}"


def codes(found: list[Any]) -> list[str]:
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("{}", ["IST0102"]),
        (ENABLED, []),
        ("{istio-injection: disabled}", []),
        ("{istio.io/rev: canary}", []),
        ("{istio.io/dataplane-mode: ambient}", []),
        ("{istio-injection: enabled, istio.io/rev: canary}", ["IST0123"]),
        ("{istio-injection: disabled, istio.io/rev: canary}", []),
        ("{istio.io/rev: canary, istio.io/dataplane-mode: ambient}", ["IST0123"]),
    ],
)
def test_labels_of_namespaces(said: Said, labels: str, expected: list[str]) -> None:
    assert codes(said("injection.Analyzer", namespace(labels))) == expected
    assert said("injection.Analyzer", namespace(labels, "istio-system")) == []
    assert said("injection.Analyzer", namespace(labels, "kube-system")) == []


def test_a_namespace_that_says_nothing_where_that_means_injection(said: Said) -> None:
    assert codes(said("injection.Analyzer", namespace("{}"), inject_by_default=True)) == ["IST0148"]


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (pod(), ["IST0103"]),
        (pod("containers: [{name: web}, {name: istio-proxy, image: p:1}]"), []),
        (pod("initContainers: [{name: istio-proxy, image: p:1}]"), []),
        (pod("hostNetwork: true"), []),
        (pod(metadata=', labels: {sidecar.istio.io/inject: "false"}'), []),
        (pod(metadata=', annotations: {sidecar.istio.io/inject: "false"}'), []),
        (pod(metadata=", namespace: elsewhere"), []),
    ],
)
def test_pods_without_a_proxy(said: Said, pod: str, expected: list[str]) -> None:
    found = said("injection.Analyzer", namespace(ENABLED) + pod)
    assert codes(found) == expected
    assert all(each.about == "Pod shop/web" and each.line == 8 for each in found)


def injector(image: str, name: str = "istio-sidecar-injector") -> str:
    values = f'{{"global": {{"hub": "h", "tag": "2", "proxy": {{"image": "{image}"}}}}}}'
    metadata = f"{{name: {name}, namespace: istio-system}}"
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\ndata: {{values: '{values}'}}\n"


def proxied(image: str, annotations: str = "{}") -> str:
    return pod(f"containers: [{{name: istio-proxy, image: {image}}}]", f", annotations: {annotations}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (proxied("h/proxyv2:2") + injector("proxyv2"), []),
        (proxied("h/proxyv2:1") + injector("proxyv2"), ["IST0158"]),
        (proxied("r/p:1") + injector("r/p:1"), []),
        (proxied("h/proxyv2:1") + injector("proxyv2", "istio-sidecar-injector-canary"), []),
        (proxied("h/proxyv2:1"), []),
        (proxied("x/y:1", "{sidecar.istio.io/proxyImage: x/y:1}") + injector("proxyv2"), []),
        (proxied("h/proxyv2:2-distroless") + injector("proxyv2"), ["IST0158"]),
        (
            proxied("h/proxyv2:2-distroless", "{proxy.istio.io/config: 'image: {imageType: distroless}'}")
            + injector("proxyv2"),
            [],
        ),
    ],
)
def test_images_that_differ_from_the_injectors(said: Said, text: str, expected: list[str]) -> None:
    found = said("injection.ImageAnalyzer", namespace(ENABLED) + text)
    assert codes(found) == expected
    assert all(each.about == "Namespace shop" and "web" in each.text for each in found)


def test_the_image_type_is_that_of_the_proxy_config_in_force(said: Said) -> None:
    text = namespace(ENABLED) + proxied("h/proxyv2:2-debug") + injector("proxyv2")
    mesh = {"defaultConfig": {"image": {"imageType": "debug"}}}
    assert said("injection.ImageAnalyzer", text, mesh=mesh) == []
    resource = """\
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: debug}
spec: {selector: {matchLabels: {app: web}}, image: {imageType: debug}}
"""
    assert codes(said("injection.ImageAnalyzer", text + resource)) == ["IST0158"]
    labelled = text.replace("{name: web,", "{name: web, labels: {app: web},")
    assert said("injection.ImageAnalyzer", labelled + resource) == []


AUTO = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge}
spec:
  template:
    metadata: {labels: {app: edge}}
    spec: {containers: [{name: istio-proxy, image: auto}]}
"""
WEBHOOK = """\
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: injector}
webhooks:
- name: sidecar-injector.istio.io
  namespaceSelector: {matchLabels: {istio-injection: enabled}}
  objectSelector: {matchExpressions: [{key: app, operator: In, values: [edge]}]}
"""


def test_an_image_that_nobody_fills_in(said: Said) -> None:
    (found,) = said("injection.ImageAutoAnalyzer", AUTO + WEBHOOK)
    assert (found.code, found.about) == ("IST0146", "Deployment shop/edge")
    assert said("injection.ImageAutoAnalyzer", AUTO + WEBHOOK + namespace(ENABLED)) == []
    assert said("injection.ImageAutoAnalyzer", AUTO, inject_by_default=True) == []
    (found,) = said("injection.ImageAutoAnalyzer", pod("containers: [{name: istio-proxy, image: auto}]") + WEBHOOK)
    assert (found.code, found.path) == ("IST0147", "spec.containers[0].image")
