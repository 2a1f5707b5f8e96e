"""Should this pod get a proxy? Two questions, each answered by the first rule that decides, with the reason in words.

`selected` is what the webhook's selectors do in a cluster (labels of namespace and pod); `decide` is the injector's own
rule, which every way of injecting shares.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from lateen.common.labels import Labels, meets
from lateen.inject import pods
from lateen.inject.settings import SELECTOR, Policy, Settings

INJECT = "sidecar.istio.io/inject"
REVISION = "istio.io/rev"
NAMESPACE_INJECTION = "istio-injection"
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")


class Entry(StrEnum):
    """Entries of the webhook's configuration in a cluster, each with selectors of its own."""

    REVISION_OF_NAMESPACE = "rev.namespace.sidecar-injector.istio.io"
    REVISION_OF_POD = "rev.object.sidecar-injector.istio.io"
    NAMESPACE = "namespace.sidecar-injector.istio.io"
    POD = "object.sidecar-injector.istio.io"
    EVERYTHING = "auto.sidecar-injector.istio.io"


class Decision(msgspec.Struct, frozen=True):
    """Yes or no, and the rule that decided; of a webhook's selectors also the entry that they belong to."""

    inject: bool
    reason: str
    entry: Entry | None = None


def selected(namespace: str, namespace_labels: Labels, pod_labels: Labels, settings: Settings) -> Decision:
    """Whether a cluster would ask the injector about the pod at all; only labels count here."""
    switch, revision = namespace_labels.get(NAMESPACE_INJECTION), namespace_labels.get(REVISION)
    inject, wanted = pod_labels.get(INJECT), pod_labels.get(REVISION)
    if inject == "false":
        return Decision(False, f"the pod's label {INJECT} is false")
    if switch is not None:
        on = switch == "enabled" and settings.revision == "default"
        return Decision(on, f"the label {NAMESPACE_INJECTION} of namespace {namespace} is {switch}", Entry.NAMESPACE)
    if revision is not None:
        mine = revision == settings.revision
        reason = f"the label {REVISION} of namespace {namespace} is {revision}"
        return Decision(mine, reason, Entry.REVISION_OF_NAMESPACE)
    if wanted is not None:
        mine = wanted == settings.revision
        return Decision(mine, f"the pod's label {REVISION} is {wanted}", Entry.REVISION_OF_POD)
    if settings.revision == "default" and inject == "true":
        return Decision(True, f"the pod's label {INJECT} is true", Entry.POD)
    if settings.inject_by_default and settings.revision == "default" and namespace not in SYSTEM_NAMESPACES:
        if inject is None:
            return Decision(True, "namespaces are injected unless they say no", Entry.EVERYTHING)
        return Decision(False, f"the pod's label {INJECT} is {inject!r}, neither true nor false", Entry.EVERYTHING)
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
