"""Applications with the proxy's user or group."""

from collections.abc import Callable
from typing import Any

import pytest

Said = Callable[..., list[Any]]


def workload(spec: str, kind: str = "apps/v1, kind: Deployment", labels: str = "{}") -> str:
    return f"""\
{{apiVersion: {kind}, metadata: {{name: web, labels: {labels}}},
  spec: {{template: {{spec: {{{spec}}}}}}}}}
"""


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("securityContext: {runAsUser: 1337}", "spec.template.spec.securityContext.runAsUser"),
        (
            "containers: [{name: a}, {name: b, securityContext: {runAsUser: 1337}}]",
            "spec.template.spec.containers[1].securityContext.runAsUser",
        ),
        ("containers: [{name: web}, {name: istio-proxy, securityContext: {runAsUser: 1337}}]", None),
        ("containers: [{name: a, securityContext: {runAsUser: 1000}}]", None),
    ],
)
def test_the_proxys_user(said: Said, spec: str, path: str | None) -> None:
    for kind in ("apps/v1, kind: Deployment", "apps/v1, kind: StatefulSet"):
        found = said("applicationUID.Analyzer", workload(spec, kind))
        assert [(each.code, each.path) for each in found] == ([("IST0144", path)] if path else [])
    group = said("workload.GroupAnalyzer", workload(spec.replace("runAsUser", "runAsGroup")))
    assert [each.code for each in group] == (["LTN0015"] if path else [])


def test_parts_of_the_control_plane_are_left_alone(said: Said) -> None:
    for labels in ("{istio: pilot}", "{release: istio}"):
        assert said("applicationUID.Analyzer", workload("securityContext: {runAsUser: 1337}", labels=labels)) == []
