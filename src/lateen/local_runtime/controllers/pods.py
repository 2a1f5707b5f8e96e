"""From pods as objects to what runs: starts those that are there, ends those that are not, injects the bare ones."""

from collections.abc import Callable

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.controllers.workloads import InjectionFailed, Injector, namespace_labels
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, EventType, InvalidObject, ObjectStore
from lateen.local_runtime.plan.kinds import owner_of, plan_pods
from lateen.local_runtime.plan.workloads import Json, is_ending
from lateen.local_runtime.pods.pods import Pods


class PodController:
    """Starts pods that are there and ends those that are not; injects the bare ones that manifests bring."""

    def __init__(
        self, store: ObjectStore, pods: Pods, inject: Injector, notices: Notices, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._pods = pods
        self._inject = inject
        self._notices = notices
        self._wake = wake
        self._changed: set[ObjectRef] = set()
        self._admitted: dict[ObjectRef, tuple[str, int]] = {}
        """Bare pods as they were let in: uid and generation."""

    def hear(self, event: Event) -> None:
        match (event.ref.group, event.ref.kind):
            case ("", "Pod"):
                self._changed.add(event.ref)
            case ("", "ConfigMap" | "Secret"):
                self._pods.configuration_changed()
            case ("", "PersistentVolumeClaim"):
                self._pods.configuration_changed()
                if event.type is EventType.DELETED:
                    self._pods.release(event.ref)

    def reconcile(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        for ref in changed:
            self._reconcile(ref)

    def report(self, ref: ObjectRef, uid: str, status: Json) -> None:
        """Take the new status of a running pod."""
        stored = self._store.get(ref)
        if stored is not None and stored.raw["metadata"]["uid"] == uid:
            self._store.put_status(ref, status)

    def _reconcile(self, ref: ObjectRef) -> None:
        stored = self._store.get(ref)
        if stored is None:
            self._admitted.pop(ref, None)
            self._notices.clear(ref)
            return self._stop(ref, None)
        if is_ending(stored.raw):
            if ref not in self._pods:
                self._store.delete(ref)
                return None
            return self._stop(ref, stored.raw)
        pod = stored.raw if owner_of(stored.raw) else self._admit(stored.raw, stored.origin)
        if pod is None:
            return None
        running = self._pods.running(ref)
        if running is None:
            self._pods.start(pod)
        elif running["metadata"]["uid"] != pod["metadata"]["uid"] or running["spec"] != pod["spec"]:
            self._stop(ref, None)
        return None

    def _admit(self, pod: Json, origin: Origin) -> Json | None:
        """A bare pod with defaults and sidecar; None while it cannot be injected."""
        ref = _ref(pod)
        if self._admitted.get(ref) == _edition(pod):
            return pod
        try:
            wanted = self._inject(plan_pods(pod)[0], namespace_labels(self._store, ref.namespace))
            let_in = self._store.put(wanted, origin=origin).raw
        except (InjectionFailed, InvalidObject) as error:
            self._notices.replace(ref, (str(error),))
            return None
        # What was said of the pod as it was before is of no interest any more.
        self._notices.clear(ref)
        self._admitted[ref] = _edition(let_in)
        return let_in

    def _stop(self, ref: ObjectRef, pod: Json | None) -> None:
        """End what runs under this name; afterwards the object that asked for its end goes, or a new one may start."""
        running = self._pods.running(ref)
        if running is None:
            return
        uid = pod["metadata"]["uid"] if pod else None

        def gone() -> None:
            stored = self._store.get(ref)
            if stored is not None and stored.raw["metadata"]["uid"] == uid and is_ending(stored.raw):
                self._store.delete(ref)
            self._changed.add(ref)
            self._wake()

        self._pods.stop(ref, grace_of(pod or running), gone)


def grace_of(pod: Json) -> float:
    """Seconds that a pod has to end by itself."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    default = pod["spec"].get("terminationGracePeriodSeconds")
    return float(asked if asked is not None else 30 if default is None else default)


def _edition(pod: Json) -> tuple[str, int]:
    return pod["metadata"]["uid"], pod["metadata"]["generation"]


def _ref(pod: Json) -> ObjectRef:
    return ObjectRef("", "Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
