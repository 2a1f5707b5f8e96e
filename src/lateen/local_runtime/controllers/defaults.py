"""Brings what manifests take for granted: namespaces, their default ServiceAccounts, mesh configuration, a gateway, and
the control plane's Service."""

from typing import Final

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore
from lateen.local_runtime.plan.control_plane import NAME, control_plane_objects
from lateen.local_runtime.plan.gateway import (
    GATEWAY_NAME,
    MESH_CONFIG_MAP,
    ROOT_NAMESPACE,
    is_ours,
    mesh_config_map,
    wanted_gateway,
)
from lateen.local_runtime.plan.kinds import KINDS
from lateen.local_runtime.plan.workloads import Json

_ORIGIN: Final = Origin("lateen")
_ALWAYS: Final = ("default", ROOT_NAMESPACE)

MESH_CONFIG_REF: Final = ObjectRef("", "ConfigMap", ROOT_NAMESPACE, MESH_CONFIG_MAP)

_GATEWAY_REFS: Final = (
    ObjectRef("apps", "Deployment", ROOT_NAMESPACE, GATEWAY_NAME),
    ObjectRef("", "Service", ROOT_NAMESPACE, GATEWAY_NAME),
    ObjectRef("", "ServiceAccount", ROOT_NAMESPACE, f"{GATEWAY_NAME}-service-account"),
)

_CONTROL_PLANE_REFS: Final = tuple(ObjectRef("", kind, ROOT_NAMESPACE, NAME) for kind in ("Service", "Endpoints"))


class DefaultsController:
    """Makes these objects where they are missing, and removes the gateway when nothing needs it."""

    def __init__(self, store: ObjectStore, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self._namespaces = set(_ALWAYS)
        self._mesh_config = True
        self._control_plane = True
        self._gateway = True

    def hear(self, event: Event) -> None:
        if event.type is not EventType.DELETED and event.ref.namespace:
            self._namespaces.add(event.ref.namespace)
        if event.ref.kind == "Namespace" and event.type is not EventType.DELETED:
            self._namespaces.add(event.ref.name)
        if event.ref == MESH_CONFIG_REF:
            self._mesh_config = True
        if event.ref in _CONTROL_PLANE_REFS:
            self._control_plane = True
        workload = (event.ref.group, event.ref.kind) in KINDS
        if workload or event.ref.kind in ("Gateway", "Pod", "ServiceAccount", "Service"):
            self._gateway = True

    def reconcile(self) -> None:
        namespaces, self._namespaces = sorted(self._namespaces), set()
        for namespace in namespaces:
            self._ensure_namespace(namespace)
        if self._mesh_config:
            self._mesh_config = False
            self._ensure_mesh_config()
        if self._control_plane:
            self._control_plane = False
            self._ensure_control_plane()
        if self._gateway:
            self._gateway = False
            self._ensure_gateway()

    def _ensure_namespace(self, name: str) -> None:
        if self._store.get(ObjectRef("", "Namespace", "", name)) is None:
            labels = {"kubernetes.io/metadata.name": name}
            metadata: Json = {"name": name, "labels": labels}
            self._store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, origin=_ORIGIN)
        if self._store.get(ObjectRef("", "ServiceAccount", name, "default")) is None:
            metadata = {"name": "default", "namespace": name}
            self._store.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, origin=_ORIGIN)

    def _ensure_mesh_config(self) -> None:
        existing = self._store.get(MESH_CONFIG_REF)
        try:
            merged = mesh_config_map(existing.raw if existing else None)
        except ValueError as error:
            self._notices.add(MESH_CONFIG_REF, f"{error}; the mesh keeps its last good configuration")
            return
        self._notices.clear(MESH_CONFIG_REF)
        if existing is None or merged is not existing.raw:
            self._store.put(merged, origin=existing.origin if existing else _ORIGIN)

    def _ensure_control_plane(self) -> None:
        for wanted in control_plane_objects():
            if self._store.get(self._store.ref_of(wanted)) is None:
                self._store.put(wanted, origin=_ORIGIN)

    def _ensure_gateway(self) -> None:
        gateways = [o.raw for o in self._store.list("networking.istio.io", "Gateway")]
        workloads = [o.raw for group, kind in KINDS for o in self._store.list(group, kind)]
        workloads += [o.raw for o in self._store.list("", "Pod") if not o.raw["metadata"].get("ownerReferences")]
        wanted = {self._store.ref_of(obj): obj for obj in wanted_gateway(gateways, workloads)}
        for ref in _GATEWAY_REFS:
            existing = self._store.get(ref)
            if ref in wanted and existing is None:
                self._store.put(wanted[ref], origin=_ORIGIN)
            elif ref not in wanted and existing is not None and is_ours(existing.raw):
                self._store.delete(ref)
