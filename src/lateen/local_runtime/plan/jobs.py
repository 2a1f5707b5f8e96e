"""Jobs: pods that run to their end, so many at a time, until enough have succeeded or too many have failed. Pure."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from lateen.local_runtime.plan.availability import moment, soonest
from lateen.local_runtime.plan.replica_sets import failure_condition
from lateen.local_runtime.plan.services import is_ready
from lateen.local_runtime.plan.step import Step
from lateen.local_runtime.plan.workloads import (
    Json,
    hashed_names,
    is_ending,
    namespace_of,
    pod_from_template,
    reference_to,
    uid_of,
)
from lateen.local_runtime.pods.status import timestamp

_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_FIRST_DELAY: Final = 10.0
_LONGEST_DELAY: Final = 360.0


def initial_names(job: Json) -> tuple[str, ...]:
    """Names of the pods when nothing has run yet."""
    return next_step({**job, "status": {}}, (), (), _NO_TIME).create


def pod_of(job: Json, name: str) -> Json:
    meta = job["metadata"]
    uid = meta.get("uid") or uid_of("Job", namespace_of(job), meta["name"])
    labels = {
        "batch.kubernetes.io/job-name": meta["name"],
        "job-name": meta["name"],
        "batch.kubernetes.io/controller-uid": uid,
        "controller-uid": uid,
    }
    pod = pod_from_template(job, name, f"{meta['name']}-", reference_to(job), labels)
    if _is_indexed(job):
        _give_index(pod, name.removeprefix(f"{meta['name']}-").partition("-")[0], meta["name"])
    return pod


def next_step(job: Json, pods: Sequence[Json], taken: Collection[str], now: datetime) -> Step:
    """Pods to make for what is still to be done; all that run are ended when the Job is over or suspended."""
    spec = job["spec"]
    live = [pod for pod in pods if not is_ending(pod)]
    active = [pod for pod in live if _phase(pod) not in ("Succeeded", "Failed")]
    if verdict(job, pods, now) is not None or spec.get("suspend"):
        return Step(delete=tuple(pod["metadata"]["name"] for pod in active))
    again = soonest(_until_deadline(job, now))
    wait = _until_retry(pods, now)
    if wait > 0:
        return Step(again=soonest(wait, again))
    used = {pod["metadata"]["name"] for pod in pods} | set(taken)
    surplus = active[_wanted(job, live) :]
    return Step(
        create=tuple(islice(_free(job, live, used), max(0, _wanted(job, live) - len(active)))),
        delete=tuple(pod["metadata"]["name"] for pod in surplus),
        again=again,
    )


def verdict(job: Json, pods: Sequence[Json], now: datetime) -> tuple[str, str, str] | None:
    """Complete or Failed, reason and message, once the Job is over; a Job that is over stays so."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return condition["type"], condition.get("reason", ""), condition.get("message", "")
    succeeded, completions = _succeeded(job, pods), _completions(job)
    active = any(_phase(pod) not in ("Succeeded", "Failed") for pod in pods)
    if succeeded >= completions if completions is not None else succeeded and not active:
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    limit = 6 if job["spec"].get("backoffLimit") is None else int(job["spec"]["backoffLimit"])
    if _failures(pods) > limit:
        return "Failed", "BackoffLimitExceeded", f"{_failures(pods)} failures; spec.backoffLimit allows {limit}"
    if _until_deadline(job, now) == 0:
        seconds = job["spec"]["activeDeadlineSeconds"]
        return "Failed", "DeadlineExceeded", f"it has run for spec.activeDeadlineSeconds, {seconds} s"
    return None


def status(job: Json, pods: Sequence[Json], failures: Sequence[str], now: datetime) -> Json:
    before = job.get("status") or {}
    live = [pod for pod in pods if not is_ending(pod)]
    active = [pod for pod in live if _phase(pod) not in ("Succeeded", "Failed")]
    over = verdict(job, pods, now)
    found: Json = {
        "startTime": before.get("startTime") or timestamp(now),
        "active": 0 if over else len(active),
        "ready": sum(map(is_ready, active)),
        "succeeded": max(_succeeded(job, pods), before.get("succeeded", 0)),
        "failed": max(sum(_phase(pod) == "Failed" for pod in pods), before.get("failed", 0)),
    }
    if _is_indexed(job):
        found["completedIndexes"] = ",".join(map(str, sorted(_done_indexes(live))))
    conditions = [c for c in before.get("conditions") or () if c["type"] in ("Complete", "Failed")]
    if over and not conditions:
        kind, reason, message = over
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": timestamp(now),
            }
        ]
    if over and over[0] == "Complete":
        found["completionTime"] = before.get("completionTime") or timestamp(now)
    found["conditions"] = [*conditions, *([failure_condition(failures)] if failures else ())]
    return {key: value for key, value in found.items() if value not in (0, [], "")}


