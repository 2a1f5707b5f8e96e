"""What names of ports declare, and what has no effect where they declare nothing."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]


def service(port: str, extra: str = "") -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: web, labels: {{team: a}}}}
spec:
  ports:
  - {port}
  {extra}
"""


RULES = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web}}]}]
"""


@pytest.mark.parametrize(
    "port",
    [
        "{name: http, port: 80}",
        "{name: HTTP2-web, port: 80}",
        "{name: grpc-web, port: 80}",
        "{name: web, appProtocol: kubernetes.io/h2c, port: 80}",
        "{name: anything, port: 53, protocol: UDP}",
        "{name: anything, port: 3306}",
    ],
)
def test_names_by_the_convention(said: Said, port: str) -> None:
    assert said("service.PortNameAnalyzer", service(port)) == []


@pytest.mark.parametrize(
    ("port", "path"),
    [
        ("{name: http2foo, port: 80}", "spec.ports[0].name"),
        ("{port: 80}", "spec.ports[0]"),
        ("{name: http, appProtocol: gopher, port: 80}", "spec.ports[0].appProtocol"),
    ],
)
def test_names_against_the_convention(said: Said, port: str, path: str) -> None:
    (found,) = said("service.PortNameAnalyzer", service(port))
    assert (found.code, found.line, found.path) == ("IST0118", 6, path)
    assert "port 80" in found.text
    assert "plain TCP" in found.text


def test_the_control_plane_and_managed_gateways_are_left_alone(said: Said) -> None:
    for label in ("istio: pilot", "release: istio", "gateway.istio.io/managed: istio.io-gateway-controller"):
        assert said("service.PortNameAnalyzer", service("{port: 80}").replace("team: a", label)) == []


@pytest.mark.parametrize(("name", "codes"), [("https", []), ("tcp", ["IST0150"]), ("web", ["IST0150"])])
def test_external_names_need_a_protocol(said: Said, name: str, codes: list[str]) -> None:
    text = service(f"{{name: {name}, port: 443}}", "type: ExternalName")
    assert [each.code for each in said("service.PortNameAnalyzer", text)] == codes


def test_a_name_that_declares_nothing_is_plain_tcp(said: Said) -> None:
    (found,) = said("service.PlainTcpAnalyzer", service("{name: http2foo, port: 80}"))
    assert (found.code, found.path) == ("LTN0005", "spec.ports[0].name")
    assert found.text.startswith("`http2foo` declares no protocol, so port 80 is plain TCP")
    assert "http2" in found.text


def test_rules_that_have_no_effect_because_of_a_name_are_named(said: Said) -> None:
    (found,) = said("service.PlainTcpAnalyzer", service("{port: 80}") + RULES)
    assert "VirtualService shop/routes has no effect on port 80 of Service web" in found.text
    wildcard = RULES.replace("[web]", '["*.shop.svc.cluster.local", web]').replace("routes", "more")
    (found,) = said("service.PlainTcpAnalyzer", service("{port: 80}") + RULES + wildcard)
    assert "have no effect" in found.text


def test_rules_for_a_port_that_says_it_is_tcp(said: Said) -> None:
    (found,) = said("service.PlainTcpAnalyzer", service("{name: tcp-web, port: 80}") + RULES)
    assert found.text.startswith("`tcp-web` declares tcp, so port 80 carries TCP and VirtualService shop/routes has no")
    everything = RULES.replace("[web]", '["*.shop.svc.cluster.local"]')
    assert said("service.PlainTcpAnalyzer", service("{name: tcp-web, port: 80}") + everything) == []


@pytest.mark.parametrize(
    "text",
    [
        service("{port: 80}"),
        service("{name: http, port: 80}") + RULES,
        service("{name: odd, port: 80}\n  - {name: http, port: 81}") + RULES.replace("web", "elsewhere"),
        service("{port: 80}") + RULES.replace("hosts:", "gateways: [edge]\n  hosts:"),
        service("{name: status-port, port: 15021}"),
    ],
)
def test_what_is_clear_or_meant_is_not_told_with_rules(said: Said, text: str) -> None:
    assert [each for each in said("service.PlainTcpAnalyzer", text) if "VirtualService" in each.text] == []
