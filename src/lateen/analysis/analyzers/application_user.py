"""Applications that run as the proxy does: interception lets that user and group pass, so as to spare the proxy."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import at
from lateen.analysis.view import View
from lateen.analysis.workloads import Workload, is_control_plane, is_owned
from lateen.config.problems import Path
from lateen.inject.pods import PROXY

PROXY_ID: Final = 1337
_OTHERS: Final = (PROXY, "istio-operator")


def user(view: View) -> Iterator[Message]:
    """Source: Istio's `applicationUID.Analyzer`; all kinds of workload are read."""
    made = (pod for pod in view.pods if is_owned(pod.resource.raw))
    for workload in (*view.workloads, *made):
        if (path := _field(workload, "runAsUser")) is not None:
            text = (
                f"the application runs as user {PROXY_ID}, the proxy's: what it sends is not intercepted, so it passes "
                "no proxy and no rule of the mesh applies to it; run it as any other user"
            )
            yield Message(MessageType.InvalidApplicationUID, workload.resource, path, text)


def group(view: View) -> Iterator[Message]:
    """The same for the group, by which interception spares the proxy as well."""
    for workload in view.workloads:
        if (path := _field(workload, "runAsGroup")) is not None:
            text = (
                f"the application runs with group {PROXY_ID}, the proxy's: what it sends is not intercepted, so it "
                "passes no proxy and no rule of the mesh applies to it; give it any other group"
            )
            yield Message(MessageType.ApplicationGroup, workload.resource, path, text)


def _field(workload: Workload, name: str) -> Path | None:
    if is_control_plane(workload.resource.labels) or workload.is_only_a_proxy:
        return None
    if at(workload.spec, "securityContext", name) == PROXY_ID:
        return workload.field("spec", "securityContext", name)
    for path, container in workload.containers():
        if container.get("name") not in _OTHERS and at(container, "securityContext", name) == PROXY_ID:
            return (*path, "securityContext", name)
    return None
