"""A sidecar in every pod of the mesh and in no other: where it is missing, unwanted, stale, or impossible."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.analyzers.injection_images import AUTO
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import at, items, mapping
from lateen.analysis.view import View
from lateen.analysis.workloads import Workload, is_control_plane
from lateen.config.problems import Path
from lateen.inject import policy
from lateen.inject.pods import INIT
from lateen.inject.policy import Decision
from lateen.inject.settings import Settings

_IMAGE: Final = "sidecar.istio.io/proxyImage"
_STATUS: Final = "sidecar.istio.io/status"
"""Written by an injector: what it lists is replaced when the pod is injected again."""
_ENFORCED: Final = "pod-security.kubernetes.io/enforce"
_CAPABILITY: Final = "NET_ADMIN"
_OUTSIDE: Final = "its traffic passes no proxy: no routing by its own rules, no mutual TLS, no policies"


def decision(view: View, workload: Workload) -> Decision:
    """What the injector does with the workload's pods, and why."""
    namespace = workload.resource.namespace
    labels = view.namespace_labels(namespace)
    revision = labels.get(policy.REVISION, workload.labels.get(policy.REVISION, "default"))
    settings = Settings(inject_by_default=view.inject_by_default, revision=revision)
    asked = policy.selected(namespace, labels, workload.labels, settings)
    pod = {"metadata": {**mapping(workload.pod, "metadata"), "namespace": namespace}, "spec": workload.spec}
    return policy.decide(pod, settings) if asked.inject else asked


def presence(view: View) -> Iterator[Message]:
    """Workloads by what is written, pods that run by what they have."""
    for workload in view.workloads:
        if not workload.is_only_a_proxy and not is_control_plane(workload.resource.labels):
            yield from _as_written(view, workload)
    for pod in view.pods:
        if at(pod.resource.raw, "status", "phase") == "Running" and not pod.is_only_a_proxy:
            yield from _as_it_runs(view, pod)


def _as_it_runs(view: View, pod: Workload) -> Iterator[Message]:
    if pod.proxy is None and decision(view, pod).inject:
        text = (
            f"pod {pod.resource.name} runs without a sidecar, though it would be given one now: {_OUTSIDE}; delete it, "
            "so that it is made anew"
        )
        yield Message(MessageType.MissingSidecar, pod.resource, ("metadata", "name"), text)
    elif pod.proxy is not None and _is_of_another_make(view, pod, str(pod.proxy[1]["image"])):
        text = (
            f"the sidecar of pod {pod.resource.name} is {pod.proxy[1]['image']}, and a pod made now would have "
            f"{view.around.proxy_image}: it may not understand what it is sent; delete it, so that it is made anew"
        )
        yield Message(MessageType.StaleSidecar, pod.resource, (*pod.proxy[0], "image"), text)


def _is_of_another_make(view: View, workload: Workload, image: str) -> bool:
    """Variants of the injector's image, such as `-distroless`, are of its make.

    Where the injector's own values are among the objects, `injection.ImageAnalyzer` says it.
    """
    wanted = view.around.proxy_image if view.injector_values("") is None else ""
    stated = image == AUTO or _IMAGE in workload.annotations
    return bool(wanted) and not stated and image != wanted and not image.startswith(f"{wanted}-")


def _as_written(view: View, workload: Workload) -> Iterator[Message]:
    resource = workload.resource
    decided = decision(view, workload)
    if workload.uses_host_network:
        text = (
            f"{workload.title} uses the host's network, where interception would catch the whole machine's traffic, so "
            f"it gets no sidecar: {_OUTSIDE}; remove hostNetwork, or label its pods {policy.INJECT}=false to say that "
            "this is meant"
        )
        if workload.labels.get(policy.INJECT) != "false":
            yield Message(MessageType.HostNetwork, resource, workload.field("spec", "hostNetwork"), text)
    elif workload.proxy is None and not decided.inject:
        text = (
            f"{workload.title} is not injected ({decided.reason}): {_OUTSIDE}; if that is not meant, let it ask for "
            "injection"
        )
        path = workload.field("metadata", "labels", policy.INJECT)
        yield Message(MessageType.WorkloadOutsideMesh, resource, path, text)
    elif workload.proxy is not None and not decided.inject:
        text = (
            f"{workload.title} is written with a sidecar, though {decided.reason}: traffic is "
            "intercepted all the same; remove istio-proxy and istio-init from it, or let it ask for injection"
        )
        yield Message(MessageType.UnwantedSidecar, resource, workload.proxy[0], text)
    elif workload.proxy is not None and _STATUS not in workload.annotations:
        path, container = workload.proxy
        if workload.path and _is_of_another_make(view, workload, container["image"]):
            text = (
                f"the sidecar of {workload.title} is written with the image {container['image']}, "
                f"which stays when it is injected, though the mesh has {view.around.proxy_image} now: it may not "
                "understand what it is sent; remove istio-proxy and istio-init, so that they are injected"
            )
            yield Message(MessageType.StaleSidecar, resource, (*path, "image"), text)


def capabilities(view: View) -> Iterator[Message]:
    """The init container needs NET_ADMIN: where it is written without, and where the namespace forbids it."""
    forbidden: dict[str, list[str]] = {}
    for workload in view.workloads:
        found = workload.container(INIT)
        if found is not None:
            yield from _init(workload, found[0], at(found[1], "securityContext"))
        namespace = workload.resource.namespace
        enforced = view.namespace_labels(namespace).get(_ENFORCED)
        if enforced in ("baseline", "restricted") and (found or decision(view, workload).inject):
            forbidden.setdefault(namespace, []).append(workload.resource.name)
    for name, workloads in forbidden.items():
        namespace_object = view.get(("", "Namespace"), "", name)
        enforced = view.namespace_labels(name)[_ENFORCED]
        text = (
            f"namespace {name} enforces the pod security level {enforced}, which forbids {_CAPABILITY}: a cluster "
            f"refuses the pods of {', '.join(sorted(workloads))} once {INIT} is injected; enforce privileged, or let a "
            "CNI plugin program interception"
        )
        path = ("metadata", "labels", _ENFORCED)
        yield Message(MessageType.MissingCapability, namespace_object, path, text)


def _init(workload: Workload, path: Path, context: object) -> Iterator[Message]:
    added = items(context, "capabilities", "add")
    if at(context, "privileged") is True or _CAPABILITY in added or "ALL" in added:
        return
    text = (
        f"{INIT} of {workload.title} does not ask for the capability "
        f"{_CAPABILITY}, so it may not program interception: it fails, and the pod does not start; add NET_ADMIN and "
        "NET_RAW under securityContext.capabilities.add"
    )
    yield Message(MessageType.MissingCapability, workload.resource, (*path, "securityContext"), text)
