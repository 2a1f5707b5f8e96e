"""Istio's annotations on objects: unknown, misplaced, deprecated, alpha, or with a value that cannot be read."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.annotation_registry import ANY, REGISTRY, Known
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import Resource
from lateen.analysis.view import View
from lateen.analysis.workloads import POD, Workload
from lateen.inject.annotation_checks import problem_with
from lateen.inject.pods import INIT
from lateen.inject.policy import INJECT

_READ: Final = (("", "Namespace"), ("", "Service"), POD, ("apps", "Deployment"))
_IGNORED: Final = ("sidecar.istio.io/status", "gateway.istio.io/controller-version", "istio.io/rev")
"""Written by programs, wherever they please."""
_OF_THE_CNI: Final = tuple(
    f"{prefix}sidecar.istio.io/{name}"
    for prefix, name in (
        ("", "interceptionMode"),
        ("traffic.", "includeInboundPorts"),
        ("traffic.", "excludeInboundPorts"),
        ("traffic.", "includeOutboundIPRanges"),
    )
)
"""Where no init container programs interception, injection tells the CNI plugin by these."""


def _istio_annotations(resource: Resource) -> Iterator[tuple[str, str]]:
    for name, value in resource.annotations.items():
        ours = name.partition("/")[0].endswith("istio.io") or name == "kubernetes.io/ingress.class"
        if ours and "/" in name and name not in _IGNORED:
            yield name, value


def kubernetes_objects(view: View) -> Iterator[Message]:
    """What objects themselves carry, not the pods of a template. Source: Istio's `annotations.K8sAnalyzer`."""
    for resource in (each for kind in _READ for each in view.all(kind)):
        for name, value in _istio_annotations(resource):
            known = REGISTRY.get(name)
            if known is None:
                yield _message(MessageType.UnknownAnnotation, resource, name, _unknown(name))
                continue
            if known.deprecated and not (name == INJECT and INJECT in resource.labels):
                hint = f"set the label {INJECT} instead" if name == INJECT else "remove it"
                text = f"annotation {name} is deprecated and may lose its meaning; {hint}"
                yield _message(MessageType.DeprecatedAnnotation, resource, name, text)
            yield from _misused(resource, name, value, known)


def _unknown(name: str) -> str:
    near = get_close_matches(name, REGISTRY, n=1, cutoff=0.85)
    hint = f"did you mean {near[0]}?" if near else "look up its name, or remove it"
    return f"annotation {name} is not one of Istio's, so it has no effect; {hint}"


def _misused(resource: Resource, name: str, value: str, known: Known) -> Iterator[Message]:
    kind = resource.ref.kind
    if ANY in known.kinds:
        return
    if kind not in known.kinds:
        place = "the pod template" if kind == "Deployment" and "Pod" in known.kinds else " or ".join(known.kinds)
        text = f"annotation {name} means nothing on a {kind}, so it has no effect; it belongs on {place}"
        yield _message(MessageType.MisplacedAnnotation, resource, name, text)
    elif problem := problem_with(name, value):
        text = f"annotation {name} has the value {value!r}, with which no sidecar can be injected: {problem}"
        yield _message(MessageType.InvalidAnnotation, resource, name, text)


def alpha(view: View) -> Iterator[Message]:
    """Source: Istio's `annotations.AlphaAnalyzer`."""
    for resource in (each for kind in _READ for each in view.all(kind)):
        by_cni = (resource.ref.group, resource.ref.kind) == POD and not Workload.of(resource).container(INIT)
        for name, _ in _istio_annotations(resource):
            known = REGISTRY.get(name)
            if known is not None and known.alpha and not (by_cni and name in _OF_THE_CNI):
                text = (
                    f"annotation {name} is alpha: it may change or go away with any release; use it with that in mind"
                )
                yield _message(MessageType.AlphaAnnotation, resource, name, text)


def _message(kind: MessageType, resource: Resource, name: str, text: str) -> Message:
    return Message(kind, resource, ("metadata", "annotations", name), text)
