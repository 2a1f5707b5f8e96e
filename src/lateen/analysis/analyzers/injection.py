"""Namespaces and the pods in them: who is injected, and whose sidecar is missing."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import Resource
from lateen.analysis.view import View
from lateen.inject.policy import INJECT, NAMESPACE_INJECTION, REVISION

_MODE: Final = "istio.io/dataplane-mode"


def namespaces_and_pods(view: View) -> Iterator[Message]:
    """Source: Istio's `injection.Analyzer`."""
    injected = set()
    for namespace in view.all(("", "Namespace")):
        if namespace.name == view.around.istio_namespace:
            continue
        yield from _namespace(view, namespace)
        if namespace.labels.get(NAMESPACE_INJECTION) == "enabled" and not _contradicts(namespace):
            injected.add(namespace.name)
    for pod in view.pods:
        opted_out = pod.labels.get(INJECT, pod.annotations.get(INJECT)) == "false"
        if pod.resource.namespace not in injected or opted_out or pod.uses_host_network or pod.proxy:
            continue
        text = (
            f"pod {pod.resource.name} has no istio-proxy though its namespace is injected: its traffic passes no "
            "proxy, so routing, mutual TLS and policies do not apply to it; delete it, so that it is made anew and "
            f"injected, or label it {INJECT}=false"
        )
        yield Message(MessageType.PodMissingProxy, pod.resource, ("metadata", "name"), text)


def _injection_labels(namespace: Resource) -> list[str]:
    """The labels of a namespace that decide on its data plane, those left out that the first one overrules."""
    switch = namespace.labels.get(NAMESPACE_INJECTION)
    others = (REVISION, _MODE) if switch in (None, "enabled") else ()
    return [label for label in (NAMESPACE_INJECTION, *others) if label in namespace.labels]


def _contradicts(namespace: Resource) -> bool:
    return len(_injection_labels(namespace)) > 1


def _namespace(view: View, namespace: Resource) -> Iterator[Message]:
    labels = namespace.labels
    if _contradicts(namespace):
        said = ", ".join(f"{label}={labels[label]}" for label in _injection_labels(namespace))
        text = f"namespace {namespace.name} is labelled {said}, and only one of them can decide on its pods; keep one"
        path = ("metadata", "labels", _injection_labels(namespace)[0])
        yield Message(MessageType.NamespaceMultipleInjectionLabels, namespace, path, text)
    elif labels.get(_MODE) == "ambient" or NAMESPACE_INJECTION in labels or REVISION in labels:
        return
    elif view.inject_by_default:
        text = (
            f"namespace {namespace.name} says nothing of injection, and this mesh injects such namespaces: its pods "
            f"get a sidecar; label it {NAMESPACE_INJECTION}=disabled if they are not to, or =enabled to say so"
        )
        yield Message(MessageType.NamespaceInjectionEnabledByDefault, namespace, ("metadata", "name"), text)
    else:
        text = (
            f"pods of namespace {namespace.name} get no sidecar; to have them in the mesh, run `kubectl label "
            f"namespace {namespace.name} {NAMESPACE_INJECTION}=enabled`, to say that they stay outside, `kubectl label "
            f"namespace {namespace.name} {NAMESPACE_INJECTION}=disabled`"
        )
        yield Message(MessageType.NamespaceNotInjected, namespace, ("metadata", "name"), text)
