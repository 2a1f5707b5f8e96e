from collections.abc import Mapping
from typing import Any

import pytest

from lateen.inject.policy import Decision, decide, selected
from lateen.inject.settings import Settings

FOO = ({"matchLabels": {"foo": "bar"}},)
INJECT = "sidecar.istio.io/inject"


def pod(labels: Mapping[str, str] = {}, annotations: Mapping[str, str] = {}, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "labels": labels, "annotations": annotations}, "spec": spec}


@pytest.mark.parametrize(
    ("settings", "labels", "annotations", "expected"),
    [
        (Settings(), {}, {}, True),
        (Settings(policy="disabled"), {}, {}, False),
        (Settings(), {}, {INJECT: "false"}, False),
        (Settings(policy="disabled"), {}, {INJECT: "true"}, True),
        (Settings(policy="disabled"), {INJECT: "true"}, {INJECT: "false"}, True),
        (Settings(policy="disabled"), {INJECT: "false"}, {INJECT: "true"}, False),
        (Settings(), {INJECT: "random"}, {}, True),
        (Settings(policy="disabled"), {}, {INJECT: "yes"}, False),
        (Settings(policy="other"), {INJECT: "true"}, {}, False),
        (Settings(policy="disabled", always_inject=FOO), {"foo": "bar"}, {}, True),
        (Settings(policy="disabled", always_inject=FOO), {}, {}, False),
        (Settings(never_inject=FOO), {"foo": "bar"}, {}, False),
        (Settings(never_inject=FOO, always_inject=FOO), {"foo": "bar"}, {}, False),
        (Settings(never_inject=FOO), {"foo": "bar"}, {INJECT: "true"}, True),
        (Settings(always_inject=FOO), {"foo": "bar"}, {INJECT: "false"}, False),
        (Settings(never_inject=({},)), {}, {}, True),
        # Selectors that Kubernetes would refuse match nothing.
        (Settings(never_inject=({"matchExpressions": [{"key": "a", "operator": "NotIn"}]},)), {}, {}, True),
        (
            Settings(never_inject=({"matchExpressions": [{"key": "foo", "operator": "Exists", "values": ["x"]}]},)),
            {"foo": ""},
            {},
            True,
        ),
        (Settings(never_inject=({"matchExpressions": "foo"},)), {"foo": "bar"}, {}, True),
        (Settings(never_inject=({"matchLabels": "foo"},)), {"foo": "bar"}, {}, True),
    ],
)
def test_the_first_rule_that_applies_decides(
    settings: Settings, labels: Mapping[str, str], annotations: Mapping[str, str], expected: bool
) -> None:
    assert decide(pod(labels, annotations), settings).inject is expected


def test_the_hosts_network_and_system_namespaces_are_never_injected() -> None:
    assert decide(pod({INJECT: "true"}, hostNetwork=True), Settings()).reason == "the pod uses the host's network"
    system = {"metadata": {"namespace": "kube-system", "labels": {INJECT: "true"}}}
    assert decide(system, Settings()) == Decision(False, "namespace kube-system is never injected")


def test_the_reason_names_a_value_that_means_nothing() -> None:
    reason = decide(pod({INJECT: "on"}), Settings()).reason
    assert reason == f"the injection policy is enabled; the pod's label {INJECT} is 'on', neither true nor false"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "app", "operator": "In", "values": ["a"]}, False),
        ({"key": "app", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "app", "operator": "Exists"}, False),
        ({"key": "app", "operator": "DoesNotExist"}, True),
        ({"key": "app", "operator": "Nonsense"}, True),
    ],
)
def test_selectors_know_expressions_and_ignore_what_they_do_not_know(expression: Any, expected: bool) -> None:
    settings = Settings(never_inject=({"matchExpressions": [expression]},))
    assert decide(pod({"app": "a"}), settings).inject is expected


@pytest.mark.parametrize(
    ("namespace_labels", "pod_labels", "default", "expected"),
    [
        ({"istio-injection": "enabled"}, {}, False, True),
        ({"istio-injection": "disabled"}, {INJECT: "true"}, True, False),
        ({"istio-injection": "enabled", "istio.io/rev": "canary"}, {}, False, True),
        ({"istio-injection": "enabled"}, {INJECT: "false"}, True, False),
        ({"istio.io/rev": "default"}, {}, False, True),
        ({"istio.io/rev": "canary"}, {}, True, False),
        ({}, {"istio.io/rev": "default"}, False, True),
        ({}, {"istio.io/rev": "canary", INJECT: "true"}, True, False),
        ({}, {INJECT: "true"}, False, True),
        ({}, {}, False, False),
        ({}, {}, True, True),
        ({}, {INJECT: "maybe"}, True, False),
    ],
)
def test_which_pods_a_cluster_asks_about(
    namespace_labels: Mapping[str, str], pod_labels: Mapping[str, str], default: bool, expected: bool
) -> None:
    settings = Settings(inject_by_default=default)
    assert selected("shop", namespace_labels, pod_labels, settings).inject is expected


def test_a_revisioned_injector_leaves_unrevisioned_namespaces_alone() -> None:
    settings = Settings(revision="canary", inject_by_default=True)
    assert not selected("shop", {"istio-injection": "enabled"}, {}, settings).inject
    assert not selected("shop", {}, {}, settings).inject
    assert selected("shop", {"istio.io/rev": "canary"}, {}, settings).inject
