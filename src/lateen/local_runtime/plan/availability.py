"""Whether a pod has been ready for long enough to count (`minReadySeconds`). Pure; time is an argument."""

from collections.abc import Iterable
from datetime import UTC, datetime

from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.workloads import Json


def is_available(workload: Json, pod: Json, now: datetime) -> bool:
    """Whether the pod is ready and has been for the workload's `minReadySeconds`."""
    return is_ready(pod) and _missing(workload, pod, now) <= 0


def until_available(workload: Json, pods: Iterable[Json], now: datetime) -> float | None:
    """Seconds until the next of the ready pods counts; None where none is waited for."""
    return soonest(*(missing for pod in pods if is_ready(pod) and (missing := _missing(workload, pod, now)) > 0))


def soonest(*seconds: float | None) -> float | None:
    """The smallest of some times that lie ahead; None where there is none."""
    return min((each for each in seconds if each), default=None)


def moment(text: str) -> datetime:
    """A time as Kubernetes' API writes it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _missing(workload: Json, pod: Json, now: datetime) -> float:
    wanted = float((workload.get("spec") or {}).get("minReadySeconds") or 0)
    if not wanted:
        return 0.0
    conditions = (pod.get("status") or {}).get("conditions") or ()
    since = next((c.get("lastTransitionTime") for c in conditions if c.get("type") == "Ready"), None)
    return 0.0 if since is None else wanted - (now - moment(since)).total_seconds()
