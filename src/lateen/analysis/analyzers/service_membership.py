"""Which Services the pods of a workload belong to: none, one, or several, and whether those agree."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import JsonMap, Resource, each, texts
from lateen.analysis.view import View
from lateen.analysis.workloads import DEPLOYMENT, SERVING, Workload, is_control_plane
from lateen.common.ports import protocol_of

_WAYPOINT: Final = "istio.io-mesh-controller"


def conflicting_ports(view: View) -> Iterator[Message]:
    """Source: Istio's `deployment.MultiServiceAnalyzer`."""
    for deployment in map(Workload.of, view.all(DEPLOYMENT)):
        if deployment.resource.labels.get("gateway.istio.io/managed") == _WAYPOINT or not view.in_mesh(deployment):
            continue
        ports = [(service, port) for service in view.services_of(deployment) for _, port in each(service.spec, "ports")]
        path = ("metadata", "name")
        for number, found in _grouped(ports, lambda port: port.get("port")):
            protocols = sorted({str(port.get("protocol") or "TCP") for _, port in found})
            if len(protocols) > 1:
                text = (
                    f"port {number} is {' and '.join(protocols)} by the Services {_names(found)} of "
                    f"{deployment.title}: only one of them is obeyed; give each protocol a port of its own"
                )
                kind = MessageType.DeploymentAssociatedToMultipleServices
                yield Message(kind, deployment.resource, path, text)
        for target, found in _grouped(ports, lambda port: port.get("targetPort") or port.get("port")):
            numbers = sorted({str(port.get("port")) for _, port in found})
            if len(numbers) > 1:
                text = (
                    f"targetPort {target} of Deployment {deployment.resource.name} is reached by the ports "
                    f"{', '.join(numbers)} of the Services {_names(found)}: its proxy obeys only one of them; use one "
                    "port number for it in all of them"
                )
                yield Message(MessageType.DeploymentConflictingPorts, deployment.resource, path, text)


_Ports = Sequence[tuple[Resource, JsonMap]]


def _grouped(ports: _Ports, key: Callable[[JsonMap], Any]) -> Iterator[tuple[str, _Ports]]:
    groups: dict[str, list[tuple[Resource, JsonMap]]] = {}
    for service, port in ports:
        groups.setdefault(str(key(port)), []).append((service, port))
    yield from groups.items()


def _names(found: _Ports) -> str:
    return _joined(service for service, _ in found)


def _joined(services: Iterable[Resource]) -> str:
    return ", ".join(sorted({service.name for service in services}))


def membership(view: View) -> Iterator[Message]:
    """Workloads that serve belong to one Service. Those that run a task need none."""
    for workload in view.workloads:
        if workload.kind not in SERVING or is_control_plane(workload.resource.labels):
            continue
        services = list(view.services_of(workload))
        if not services:
            text = (
                f"{workload.title} belongs to no Service: it has no name in the mesh, nobody can route to it, and what "
                "reaches it is plain TCP; add a Service whose selector meets the labels of its pods"
            )
            yield _about_labels(MessageType.PodWithoutService, workload, text)
        elif len(services) > 1:
            yield _several(workload, services)


def _several(workload: Workload, services: list[Resource]) -> Message:
    told = f"{workload.title} belongs to the Services {_joined(services)}"
    if len({_shape(service) for service in services}) == 1:
        text = f"{told}, which agree: requests under each name reach it; it needs no change if that is meant"
        return _about_labels(MessageType.PodInSeveralServices, workload, text)
    text = (
        f"{told}, whose ports or protocols differ: rules and metrics of one do not hold for requests under the name of "
        "another; put all ports into one Service, or let their selectors tell the pods apart"
    )
    return _about_labels(MessageType.PodInConflictingServices, workload, text)


def _about_labels(kind: MessageType, workload: Workload, text: str) -> Message:
    return Message(kind, workload.resource, workload.field("metadata", "labels"), text)


def _shape(service: Resource) -> frozenset[tuple[str, str]]:
    """The pod's ports that a Service leads to, each with what it is served as."""
    found = set()
    for _, port in each(service.spec, "ports"):
        name, declared = str(port.get("name") or ""), port.get("appProtocol")
        protocol = protocol_of(name, declared and str(declared), str(port.get("protocol") or "TCP"))
        found.add((str(port.get("targetPort") or port.get("port")), str(protocol)))
    return frozenset(found)


def selectors(view: View) -> Iterator[Message]:
    """Services that lead to nothing. One without a selector finds its endpoints elsewhere."""
    for service in view.all(("", "Service")):
        selector = texts(service.spec, "selector")
        if not selector or service.spec.get("type") == "ExternalName":
            continue
        if not any(view.selected(service.namespace, selector)):
            wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
            text = (
                f"no workload of the namespace has {wanted}; requests are answered 503; label the pods so, or select "
                "labels that they have"
            )
            yield Message(MessageType.ServiceSelectsNothing, service, ("spec", "selector"), text)