def until_removal(job: Json, now: datetime) -> float | None:
    """Seconds until a Job that is over shall go (`ttlSecondsAfterFinished`); None where it stays."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and seconds is not None:
            return max(0.0, float(seconds) - (now - moment(condition["lastTransitionTime"])).total_seconds())
    return None


_NO_TIME: Final = moment("2000-01-01T00:00:00Z")


def _wanted(job: Json, live: Sequence[Json]) -> int:
    """How many pods may run at once now."""
    given = job["spec"].get("parallelism")
    parallelism = 1 if given is None else int(given)
    completions, succeeded = _completions(job), _succeeded(job, live)
    if completions is None:
        # A queue of work: whoever ends well says that there is nothing left to begin.
        return parallelism if not succeeded else sum(_phase(p) not in ("Succeeded", "Failed") for p in live)
    return min(parallelism, completions - succeeded)


def _completions(job: Json) -> int | None:
    """How many successes are wanted; None for a queue of work, which says itself when it is empty."""
    spec = job["spec"]
    if spec.get("completions") is not None:
        return int(spec["completions"])
    return 1 if spec.get("parallelism") is None else None


def _free(job: Json, live: Sequence[Json], used: Collection[str]) -> Iterator[str]:
    name = job["metadata"]["name"]
    if not _is_indexed(job):
        yield from (free for free in hashed_names(job, f"{name}-") if free not in used)
        return
    busy = _done_indexes(live) | {_index(pod) for pod in live if _phase(pod) != "Failed"}
    for index in range(_completions(job) or 0):
        if index not in busy:
            yield next(free for free in hashed_names(job, f"{name}-{index}-") if free not in used)


def _succeeded(job: Json, pods: Sequence[Json]) -> int:
    if _is_indexed(job):
        return len(_done_indexes(pods))
    return sum(_phase(pod) == "Succeeded" for pod in pods)


def _failures(pods: Sequence[Json]) -> int:
    """Pods that failed, and containers that were started again."""
    again = sum(
        container.get("restartCount", 0)
        for pod in pods
        if pod["spec"].get("restartPolicy") == "OnFailure" and _phase(pod) != "Failed"
        for container in (pod.get("status") or {}).get("containerStatuses") or ()
    )
    return int(again) + sum(_phase(pod) == "Failed" for pod in pods)


def _until_retry(pods: Sequence[Json], now: datetime) -> float:
    """Seconds until a pod may be made after the last failure: 10, doubling up to 6 minutes."""
    ends = [moment(end) for pod in pods if _phase(pod) == "Failed" for end in _ends(pod)]
    if not ends:
        return 0.0
    count = sum(_phase(pod) == "Failed" for pod in pods)
    delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(count - 1, 10))
    passed: float = (now - max(ends)).total_seconds()
    return float(delay) - passed


def _ends(pod: Json) -> Iterator[str]:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended: dict[str, Any] = (container.get("state") or {}).get("terminated") or {}
        if ended.get("finishedAt"):
            yield ended["finishedAt"]


def _until_deadline(job: Json, now: datetime) -> float | None:
    seconds, start = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if seconds is None or start is None:
        return None
    return max(0.0, float(seconds) - (now - moment(start)).total_seconds())


def _is_indexed(job: Json) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def _index(pod: Json) -> int:
    return int((pod["metadata"].get("annotations") or {}).get(_INDEX, -1))


def _done_indexes(pods: Sequence[Json]) -> set[int]:
    return {_index(pod) for pod in pods if _phase(pod) == "Succeeded"}


def _give_index(pod: Json, index: str, job: str) -> None:
    pod["metadata"].setdefault("annotations", {})[_INDEX] = index
    pod["metadata"]["labels"][_INDEX] = index
    pod["spec"]["hostname"] = f"{job}-{index}"
    for container in (*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())):
        container["env"] = [*(container.get("env") or ()), {"name": "JOB_COMPLETION_INDEX", "value": index}]


def _phase(pod: Json) -> object:
    return (pod.get("status") or {}).get("phase")
