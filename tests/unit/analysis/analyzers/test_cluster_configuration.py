"""Webhooks, networks, conditions, policies for gateways, and refused objects."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]


def webhooks(name: str, *entries: str, kind: str = "MutatingWebhookConfiguration") -> str:
    listed = "".join(f"- {entry}\n" for entry in entries)
    return f"""\
---
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}
metadata: {{name: {name}}}
webhooks:
{listed}"""


def entry(name: str, namespace: str = "{}", pod: str = "{}", client: str = "{}") -> str:
    selectors = f"namespaceSelector: {namespace}, objectSelector: {pod}"
    return f"{{name: {name}.istio.io, clientConfig: {client}, {selectors}}}"


def expressions(*found: str) -> str:
    listed = ", ".join(f"{{{each}}}" for each in found)
    return f"{{matchExpressions: [{listed}]}}"


ON = expressions("key: istio-injection, operator: In, values: [enabled]")
CANARY = expressions(
    "key: istio.io/rev, operator: In, values: [canary]", "key: istio-injection, operator: DoesNotExist"
)


def test_injectors_that_exclude_each_other(said: Said) -> None:
    assert said("webhook.Analyzer", webhooks("a", entry("on", ON)) + webhooks("b", entry("canary", CANARY))) == []


def test_injectors_that_overlap(said: Said) -> None:
    found = said("webhook.Analyzer", webhooks("a", entry("on", ON)) + webhooks("b", entry("all"), entry("rev", CANARY)))
    assert [(each.code, each.about) for each in found] == [
        ("IST0139", "MutatingWebhookConfiguration a"),
        ("IST0139", "MutatingWebhookConfiguration b"),
        ("IST0139", "MutatingWebhookConfiguration b"),
    ]
    assert "b/all.istio.io selects too" in found[0].text


def test_an_injector_whose_service_is_missing(said: Said) -> None:
    text = webhooks("a", entry("on", ON, client="{service: {name: istiod, namespace: istio-system}}"))
    (found,) = said("webhook.Analyzer", text)
    assert (found.code, found.path) == ("IST0139", "webhooks[0].clientConfig.service")
    service = "---\n{apiVersion: v1, kind: Service, metadata: {name: istiod, namespace: istio-system}}\n"
    assert said("webhook.Analyzer", text + service) == []


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("{url: 'https://istiod.example.com:15017/inject'}", []),
        ("{service: {name: istiod, namespace: istio-system}}", []),
        ("{url: 'https://192.0.2.1:15017/inject'}", ["IST0164"]),
        ("{url: 'https://[2001:db8::1]:15017/inject'}", ["IST0164"]),
        ("{url: ''}", ["IST0163"]),
        ("{url: 'https://[broken'}", ["IST0163"]),
        ("{}", ["IST0163"]),
    ],
)
def test_the_address_of_an_external_control_plane(said: Said, client: str, expected: list[str]) -> None:
    name = "externalcontrolplane.ExternalControlPlaneAnalyzer"
    text = webhooks("istio-sidecar-injector-x", entry("a", client=client))
    assert [each.code for each in said(name, text)] == expected
    validator = text.replace("Mutating", "Validating").replace("istio-sidecar-injector-x", "istiod-default-validator")
    assert [each.code for each in said(name, validator)] == expected
    assert said(name, text.replace("istio-sidecar-injector-x", "somebody-elses")) == []


NETWORKS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  meshNetworks: |
    networks:
      one: {endpoints: [{fromRegistry: Kubernetes}, {fromRegistry: east}, {fromCidr: 10.0.0.0/8}]}
"""
SECRET = """\
---
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: istio-system, labels: {istio/multiCluster: "true"}}
data: {east: Zm9v}
"""


def test_registries_of_networks(said: Said) -> None:
    (found,) = said("meshnetworks.MeshNetworksAnalyzer", NETWORKS)
    assert (found.code, found.about) == ("IST0126", "MeshNetworks istio-system/meshnetworks")
    assert "east" in found.text
    assert found.line == 5
    assert said("meshnetworks.MeshNetworksAnalyzer", NETWORKS + SECRET) == []


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("v1, kind: Service", "{conditions: [{type: istio.io/WaypointBound, status: 'False'}]}", ["IST0171"]),
        ("v1, kind: Service", "{conditions: [{type: istio.io/WaypointBound, status: 'True'}]}", []),
        ("v1, kind: Service", "{conditions: [{type: Accepted, status: 'False'}]}", []),
        (
            "gateway.networking.k8s.io/v1, kind: HTTPRoute",
            "{parents: [{conditions: [{type: ResolvedRefs, status: 'False', reason: NoHost}]}]}",
            ["IST0171"],
        ),
    ],
)
def test_conditions(said: Said, kind: str, status: str, expected: list[str]) -> None:
    found = said("conditions.ConditionAnalyzer", f"{{apiVersion: {kind}, metadata: {{name: a}}, status: {status}}}")
    assert [each.code for each in found] == expected


def test_policies_that_select_gateways_of_the_gateway_api(said: Said) -> None:
    text = """\
apiVersion: v1
kind: Pod
metadata: {name: g, labels: {gateway.networking.k8s.io/gateway-name: edge, app: g}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p}
spec: {selector: {matchLabels: {app: g}}}
"""
    (found,) = said("k8sgateway.SelectorAnalyzer", text)
    assert (found.code, found.path, found.line) == ("IST0166", "spec.selector", 8)
    assert (
        said("k8sgateway.SelectorAnalyzer", text.replace("{selector:", "{targetRefs: [{name: edge}], selector:")) == []
    )
    assert said("k8sgateway.SelectorAnalyzer", text.replace("{app: g}}", "{app: other}}")) == []


def test_a_refused_object_is_told_with_its_field(said: Said) -> None:
    text = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: [a]
  http:
  - rout: []
"""
    (found,) = said("schema.ValidationAnalyzer.VirtualService", text)
    assert (found.code, found.about, found.line) == ("IST0106", "VirtualService shop/v", 7)
    assert found.text.startswith("spec.http[0].rout: unknown field; did you mean `route`?")
    assert said("schema.ValidationAnalyzer.Service", text) == []
