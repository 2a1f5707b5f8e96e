"""A pod's state as the kubelet part knows it, and the status that Kubernetes' API shows for it. Pure.

`pods.py` replaces values of the state as containers start and end; everything a reader sees is derived here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, assert_never

import msgspec

from lateen.local_runtime.plan.workloads import NODE_ADDRESS, Json


class Waiting(msgspec.Struct, frozen=True):
    """Not started: a reason such as `ContainerCreating`, `ErrImagePull` or `CrashLoopBackOff`."""

    reason: str
    message: str = ""


class Running(msgspec.Struct, frozen=True):
    since: datetime


class Terminated(msgspec.Struct, frozen=True):
    exit_code: int
    reason: str
    since: datetime
    until: datetime
    message: str = ""


ContainerState = Waiting | Running | Terminated

CREATING: Final = Waiting("ContainerCreating")
INITIALISING: Final = Waiting("PodInitializing")


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One container. `started` waits for its startup probe, `ready` for its readiness probe as well.

    A sidecar is an init container that goes on running beside the others (`restartPolicy: Always`).
    """

    name: str
    image: str
    sidecar: bool = False
    state: ContainerState = CREATING
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False


class PodState(msgspec.Struct, frozen=True, kw_only=True):
    """All containers in the order of the spec; `failed` is a reason and a message that ended the pod as a whole."""

    init: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    addresses: tuple[str, ...] = ()
    since: datetime
    failed: tuple[str, str] | None = None

    def with_container(self, changed: Container) -> "PodState":
        """The state with the container of that name replaced; names are unique in a pod."""
        return msgspec.structs.replace(
            self,
            init=tuple(changed if c.name == changed.name else c for c in self.init),
            containers=tuple(changed if c.name == changed.name else c for c in self.containers),
        )

    def container(self, name: str) -> Container:
        """The container of that name. Raises `KeyError`."""
        for container in (*self.init, *self.containers):
            if container.name == name:
                return container
        raise KeyError(name)


def initial_state(pod: Json, now: datetime) -> PodState:
    """The state of a pod of which nothing has started."""
    spec = pod["spec"]
    waiting = INITIALISING if spec.get("initContainers") else CREATING
    return PodState(
        init=tuple(
            msgspec.structs.replace(_container(c, INITIALISING), sidecar=is_sidecar(c))
            for c in spec.get("initContainers") or ()
        ),
        containers=tuple(_container(c, waiting) for c in spec.get("containers") or ()),
        since=now,
    )


def is_sidecar(init_container: Json) -> bool:
    """Whether an init container of a spec is a native sidecar."""
    return bool(init_container.get("restartPolicy") == "Always")


def ended(exit_code: int, since: datetime, until: datetime) -> Terminated:
    """The state of a container whose process has ended with this code."""
    return Terminated(exit_code, "Completed" if exit_code == 0 else "Error", since, until)


def phase(state: PodState, restart_policy: str) -> str:
    """Pending, Running, Succeeded or Failed. Source: the kubelet's rules for a pod's phase."""
    if state.failed:
        return "Failed"
    if not _initialised(state):
        ended_for_good = restart_policy == "Never" and any(_failed(c) and not c.sidecar for c in state.init)
        return "Failed" if ended_for_good else "Pending"
    if any(isinstance(c.state, Waiting) and c.last is None for c in state.containers):
        return "Pending"
    runs = [c for c in (*state.containers, *_sidecars(state)) if isinstance(c.state, Running)]
    if runs or restart_policy == "Always":
        return "Running"
    if not any(_failed(c) or _waits_after_failure(c) for c in state.containers):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def pod_status(pod: Json, state: PodState, before: Json, now: datetime) -> Json:
    """The `status` of the pod; `before` is the status until now, which keeps the times of conditions that stay."""
    policy = pod["spec"].get("restartPolicy", "Always")
    status: Json = {
        "phase": phase(state, policy),
        "conditions": _conditions(state, policy, before, now),
        "hostIP": NODE_ADDRESS,
        "hostIPs": [{"ip": NODE_ADDRESS}],
        "startTime": timestamp(state.since),
        "qosClass": "BestEffort",
    }
    if state.addresses:
        status |= {"podIP": state.addresses[0], "podIPs": [{"ip": address} for address in state.addresses]}
    if state.failed:
        status |= {"reason": state.failed[0], "message": state.failed[1]}
    if state.init:
        status["initContainerStatuses"] = [_init_status(c, pod) for c in state.init]
    status["containerStatuses"] = [_status(c, pod) for c in state.containers]
    return status


