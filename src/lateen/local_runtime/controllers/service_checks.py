"""Tells of Services that cannot mean what they say: nothing to lead to, or a port whose name declares no protocol.

Asked of what workloads are, not of what runs: a pod that has not started yet is no mistake.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from lateen.common.ports import RECOGNISED_PREFIXES, declared_protocol
from lateen.config.objects import ObjectRef
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore
from lateen.local_runtime.plan.kinds import KINDS
from lateen.local_runtime.plan.services import is_external
from lateen.local_runtime.plan.workloads import Json

_WORKLOADS: Final = (*KINDS, ("", "Pod"))
_HEALTH_PORT: Final = 15021
"""The proxy's own; manifests of gateways name it `status-port`, and nobody routes on it."""


class ServiceChecks:
    """Keeps what is wrong with each Service among the notices."""

    def __init__(self, store: ObjectStore, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self._changed: set[ObjectRef] = set()

    def hear(self, event: Event) -> None:
        match (event.ref.group, event.ref.kind):
            case ("", "Service"):
                self._changed.add(event.ref)
            case group_and_kind if group_and_kind in _WORKLOADS and _says_something_else(event):
                self._changed |= {service.ref for service in self._store.list("", "Service", event.ref.namespace)}

    def reconcile(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        for ref in changed:
            stored = self._store.get(ref)
            workloads = [
                workload.raw for group, kind in _WORKLOADS for workload in self._store.list(group, kind, ref.namespace)
            ]
            found = [] if stored is None else [f"{stored.origin}: {ref}: {m}" for m in mistakes(stored.raw, workloads)]
            # Of its own subject, as what is said of the object itself is forgotten whenever it is written.
            self._notices.replace(f"what {ref} means", found)


def mistakes(service: Json, workloads: Iterable[Json]) -> Iterator[str]:
    """What is wrong with a Service among the workloads and Pods of its namespace; field paths first."""
    spec = service.get("spec") or {}
    if is_external(service):
        return
    selector = spec.get("selector") or {}
    if selector and not any(selector.items() <= _labels(workload).items() for workload in workloads):
        wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
        yield f"spec.selector: no Deployment or Pod of the namespace has {wanted}; requests are answered 503"
    for position, port in enumerate(spec.get("ports") or ()):
        name, declared = port.get("name"), port.get("appProtocol")
        if not (name or declared) or port["port"] == _HEALTH_PORT:
            continue
        if declared_protocol(name, declared, port.get("protocol") or "TCP") is None:
            field, text = ("appProtocol", declared) if declared else ("name", name)
            yield (
                f"spec.ports[{position}].{field}: `{text}` declares no protocol, so port {port['port']} is plain TCP "
                "and rules for HTTP have no effect on it; begin the name with a protocol, alone or before a `-` "
                f"({', '.join(RECOGNISED_PREFIXES)})"
            )


def _says_something_else(event: Event) -> bool:
    if event.type is not EventType.MODIFIED or event.old is None:
        return True
    return _labels(event.raw) != _labels(event.old)


def _labels(workload: Json) -> Json:
    """The labels of the pods of a workload, or of a Pod."""
    template = (workload.get("spec") or {}).get("template")
    metadata = workload.get("metadata") if workload.get("kind") == "Pod" else (template or {}).get("metadata")
    labels: Json = (metadata or {}).get("labels") or {}
    return labels
