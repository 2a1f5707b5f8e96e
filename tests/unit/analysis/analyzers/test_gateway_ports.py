"""Gateways that nobody serves, and ports that nothing leads to."""

from collections.abc import Callable
from typing import Any

import pytest

from lateen.analysis.view import IngressGateway

Said = Callable[..., list[Any]]


def gateway(port: int, selector: str = "{app: edge}") -> str:
    return f"""\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g}}
spec:
  selector: {selector}
  servers:
  - port: {{number: {port}, name: http, protocol: HTTP}}
    hosts: ["*"]
"""


EDGE = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: edges}
spec: {template: {metadata: {labels: {app: edge}}, spec: {containers: [{name: istio-proxy, image: auto}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: edges}
spec: {selector: {app: edge}, ports: [{name: http, port: 80, targetPort: 8080}, {name: u, port: 53, protocol: UDP}]}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (gateway(80) + EDGE, []),
        (gateway(8080) + EDGE, []),
        (gateway(81) + EDGE, [("IST0162", "spec.servers[0].port.number")]),
        (gateway(53) + EDGE, [("IST0162", "spec.servers[0].port.number")]),
        (gateway(80), [("IST0101", "spec.selector")]),
        (gateway(80, "{}"), []),
    ],
)
def test_ports(said: Said, text: str, expected: list[tuple[str, str]]) -> None:
    found = said("gateway.IngressGatewayPortAnalyzer", text)
    assert [(each.code, each.path) for each in found] == expected


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (gateway(80, "{istio: ingressgateway}"), []),
        (gateway(81, "{istio: ingressgateway}"), ["IST0162"]),
        (gateway(80, "{istio: other}"), ["IST0101"]),
        (gateway(80) + EDGE, []),
    ],
)
def test_the_gateway_that_the_mesh_brings(said: Said, text: str, codes: list[str]) -> None:
    brought = IngressGateway({"istio": "ingressgateway"}, (80, 443))
    found = said("gateway.IngressGatewayPortAnalyzer", text, ingress_gateway=brought)
    assert [each.code for each in found] == codes
