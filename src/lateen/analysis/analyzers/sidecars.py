"""A sidecar in every pod of the mesh and in no other: where it is missing, unwanted, stale, or impossible."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.analyzers.injection_images import AUTO
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import at, mapping
from lateen.analysis.view import View
from lateen.analysis.workloads import Workload, is_control_plane, is_owned
from lateen.config.problems import Path
from lateen.inject import policy
from lateen.inject.pods import INIT
from lateen.inject.policy import Decision
from lateen.inject.settings import Settings

_IMAGE: Final = "sidecar.istio.io/proxyImage"
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
    """Workloads by what is written, pods that a workload made by what they have."""
    for workload in view.workloads:
        if not workload.is_only_a_proxy and not is_control_plane(workload.resource.labels):
            yield from _of_workload(view, workload)
    for pod in view.pods:
        runs = at(pod.resource.raw, "status", "phase") == "Running"
        if runs and is_owned(pod.resource) and pod.proxy is None and decision(view, pod).inject:
            yield _missing(pod)


def _of_workload(view: View, workload: Workload) -> Iterator[Message]:
    resource = workload.resource
    decided = decision(view, workload)
    said = f"pods of {resource.ref.kind} {resource.name}" if workload.path else f"pod {resource.name}"
    if workload.uses_host_network:
        text = (
            f"{said} use the host's network, where interception would catch the whole machine's traffic, so they get "
            f"no sidecar: {_OUTSIDE}; remove hostNetwork, or label them {policy.INJECT}=false to say that this is meant"
        )
        if workload.labels.get(policy.INJECT) != "false":
            yield Message(MessageType.HostNetwork, resource, workload.field("spec", "hostNetwork"), text)
    elif workload.proxy is None and not decided.inject:
        text = (
            f"{said} are not injected ({decided.reason}): {_OUTSIDE}; let them ask for injection if that is not meant"
        )
        yield Message(MessageType.WorkloadOutsideMesh, resource, _reason_path(workload), text)
    elif workload.proxy is None and at(resource.raw, "status", "phase") == "Running":
        yield _missing(workload)
    elif workload.proxy is not None:
        yield from _written_sidecar(view, workload, decided, *workload.proxy[0], image=str(workload.proxy[1]["image"]))


def _missing(pod: Workload) -> Message:
    text = (
        f"pod {pod.resource.name} runs without a sidecar, though it would be given one now: {_OUTSIDE}; delete it, so "
        "that it is made anew"
    )
    return Message(MessageType.MissingSidecar, pod.resource, ("metadata", "name"), text)


def _reason_path(workload: Workload) -> Path:
    return workload.field("metadata", "labels", policy.INJECT)


def _written_sidecar(
    view: View, workload: Workload, decided: Decision, *path: str | int, image: str
) -> Iterator[Message]:
    resource = workload.resource
    if not decided.inject:
        text = (
            f"{resource.ref.kind} {resource.name} is written with a sidecar, though {decided.reason}: traffic is "
            "intercepted all the same; remove istio-proxy and istio-init from it, or let it ask for injection"
        )
        yield Message(MessageType.UnwantedSidecar, resource, path, text)
    elif is_owned(resource) or image == AUTO or _IMAGE in workload.annotations:
        return
    elif view.around.proxy_image and image != view.around.proxy_image and workload.path:
        text = (
            f"the sidecar of {resource.ref.kind} {resource.name} was made by another injector: its image is {image}, "
            f"that of this mesh {view.around.proxy_image}; remove istio-proxy and istio-init, so that it is injected "
            f"anew, or state the image in the annotation {_IMAGE}"
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
    added = at(context, "capabilities", "add") or ()
    if at(context, "privileged") is True or _CAPABILITY in added or "ALL" in added:
        return
    text = (
        f"{INIT} of {workload.resource.ref.kind} {workload.resource.name} does not ask for the capability "
        f"{_CAPABILITY}, so it may not program interception: it fails, and the pod does not start; add NET_ADMIN and "
        "NET_RAW under securityContext.capabilities.add"
    )
    yield Message(MessageType.MissingCapability, workload.resource, (*path, "securityContext"), text)
