"""Rules and matches of VirtualServices that never apply."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]
ROUTE = "route: [{destination: {host: a}}]"


def virtual_service(field: str, *matches: str) -> str:
    rules = "".join(f"  - {{{f'match: {match}, ' if match else ''}{ROUTE}}}\n" for match in matches)
    return f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v}}
spec:
  hosts: [a.example.com]
  {field}:
{rules}"""


def uri(kind: str, text: str, more: str = "") -> str:
    return f"{{uri: {{{kind}: {text}}}{more}}}"


A, AB = uri("prefix", "/a"), uri("prefix", "/a/b")
MATCH, RULE = "IST0131", "IST0130"


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ([f"[{A}]", ""], []),
        (["", f"[{A}]"], [(RULE, "spec.http[1]")]),
        ([f"[{A}]", f"[{A}]"], [(RULE, "spec.http[1]"), (MATCH, "spec.http[1].match[0]")]),
        ([f"[{A}]", f"[{{name: other, {A[1:]}]"], [(RULE, "spec.http[1]"), (MATCH, "spec.http[1].match[0]")]),
        ([f"[{A}]", f"[{A}, {uri('prefix', '/c')}]"], [(MATCH, "spec.http[1].match[0]")]),
        ([f"[{A}, {A}]"], [(MATCH, "spec.http[0].match[1]")]),
        ([f"[{A}]", f"[{AB}]"], [(MATCH, "spec.http[1].match[0]")]),
        ([f"[{AB}]", f"[{A}]"], []),
        ([f"[{A}]", f"[{uri('exact', '/a')}]"], []),
        ([f"[{A}]", f"[{uri('prefix', '/a/b', ', method: {exact: GET}')}]"], [(MATCH, "spec.http[1].match[0]")]),
        ([f"[{uri('prefix', '/a', ', method: {exact: GET}')}]", f"[{AB}]"], []),
        ([f"[{A}]", f"[{uri('prefix', '/a/b', ', ignoreUriCase: true')}]"], []),
    ],
)
def test_http(said: Said, matches: list[str], expected: list[tuple[str, str]]) -> None:
    found = said("schema.ValidationAnalyzer.VirtualService", virtual_service("http", *matches))
    assert [(each.code, each.path) for each in found] == expected


@pytest.mark.parametrize(("field", "match"), [("tcp", "{port: 1}"), ("tls", "{port: 1, sniHosts: [a.example.com]}")])
def test_tcp_and_tls(said: Said, field: str, match: str) -> None:
    text = virtual_service(field, f"[{match}]", f"[{match}]")
    codes = [each.code for each in said("schema.ValidationAnalyzer.VirtualService", text)]
    assert codes == [RULE, MATCH]
    text = virtual_service(field, f"[{match}]", f"[{match.replace('1', '2', 1)}]")
    assert said("schema.ValidationAnalyzer.VirtualService", text) == []
