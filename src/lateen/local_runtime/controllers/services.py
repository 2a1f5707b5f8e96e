"""Gives Services their addresses and EndpointSlices, and tells DNS and the kernel about them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.network.dns import Zone
from lateen.local_runtime.network.service_rules import ServiceRule
from lateen.local_runtime.objects.store import Event, ObjectStore
from lateen.local_runtime.plan.cluster_zone import by_service, service_rules, zone_of
from lateen.local_runtime.plan.services import (
    CONTROLLER,
    MANAGED_BY_LABEL,
    MIRROR,
    SERVICE_NAME_LABEL,
    endpoint_slices,
    mirrored_slices,
    own_addresses,
    selects,
    with_cluster_ip,
)
from lateen.local_runtime.plan.workloads import Json

_ORIGIN: Final = Origin("lateen")
_SLICES: Final = "discovery.k8s.io"


class ServiceController:
    """Addresses of Services, and EndpointSlices from pods and from hand-written Endpoints."""

    def __init__(self, store: ObjectStore, *, ipv6: bool = True) -> None:
        self._store = store
        self._ipv6 = ipv6
        self._services: set[ObjectRef] = set()
        self._endpoints: set[ObjectRef] = set()

    def hear(self, event: Event) -> None:
        match (event.ref.group, event.ref.kind):
            case ("", "Service"):
                self._services.add(event.ref)
                self._endpoints.add(ObjectRef("", "Endpoints", event.ref.namespace, event.ref.name))
            case ("", "Endpoints"):
                self._endpoints.add(event.ref)
            case ("", "Pod"):
                states = [state for state in (event.raw, event.old) if state is not None]
                for service in self._store.list("", "Service", event.ref.namespace):
                    if any(selects(service.raw, pod) for pod in states):
                        self._services.add(service.ref)

    def reconcile(self) -> None:
        services, self._services = sorted(self._services), set()
        for ref in services:
            self._reconcile_service(ref)
        endpoints, self._endpoints = sorted(self._endpoints), set()
        for ref in endpoints:
            self._reconcile_endpoints(ref)

    def _reconcile_service(self, ref: ObjectRef) -> None:
        stored = self._store.get(ref)
        if stored is None:
            return self._replace_slices(ref, CONTROLLER, ())
        addressed = with_cluster_ip(stored.raw, self._taken(ref), ipv6=self._ipv6)
        if addressed is not stored.raw:
            stored = self._store.put(addressed, origin=stored.origin)
        pods = [pod.raw for pod in self._store.list("", "Pod", ref.namespace)]
        return self._replace_slices(ref, CONTROLLER, endpoint_slices(stored.raw, pods))

    def _reconcile_endpoints(self, ref: ObjectRef) -> None:
        stored = self._store.get(ref)
        service = self._store.get(ObjectRef("", "Service", ref.namespace, ref.name))
        wanted: Sequence[Json] = ()
        if stored is not None and service is not None and not (service.raw.get("spec") or {}).get("selector"):
            wanted = mirrored_slices(stored.raw)
        self._replace_slices(ref, MIRROR, wanted)

    def _taken(self, ref: ObjectRef) -> set[str]:
        others = (other.raw for other in self._store.list("", "Service") if other.ref != ref)
        return {address for other in others for address in own_addresses(other)}

    def _replace_slices(self, service: ObjectRef, manager: str, wanted: Iterable[Json]) -> None:
        kept = {self._store.put(piece, origin=_ORIGIN).ref for piece in wanted}
        for piece in self._store.list(_SLICES, "EndpointSlice", service.namespace):
            ours = piece.labels.get(SERVICE_NAME_LABEL) == service.name
            if ours and piece.labels.get(MANAGED_BY_LABEL) == manager and piece.ref not in kept:
                self._store.delete(piece.ref)


class NameController:
    """Publishes the names and addresses of all Services; each result goes out only when it differs."""

    def __init__(
        self,
        store: ObjectStore,
        publish_zone: Callable[[Zone], None],
        publish_rules: Callable[[Sequence[ServiceRule]], None],
    ) -> None:
        self._store = store
        self._publish_zone = publish_zone
        self._publish_rules = publish_rules
        self._stale = True
        self._rules: Sequence[ServiceRule] = ()

    def hear(self, event: Event) -> None:
        if event.ref.kind in ("Service", "EndpointSlice"):
            self._stale = True

    def reconcile(self) -> None:
        if not self._stale:
            return
        self._stale = False
        services = [service.raw for service in self._store.list("", "Service")]
        slices = by_service(piece.raw for piece in self._store.list(_SLICES, "EndpointSlice"))
        self._publish_zone(zone_of(services, slices))
        rules = service_rules(services, slices)
        if rules != self._rules:
            self._rules = rules
            self._publish_rules(rules)
