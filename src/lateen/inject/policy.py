"""Should this pod get a proxy? Two questions, each answered by the first rule that decides, with the reason in words.

`selected` is what the webhook's selectors do in a cluster (labels of namespace and pod); `decide` is the injector's own
rule, which every way of injecting shares.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.common.labels import Labels, meets
from lateen.inject import pods
from lateen.inject.settings import SELECTOR, Policy, Settings

INJECT = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
NAMESPACE_INJECTION = "istio-injection"
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")


class Decision(msgspec.Struct, frozen=True):
    """Yes or no, and the rule that decided."""

    inject: bool
    reason: str


def selected(namespace: str, namespace_labels: Labels, pod_labels: Labels, settings: Settings) -> Decision:
    """Whether a cluster would ask the injector about the pod at all; only labels count here."""
    switch, revision = namespace_labels.get(NAMESPACE_INJECTION), namespace_labels.get(REVISION)
    inject, wanted = pod_labels.get(INJECT), pod_labels.get(REVISION)
    if inject == "false":
        return Decision(False, f"the pod's label {INJECT} is false")
    if switch is not None:
        on = switch == "enabled" and settings.revision == "default"
        return Decision(on, f"the label {NAMESPACE_INJECTION} of namespace {namespace} is {switch}")
    if revision is not None:
        mine = revision == settings.revision
        return Decision(mine, f"the label {REVISION} of namespace {namespace} is {revision}")
    if wanted is not None:
        mine = wanted == settings.revision
        return Decision(mine, f"the pod's label {REVISION} is {wanted}")
    if settings.revision == "default" and inject == "true":
        return Decision(True, f"the pod's label {INJECT} is true")
    if settings.inject_by_default and settings.revision == "default" and namespace not in SYSTEM_NAMESPACES:
        if inject is None:
            return Decision(True, "namespaces are injected unless they say no")
        return Decision(False, f"the pod's label {INJECT} is {inject!r}, neither true nor false")
    return Decision(False, f"neither namespace {namespace} nor the pod asks for injection")


def decide(pod: Mapping[str, Any], settings: Settings) -> Decision:
    """The injector's decision about one pod."""
    if pods.spec(pod).get("hostNetwork"):
        return Decision(False, "the pod uses the host's network")
    namespace = (pod.get("metadata") or {}).get("namespace")
    if namespace in SYSTEM_NAMESPACES:
        return Decision(False, f"namespace {namespace} is never injected")
    if settings.policy not in tuple(Policy):
        return Decision(False, f"the injection policy {settings.policy!r} is neither enabled nor disabled")
    labels = pods.labels(pod)
    kind, stated = _stated(pod)
    if stated in ("true", "false"):
        return Decision(stated == "true", f"the pod's {kind} {INJECT} is {stated}")
    if _any_matches(settings.never_inject, labels):
        return Decision(False, "the pod's labels match neverInjectSelector")
    if _any_matches(settings.always_inject, labels):
        return Decision(True, "the pod's labels match alwaysInjectSelector")
    note = f"; the pod's {kind} {INJECT} is {stated!r}, neither true nor false" if stated else ""
    return Decision(settings.policy == Policy.ENABLED, f"the injection policy is {settings.policy}{note}")


def _stated(pod: Mapping[str, Any]) -> tuple[str, str]:
    """What the pod says of itself; the annotation counts only where the label is absent."""
    labels = pods.labels(pod)
    if INJECT in labels:
        return "label", labels[INJECT]
    return "annotation", pods.annotations(pod).get(INJECT, "")


def _any_matches(selectors: Iterable[SELECTOR], labels: Labels) -> bool:
    """A selector that is empty matches nothing here."""
    return any(meets(selector, labels) for selector in selectors if any(selector.values()))
