"""What check-inject says agrees with what becomes of the pod, and with the selectors of a cluster's webhook."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest

from lateen.inject.inject import Injected, inject
from lateen.inject.policy import Entry, selected
from lateen.inject.settings import Settings
from lateen.inject.verdict import Case, verdict

INJECT, REV, INJECTION = "sidecar.istio.io/inject", "istio.io/rev", "istio-injection"
Labels = Mapping[str, str]


def case(
    labels: Mapping[str, str] = {},
    namespace: Mapping[str, str] = {},
    settings: Settings | None = None,
    **spec: Any,
) -> Case:
    pod = {"metadata": {"namespace": "shop", "labels": dict(labels)}, "spec": {"containers": [{"name": "a"}], **spec}}
    return Case(pod, namespace, settings or Settings())


@pytest.mark.parametrize(
    ("found", "injected", "reason", "entry"),
    [
        (case(namespace={INJECTION: "enabled"}), True, "the label istio-injection of namespace shop", Entry.NAMESPACE),
        (case({INJECT: "true"}), True, "the pod's label sidecar.istio.io/inject is true", Entry.POD),
        (
            case(namespace={REV: "canary"}),
            False,
            "istio.io/rev of namespace shop is canary",
            Entry.REVISION_OF_NAMESPACE,
        ),
        (case({REV: "default"}), True, "the pod's label istio.io/rev is default", Entry.REVISION_OF_POD),
        (case(settings=Settings(inject_by_default=True)), True, "unless they say no", Entry.EVERYTHING),
        (case(), False, "neither namespace shop nor the pod asks", ""),
        (case({INJECT: "true"}, hostNetwork=True), False, "the pod uses the host's network", Entry.POD),
        (case(namespace={INJECTION: "enabled"}, settings=Settings(policy="disabled")), False, "policy is disabled", ""),
    ],
)
def test_the_rule_that_decides_is_named(found: Case, injected: bool, reason: str, entry: str) -> None:
    said = verdict(found)
    assert said.injected is injected
    assert reason in said.reason
    assert said.entry == entry or not entry


def test_the_fewest_changes_that_turn_it_are_listed() -> None:
    assert verdict(case()).changes == (
        f"the pod with the label {INJECT}=true",
        f"the pod with the label {REV}=default",
        f"namespace shop with the label {INJECTION}=enabled",
        f"namespace shop with the label {REV}=default",
    )
    assert verdict(case({INJECT: "false"}, hostNetwork=True)).changes == (
        f"the pod with the label {INJECT}=true and the pod without spec.hostNetwork",
    )


LABELS = [
    dict(zip((INJECT, REV), each, strict=True))
    for each in product(("true", "false", "x", None), ("default", "b", None))
]
NAMESPACES = [
    dict(zip((INJECTION, REV), each, strict=True))
    for each in product(("enabled", "disabled", None), ("default", "b", None))
]


def _present(labels: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if value is not None}


@pytest.mark.parametrize("by_default", [True, False])
@pytest.mark.parametrize("revision", ["default", "b"])
def test_selectors_are_those_of_the_contracts_table(revision: str, by_default: bool) -> None:
    settings = Settings(revision=revision, inject_by_default=by_default)
    for pod, namespace in product(map(_present, LABELS), map(_present, NAMESPACES)):
        entries = _entries(revision, by_default, pod, namespace)
        found = selected("shop", namespace, pod, settings)
        assert found.inject == bool(entries), (pod, namespace)
        assert not entries or entries == {found.entry}
        whole = case(pod, namespace, settings)
        assert verdict(whole).injected == isinstance(inject(whole.pod, settings, None, namespace), Injected)


def _entries(revision: str, by_default: bool, pod: Labels, namespace: Labels) -> set[Entry]:
    """The entries that select a pod, word for word as the contract has them (section 1.1)."""
    unrevisioned, may = revision == "default", pod.get(INJECT) != "false"
    neither = REV not in namespace and INJECTION not in namespace
    rows = {
        Entry.REVISION_OF_NAMESPACE: namespace.get(REV) == revision and INJECTION not in namespace and may,
        Entry.REVISION_OF_POD: neither and may and pod.get(REV) == revision,
        Entry.NAMESPACE: unrevisioned and namespace.get(INJECTION) == "enabled" and may,
        Entry.POD: unrevisioned and neither and pod.get(INJECT) == "true" and REV not in pod,
        Entry.EVERYTHING: unrevisioned and by_default and neither and INJECT not in pod and REV not in pod,
    }
    return {entry for entry, selects in rows.items() if selects}
