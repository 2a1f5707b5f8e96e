"""From Deployments to pods, and from pods to what runs: rollouts, injection, start and end."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, InvalidObject, ObjectStore
from lateen.local_runtime.plan.rollout import deployment_status, is_ending, next_step
from lateen.local_runtime.plan.workloads import Json, check_deployment, deployment_of, plan_pods, pod_of
from lateen.local_runtime.pods.pods import Pods
from lateen.local_runtime.pods.status import timestamp

_ORIGIN: Final = Origin("lateen")
_INJECTED: Final = "sidecar.istio.io/status"


class Injector(Protocol):
    """The webhook's part: a pod as it shall run. Raises `InjectionFailed` with what is wrong."""

    def __call__(self, pod: Json, namespace_labels: Mapping[str, str]) -> Json: ...


class InjectionFailed(Exception):
    """A pod that cannot be injected; the message names the annotation or field."""


class DeploymentController:
    """Makes and ends the pods of Deployments, and keeps the Deployments' status."""

    def __init__(
        self, store: ObjectStore, pods: Pods, inject: Injector, notices: Notices, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._pods = pods
        self._inject = inject
        self._notices = notices
        self._now = now
        self._deployments: set[ObjectRef] = set()

    def hear(self, event: Event) -> None:
        if (event.ref.group, event.ref.kind) == ("apps", "Deployment"):
            self._deployments.add(event.ref)
        elif (event.ref.group, event.ref.kind) == ("", "Pod"):
            owner = deployment_of(event.raw)
            if owner is not None:
                self._deployments.add(ObjectRef("apps", "Deployment", event.ref.namespace, owner))

    def reconcile(self) -> None:
        deployments, self._deployments = sorted(self._deployments), set()
        for ref in deployments:
            self._reconcile(ref)

    def _reconcile(self, ref: ObjectRef) -> None:
        stored = self._store.get(ref)
        if stored is None:
            self._notices.clear(ref)
            for pod in self._pods_of(ref):
                end_pod(self._store, _ref(pod), self._now())
            return
        failures = check_deployment(stored.raw)
        if not failures:
            step = next_step(stored.raw, self._pods_of(ref), self._pods.names(ref.namespace))
            for name in step.delete:
                end_pod(self._store, ObjectRef("", "Pod", ref.namespace, name), self._now())
            for name in step.create:
                failures += self._make(stored.raw, name, stored.origin)
        self._notices.clear(ref)
        for failure in failures:
            self._notices.add(ref, failure)
        self._store.put_status(ref, deployment_status(stored.raw, self._pods_of(ref), failures, self._now()))

    def _make(self, deployment: Json, name: str, origin: Origin) -> list[str]:
        try:
            pod = self._inject(
                pod_of(deployment, name), namespace_labels(self._store, deployment["metadata"]["namespace"])
            )
            self._store.put(pod, origin=origin)
        except (InjectionFailed, InvalidObject) as error:
            return [str(error)]
        return []

    def _pods_of(self, ref: ObjectRef) -> list[Json]:
        pods = (stored.raw for stored in self._store.list("", "Pod", ref.namespace))
        return [pod for pod in pods if deployment_of(pod) == ref.name]


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

    def hear(self, event: Event) -> None:
        match (event.ref.group, event.ref.kind):
            case ("", "Pod"):
                self._changed.add(event.ref)
            case ("", "ConfigMap" | "Secret"):
                self._pods.configuration_changed()

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
            self._notices.clear(ref)
            return self._stop(ref, None)
        if is_ending(stored.raw):
            if ref not in self._pods:
                self._store.delete(ref)
                return None
            return self._stop(ref, stored.raw)
        pod = stored.raw if deployment_of(stored.raw) else self._admitted(stored.raw, stored.origin)
        if pod is None:
            return None
        running = self._pods.running(ref)
        if running is None:
            self._pods.start(pod)
        elif running["metadata"]["uid"] != pod["metadata"]["uid"] or running["spec"] != pod["spec"]:
            self._stop(ref, None)
        return None

    def _admitted(self, pod: Json, origin: Origin) -> Json | None:
        """A bare pod with defaults and sidecar; None while it cannot be injected."""
        ref = _ref(pod)
        if _INJECTED in (pod["metadata"].get("annotations") or {}):
            return pod
        try:
            wanted = self._inject(plan_pods(pod)[0], namespace_labels(self._store, ref.namespace))
            self._notices.clear(ref)
            return self._store.put(wanted, origin=origin).raw
        except (InjectionFailed, InvalidObject) as error:
            self._notices.add(ref, str(error))
            return None

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


def end_pod(store: ObjectStore, ref: ObjectRef, now: datetime) -> None:
    """Tell a pod to end; its object goes when nothing of it is left."""
    stored = store.get(ref)
    if stored is not None and not is_ending(stored.raw):
        store.patch(ref, {"metadata": {"deletionTimestamp": timestamp(now)}})


def namespace_labels(store: ObjectStore, namespace: str) -> Mapping[str, str]:
    stored = store.get(ObjectRef("", "Namespace", "", namespace))
    return {} if stored is None else stored.labels


def _ref(pod: Json) -> ObjectRef:
    return ObjectRef("", "Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
