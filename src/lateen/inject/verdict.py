"""Is a pod injected, which rule decides, and what would have to be otherwise for the answer to be the other one?

The last is found by asking the same rules about the pod with one or two things changed, so it agrees with them.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any, Final

import msgspec

from lateen.common.labels import Labels
from lateen.inject import pods
from lateen.inject.pods import JsonMap
from lateen.inject.policy import INJECT, NAMESPACE_INJECTION, REVISION, Decision, decide, selected
from lateen.inject.settings import Policy, Settings

_MOST_TOGETHER: Final = 2


class Case(msgspec.Struct, frozen=True):
    """What the rules look at."""

    pod: JsonMap
    namespace_labels: Labels
    settings: Settings

    @property
    def namespace(self) -> str:
        return str((self.pod.get("metadata") or {}).get("namespace") or "default")


class Verdict(msgspec.Struct, frozen=True):
    """The decision, the webhook's entry where selectors decided it, and what would turn it, each by itself."""

    injected: bool
    reason: str
    entry: str
    changes: tuple[str, ...]


_Change = tuple[str, Callable[[Case], Case]]


def verdict(case: Case) -> Verdict:
    """What becomes of a pod in a cluster: first the webhook's selectors, then the injector's own rules."""
    decision, entry = _decided(case)
    return Verdict(decision.inject, decision.reason, entry, tuple(_turning(case, decision.inject)))


def _decided(case: Case) -> tuple[Decision, str]:
    chosen = selected(case.namespace, case.namespace_labels, pods.labels(case.pod), case.settings)
    entry = chosen.entry.value if chosen.entry is not None else ""
    if not chosen.inject:
        return chosen, entry
    decision = decide(case.pod, case.settings)
    return (chosen if decision.inject else decision), entry


def _turning(case: Case, injected: bool) -> Iterator[str]:
    """The fewest changes that give the other answer."""
    changes = list(_changes(case))
    for together in range(1, _MOST_TOGETHER + 1):
        found = [
            " and ".join(name for name, _ in chosen)
            for chosen in combinations(changes, together)
            if _decided(_changed(case, chosen))[0].inject is not injected
        ]
        if found:
            yield from found
            return


def _changed(case: Case, changes: tuple[_Change, ...]) -> Case:
    for _, change in changes:
        case = change(case)
    return case


def _changes(case: Case) -> Iterator[_Change]:
    """What people can do about it, the usual first."""
    revision = case.settings.revision
    in_use = pods.labels(case.pod), case.namespace_labels
    for key, values in ((INJECT, ("true", "false", None)), (REVISION, (revision, None))):
        yield from (
            (_named("the pod", key, value), _pod_label(key, value)) for value in _others(in_use[0], key, values)
        )
    for key, values in ((NAMESPACE_INJECTION, ("enabled", "disabled", None)), (REVISION, (revision, None))):
        where = f"namespace {case.namespace}"
        yield from (
            (_named(where, key, value), _namespace_label(key, value)) for value in _others(in_use[1], key, values)
        )
    if INJECT in pods.annotations(case.pod):
        yield f"the pod without the annotation {INJECT}", _without_annotation
    if pods.spec(case.pod).get("hostNetwork"):
        yield "the pod without spec.hostNetwork", _without_host_network
    for policy in Policy:
        if policy != case.settings.policy:
            yield f"policy {policy} in the injection config", _with_policy(policy)


def _others(labels: Labels, key: str, values: tuple[str | None, ...]) -> list[str | None]:
    return [value for value in values if value != labels.get(key)]


def _named(where: str, key: str, value: str | None) -> str:
    return f"{where} without the label {key}" if value is None else f"{where} with the label {key}={value}"


def _pod_label(key: str, value: str | None) -> Callable[[Case], Case]:
    return lambda case: _with_metadata(case, labels=_with(pods.labels(case.pod), key, value))


def _namespace_label(key: str, value: str | None) -> Callable[[Case], Case]:
    def change(case: Case) -> Case:
        return msgspec.structs.replace(case, namespace_labels=_with(case.namespace_labels, key, value))

    return change


def _without_annotation(case: Case) -> Case:
    return _with_metadata(case, annotations=_with(pods.annotations(case.pod), INJECT, None))


def _without_host_network(case: Case) -> Case:
    return msgspec.structs.replace(case, pod={**case.pod, "spec": {**pods.spec(case.pod), "hostNetwork": False}})


def _with_policy(policy: Policy) -> Callable[[Case], Case]:
    def change(case: Case) -> Case:
        return msgspec.structs.replace(case, settings=msgspec.structs.replace(case.settings, policy=policy))

    return change


def _with_metadata(case: Case, **fields: Mapping[str, Any]) -> Case:
    metadata = {**(case.pod.get("metadata") or {}), **fields}
    return msgspec.structs.replace(case, pod={**case.pod, "metadata": metadata})


def _with(labels: Labels, key: str, value: str | None) -> Labels:
    kept = {name: text for name, text in labels.items() if name != key}
    return kept if value is None else {**kept, key: value}
