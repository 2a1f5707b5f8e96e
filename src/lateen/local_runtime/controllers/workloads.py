"""From workloads (Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs) to the pods made for them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.deletion import delete
from lateen.local_runtime.objects.store import Event, InvalidObject, ObjectStore, StoredObject
from lateen.local_runtime.plan.availability import soonest
from lateen.local_runtime.plan.kinds import KINDS, WorkloadKind, kind_of, owner_of
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.pods import Pods

_ORIGIN: Final = Origin("lateen")
_CRON_JOB: Final = (
    "spec.schedule: nothing keeps schedules here, so no pods are made; write its jobTemplate as a Job to run it once"
)


class Injector(Protocol):
    """The webhook's part: a pod as it shall run. Raises `InjectionFailed` with what is wrong."""

    def __call__(self, pod: Json, namespace_labels: Mapping[str, str]) -> Json: ...


class InjectionFailed(Exception):
    """A pod that cannot be injected; the message names the annotation or field."""


class Clock(Protocol):
    """Time as controllers know it."""

    def now(self) -> datetime: ...

    def later(self, seconds: float, call: Callable[[], None]) -> object:
        """Call something after so many seconds."""
        ...


class WorkloadController:
    """Makes and ends the pods of workloads, and keeps the workloads' status."""

    def __init__(
        self,
        store: ObjectStore,
        pods: Pods,
        inject: Injector,
        notices: Notices,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._pods = pods
        self._inject = inject
        self._notices = notices
        self._clock = clock
        self._wake = wake
        self._changed: set[ObjectRef] = set()

    def hear(self, event: Event) -> None:
        match (event.ref.group, event.ref.kind):
            case ("", "Pod"):
                owner = owner_of(event.raw)
                if owner is not None:
                    self._changed.add(owner)
            case ("batch", "CronJob"):
                self._notices.replace(event.ref, () if self._store.get(event.ref) is None else (_CRON_JOB,))
            case group_and_kind if group_and_kind in KINDS:
                self._changed.add(event.ref)

    def reconcile(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        for ref in changed:
            self._reconcile(ref)

    def _reconcile(self, ref: ObjectRef) -> None:
        stored = self._store.get(ref)
        kind = None if stored is None else kind_of(stored.raw)
        if stored is None or kind is None:
            self._notices.clear(ref)
            for pod in self._pods_of(ref):
                self._end(ref.namespace, pod["metadata"]["name"])
            return
        now = self._clock.now()
        step = kind.next_step(stored.raw, self._pods_of(ref), self._pods.names(ref.namespace), now)
        for name in step.delete:
            self._end(ref.namespace, name)
        failures = [failure for name in step.create for failure in self._make(stored, kind, name)]
        self._notices.replace(ref, failures)
        status = kind.status(stored.raw, self._pods_of(ref), failures, now)
        removal = kind.until_removal(self._store.put_status(ref, status).raw, now)
        if removal == 0:
            self._store.delete(ref)
        elif (again := soonest(step.again, removal)) is not None:
            self._clock.later(again, lambda: self._look_again(ref))

    def _look_again(self, ref: ObjectRef) -> None:
        self._changed.add(ref)
        self._wake()

    def _make(self, workload: StoredObject, kind: WorkloadKind, name: str) -> list[str]:
        try:
            for claim in kind.claims_of(workload.raw, name):
                if self._store.get(self._store.ref_of(claim)) is None:
                    bound = self._store.put(claim, origin=_ORIGIN)
                    self._store.put_status(bound.ref, {"phase": "Bound"})
            labels = namespace_labels(self._store, workload.ref.namespace)
            self._store.put(self._inject(kind.pod_of(workload.raw, name), labels), origin=workload.origin)
        except (InjectionFailed, InvalidObject) as error:
            return [str(error)]
        return []

    def _end(self, namespace: str, name: str) -> None:
        delete(self._store, ObjectRef("", "Pod", namespace, name), self._clock.now())

    def _pods_of(self, ref: ObjectRef) -> list[Json]:
        pods = (stored.raw for stored in self._store.list("", "Pod", ref.namespace))
        return [pod for pod in pods if owner_of(pod) == ref]


def namespace_labels(store: ObjectStore, namespace: str) -> Mapping[str, str]:
    stored = store.get(ObjectRef("", "Namespace", "", namespace))
    return {} if stored is None else stored.labels
