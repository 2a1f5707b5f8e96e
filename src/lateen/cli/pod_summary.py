"""A pod's status in a few words, as `kubectl get pods` finds them: ready, status, restarts, what it waits for. Pure."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

Json = dict[str, Any]

_FAILING: Final = frozenset(
    {
        "CrashLoopBackOff",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
    }
)
"""Reasons of a waiting container that will not start without a change."""


class Trouble(msgspec.Struct, frozen=True):
    """Why a pod does not run: the container that is to blame (none for the whole pod), a reason and a message."""

    container: str
    reason: str
    message: str


class PodSummary(msgspec.Struct, frozen=True, kw_only=True):
    namespace: str
    name: str
    ready: int
    containers: int
    status: str
    restarts: int
    ip: str
    created: str
    waits_for: str
    trouble: Trouble | None

    @property
    def is_up(self) -> bool:
        """Ready, or run to its end with success."""
        return self.status == "Completed" or (self.waits_for == "" and self.trouble is None)


def summarise(pod: Json) -> PodSummary:
    """What a table, or a progress display, says of a pod object."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    statuses = status.get("containerStatuses") or []
    init = status.get("initContainerStatuses") or []
    trouble = _trouble(status, init, statuses)
    return PodSummary(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        ready=sum(1 for each in statuses if each.get("ready")),
        containers=len(spec.get("containers") or []),
        status=_status(metadata, spec, status, init, statuses),
        restarts=sum(each.get("restartCount", 0) for each in (*init, *statuses)),
        ip=status.get("podIP") or "",
        created=metadata.get("creationTimestamp") or "",
        waits_for="" if _is_ready(status) or status.get("phase") == "Succeeded" else _waits_for(spec, init, statuses),
        trouble=trouble,
    )


def _status(metadata: Json, spec: Json, status: Json, init: list[Json], statuses: list[Json]) -> str:
    """The STATUS column: the phase, unless a container has something more telling to say."""
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("reason"):
        return str(status["reason"])
    total = len(spec.get("initContainers") or [])
    if (position := _unfinished(init)) is not None:
        reason = _reason(init[position].get("state") or {})
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{position}/{total}"
    told = [reason for each in statuses if (reason := _reason(each.get("state") or {}))]
    phase = str(status.get("phase") or "Pending")
    if told and not (told[-1] == "Completed" and phase == "Running"):
        return told[0]
    return "Completed" if phase == "Succeeded" else phase


def _unfinished(init: list[Json]) -> int | None:
    """The position of the first init container that has neither ended well nor, as a sidecar, started."""
    for position, each in enumerate(init):
        state = each.get("state") or {}
        ended = state.get("terminated")
        if not ((ended and ended.get("exitCode") == 0) or (each.get("started") and "running" in state)):
            return position
    return None


def _reason(state: Json) -> str:
    if waiting := state.get("waiting"):
        return str(waiting.get("reason") or "")
    if ended := state.get("terminated"):
        if ended.get("reason"):
            return str(ended["reason"])
        return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"
    return ""


def _is_ready(status: Json) -> bool:
    conditions = status.get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _waits_for(spec: Json, init: list[Json], statuses: list[Json]) -> str:
    """What a pod that is not ready waits for next."""
    total = len(spec.get("initContainers") or [])
    if (position := _unfinished(init)) is not None:
        return f"init container {init[position]['name']} ({position + 1} of {total})"
    starting = [each["name"] for each in statuses if "running" not in (each.get("state") or {})]
    if starting:
        return f"{', '.join(starting)} to start"
    unready = [each["name"] for each in statuses if not each.get("ready")]
    return f"{', '.join(unready)} to be ready" if unready else "its containers"


def _trouble(status: Json, init: list[Json], statuses: list[Json]) -> Trouble | None:
    for each in (*init, *statuses):
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _FAILING:
            return Trouble(each["name"], waiting["reason"], _message(each, waiting))
    if status.get("phase") != "Failed":
        return None
    for each in (*init, *statuses):
        ended = (each.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode"):
            return Trouble(each["name"], _reason({"terminated": ended}), _message(each, ended))
    return Trouble("", str(status.get("reason") or "Failed"), str(status.get("message") or ""))


def _message(container: Json, state: Json) -> str:
    """What is said of the state, and how the last run ended."""
    told = ""
    for part in _said(container, state):
        if part not in told:
            told = f"{told}; {part}" if told else part
    return told


def _said(container: Json, state: Json) -> Iterator[str]:
    yield str(state.get("message") or "")
    ended = state if "exitCode" in state else (container.get("lastState") or {}).get("terminated") or {}
    if ended.get("reason") not in ("Error", "Completed"):
        # Not the program's own doing, such as one that cannot be started; else the message only repeats its log.
        yield str(ended.get("message") or "")
    if "exitCode" in ended:
        yield f"exit code {ended['exitCode']}"