def timestamp(moment: datetime) -> str:
    """A time as Kubernetes' API writes it, to the second, in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _container(spec: Json, state: ContainerState) -> Container:
    return Container(name=str(spec["name"]), image=str(spec.get("image") or ""), state=state)


def _initialised(state: PodState) -> bool:
    """Whether the containers may start; once one has, whatever happens to a sidecar changes nothing about it."""
    return not _uninitialised(state)


def _uninitialised(state: PodState) -> list[str]:
    if any(not isinstance(c.state, Waiting) or c.last is not None for c in state.containers):
        return []
    return [c.name for c in state.init if not (c.started if c.sidecar else _succeeded(c))]


def _sidecars(state: PodState) -> list[Container]:
    return [c for c in state.init if c.sidecar]


def _succeeded(container: Container) -> bool:
    return isinstance(container.state, Terminated) and container.state.exit_code == 0


def _failed(container: Container) -> bool:
    return isinstance(container.state, Terminated) and container.state.exit_code != 0


def _waits_after_failure(container: Container) -> bool:
    return isinstance(container.state, Waiting) and container.last is not None and container.last.exit_code != 0


def _conditions(state: PodState, policy: str, before: Json, now: datetime) -> list[Json]:
    over = phase(state, policy) == "Succeeded"
    unready = [c.name for c in (*_sidecars(state), *state.containers) if not c.ready]
    initialised = _verdict(
        _uninitialised(state), "ContainersNotInitialized", "containers with incomplete status", over=False
    )
    ready = _verdict(unready, "ContainersNotReady", "containers with unready status", over=over)
    wanted = [
        ("Initialized", initialised),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", {"status": "True"}),
    ]
    earlier = {c["type"]: c for c in before.get("conditions") or ()}
    conditions = []
    for kind, verdict in wanted:
        old = earlier.get(kind)
        since = old["lastTransitionTime"] if old and old["status"] == verdict["status"] else timestamp(now)
        conditions.append({"type": kind, **verdict, "lastTransitionTime": since})
    return conditions


def _verdict(lacking: Sequence[str], reason: str, message: str, *, over: bool) -> dict[str, Any]:
    if over:
        return {"status": "False", "reason": "PodCompleted"}
    if not lacking:
        return {"status": "True"}
    return {"status": "False", "reason": reason, "message": f"{message}: [{' '.join(lacking)}]"}


def _status(container: Container, pod: Json) -> Json:
    status: Json = {
        "name": container.name,
        "image": container.image,
        "imageID": container.image,
        "ready": container.ready,
        "started": container.started,
        "restartCount": container.restarts,
        "state": _state(container.state),
        "lastState": _state(container.last) if container.last else {},
    }
    if not isinstance(container.state, Waiting) or container.last:
        status["containerID"] = f"lateen://{pod['metadata'].get('uid', '')}/{container.name}/{container.restarts}"
    return status


def _init_status(container: Container, pod: Json) -> Json:
    ready = container.ready if container.sidecar else _succeeded(container)
    return _status(msgspec.structs.replace(container, ready=ready), pod)


def _state(state: ContainerState) -> Json:
    match state:
        case Waiting(reason=reason, message=message):
            return {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        case Running(since=since):
            return {"running": {"startedAt": timestamp(since)}}
        case Terminated():
            times = {"startedAt": timestamp(state.since), "finishedAt": timestamp(state.until)}
            said = {"message": state.message} if state.message else {}
            signalled = {"signal": state.exit_code - 128} if state.exit_code > 128 else {}
            return {"terminated": {"exitCode": state.exit_code, "reason": state.reason} | signalled | said | times}
        case _:
            assert_never(state)
