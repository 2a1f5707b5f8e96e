"""One container's life: start, hooks, probes, restarts with back-off, the end.

`worker.py` decides when a container of its pod begins and when it has to end. What is awaited here beside processes are
the machine's clock and what the pod offers, so tests need neither time nor namespaces.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from signal import SIGKILL, SIGTERM
from typing import Any, Final, Protocol, TypeVar

import msgspec

from lateen.config.objects import ObjectRef
from lateen.local_runtime.errors import StartError
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.hooks import Hook, Sleep, hooks_of
from lateen.local_runtime.pods.logs import ContainerLogs
from lateen.local_runtime.pods.probes import Action, Assumed, Probe, Tally, probes_of
from lateen.local_runtime.pods.restarts import BackOff, Role, restarts
from lateen.local_runtime.pods.status import CREATING, Container, Running, Terminated, Waiting, ended
from lateen.local_runtime.sandbox.sandbox import ContainerProcess, PodSandbox, ProcessSpec

_T = TypeVar("_T")

_LAST_MOMENT: Final = 2.0
"""Seconds to end that a container gets whose preStop hook has taken all there was; the kubelet's number."""


class Clock(msgspec.Struct, frozen=True):
    """Time as the pods know it."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Pod(Protocol):
    """What a container's life needs of its pod."""

    ref: ObjectRef
    pod: Json
    logs: ContainerLogs
    processes: dict[str, ContainerProcess]
    sandbox: PodSandbox | None
    clock: Clock

    def container(self, name: str) -> Container:
        """The state of a container."""
        ...

    def change(self, name: str, *, publish: bool = True, **fields: Any) -> None:
        """Change the state of a container."""
        ...

    def notice(self, text: str) -> None:
        """Tell the user something about the pod."""
        ...

    def blame(self, name: str, reason: str) -> None:
        """Tell the user why a container is ended, until it is ready again."""
        ...

    def process_of(self, container: Json) -> ProcessSpec:
        """What a container runs; raises what `configured` waits for."""
        ...

    async def configured(
        self, make: Callable[[], _T], waits: Callable[[Waiting], None], over: asyncio.Event
    ) -> _T | None:
        """What `make` gives once all it refers to is there; None when it is `over` before."""
        ...

    async def ask(self, name: str, action: Action, seconds: float | None) -> str | None:
        """Ask a container: what is wrong, or None."""
        ...


class ContainerLife:
    """One container, from `run` until it is not to be started again or `end` was called."""

    def __init__(self, spec: Json, role: Role, pod: Pod) -> None:
        self.name = str(spec["name"])
        self.role = role
        self.attempted = asyncio.Event()
        """It has been tried to start, and its postStart hook is over: the next container's turn."""
        self.started = asyncio.Event()
        """Its startup probe has succeeded."""
        self.over = asyncio.Event()
        """`run` has returned."""
        self._spec = spec
        self._pod = pod
        self._clock = pod.clock
        self._hooks = hooks_of(spec, pod.pod)
        self._probes = probes_of(spec, pod.pod)
        self._ending = asyncio.Event()
        self._grace = 0.0
        self._process: ContainerProcess | None = None
        self._terminating = False
        self._succeeded = False
        self._blamed = ""
        """Why the process that runs is being ended, where that is not because the pod ends."""

    @property
    def holds_others(self) -> bool:
        """Whether containers after it wait until it has been tried to start."""
        return self._hooks.post_start is not None

    async def run(self) -> None:
        """Run the container, again and again where the policy says so."""
        try:
            self._succeeded = await self._runs()
        finally:
            self.attempted.set()
            self.over.set()

    async def succeeded(self) -> bool:
        """Whether its last run did, once there will be no other."""
        await self.over.wait()
        return self._succeeded

    async def end(self, grace: float) -> None:
        """Let it not be started again and end what runs: preStop hook, SIGTERM, SIGKILL after `grace` seconds.

        Another call shortens what is left.
        """
        self._grace = grace
        self._ending.set()
        if self._process is not None:
            await self._terminate(self._process, grace)
        await self.over.wait()

    async def _runs(self) -> bool:
        policy, pod = str(self._pod.pod["spec"].get("restartPolicy", "Always")), self._pod
        back_off = BackOff()
        while (outcome := await self._run_once()) is not None:
            pod.change(self.name, state=outcome, ready=False, started=False)
            self.started.clear()
            if self._ending.is_set() or not restarts(policy, outcome, self.role):
                return outcome.exit_code == 0 and not self._ending.is_set()
            back_off = back_off.after(outcome)
            if back_off.delay:
                await self._back_off(back_off.delay, outcome)
            if self._ending.is_set():
                return False
            again = pod.container(self.name).restarts + 1
            pod.change(self.name, last=outcome, restarts=again, state=CREATING, publish=False)
        return False

    async def _back_off(self, delay: float, outcome: Terminated) -> None:
        message = f"back-off {delay:.0f}s restarting failed container={self.name} pod={self._pod.ref.name}"
        if outcome.reason == "StartError":  # nothing else tells why: there is no log
            message += f": {outcome.message}"
        self._pod.change(self.name, last=outcome, state=Waiting("CrashLoopBackOff", message))
        await self._within(self._ending.wait(), delay)

    async def _run_once(self) -> Terminated | None:
        """One run of the container's process to its end; None when it is to end before it starts."""
        pod, name = self._pod, self.name
        spec = await pod.configured(lambda: pod.process_of(self._spec), self._waits, self._ending)
        if spec is None or pod.sandbox is None or self._ending.is_set():
            return None
        restart, since = pod.container(name).restarts, self._clock.now()
        log = pod.logs.open(name, restart, spec.uid, spec.gid)
        try:
            process = await pod.sandbox.start(spec, log)
        except StartError as error:
            self.attempted.set()
            return Terminated(128, "StartError", since, self._clock.now(), str(error))
        finally:
            os.close(log)
        self._process = pod.processes[name] = process
        self._terminating, self._blamed = False, ""
        try:
            if self._ending.is_set():
                await self._kill(process, self._grace)
            code = await self._watch(process, since)
        finally:
            self._process = None
            self.attempted.set()
            del pod.processes[name]
        outcome = ended(code, since, self._clock.now())
        if not code and not self._blamed:
            return outcome
        return msgspec.structs.replace(outcome, message=self._blamed or pod.logs.tail(name, restart))

    def _waits(self, waiting: Waiting) -> None:
        self._pod.change(self.name, state=waiting)
        self.attempted.set()

    async def _watch(self, process: ContainerProcess, since: datetime) -> int:
        """The exit code of a running container; its hook runs and its probes are asked meanwhile."""
        if self._hooks.post_start is None:
            self._is_running(since)
            if not self._probes:
                return await process.wait()
        async with asyncio.TaskGroup() as group:
            tending = group.create_task(self._tend(process, since))
            code = await process.wait()
            tending.cancel()
        return code

    def _is_running(self, since: datetime) -> None:
        probes, init = self._probes, self.role is Role.INIT
        ready = not (init or probes.startup or probes.readiness)
        self._pod.change(self.name, state=Running(since), started=not probes.startup, ready=ready)
        self.attempted.set()
        if not probes.startup:
            self.started.set()

    async def _tend(self, process: ContainerProcess, since: datetime) -> None:
        if self._hooks.post_start is not None:
            if problem := await self._do(self._hooks.post_start):
                await self._kill_for(process, f"its postStart hook failed: {problem}", None)
                return
            self._is_running(since)
        probes = self._probes
        if probes.startup is not None:
            if problem := await self._start_up(probes.startup):
                patience = f"{probes.startup.patience:g} s"
                await self._kill_for(process, f"startup probe failed for {patience}: {problem}", probes.startup.grace)
                return
            self._pod.change(self.name, started=True, ready=probes.readiness is None)
            self.started.set()
        async with asyncio.TaskGroup() as group:
            if probes.readiness is not None:
                group.create_task(self._keep_ready(probes.readiness))
            if probes.liveness is not None:
                group.create_task(self._keep_alive(process, probes.liveness))

    async def _start_up(self, probe: Probe) -> str | None:
        """Ask until the answer is good (None) or the probe's patience is at an end (what was wrong)."""
        begun, attempts = self._clock.now(), 0
        await self._clock.sleep(probe.initial_delay)
        while problem := await self._pod.ask(self.name, probe.action, probe.timeout):
            if (self._clock.now() - begun).total_seconds() >= probe.patience:
                return problem
            await self._clock.sleep(probe.delay(attempts, succeeded=False))
            attempts += 1
        return None

    async def _keep_ready(self, probe: Probe) -> None:
        if isinstance(probe.action, Assumed):
            self._pod.notice(f"container {self.name}: counts as ready, {probe.action.reason}")
            self._pod.change(self.name, ready=True)
            return
        await self._clock.sleep(probe.initial_delay)
        tally, attempts, succeeded = Tally(), 0, False
        while True:
            good = await self._pod.ask(self.name, probe.action, probe.timeout) is None
            tally, succeeded = tally.after(good, probe), succeeded or good
            if tally.passed != self._pod.container(self.name).ready:
                self._pod.change(self.name, ready=tally.passed)
            await self._clock.sleep(probe.delay(attempts, succeeded))
            attempts += 1

    async def _keep_alive(self, process: ContainerProcess, probe: Probe) -> None:
        if isinstance(probe.action, Assumed):
            self._pod.notice(f"container {self.name}: its liveness probe is not asked, {probe.action.reason}")
            return
        await self._clock.sleep(probe.initial_delay)
        tally = Tally(passed=True)
        while True:
            problem = await self._pod.ask(self.name, probe.action, probe.timeout)
            tally = tally.after(problem is None, probe)
            if not tally.passed:
                await self._kill_for(process, f"liveness probe failed: {problem}", probe.grace)
                return
            await self._clock.sleep(probe.period)

    async def _kill_for(self, process: ContainerProcess, reason: str, grace: float | None) -> None:
        self._pod.blame(self.name, reason)
        self._blamed = reason
        if grace is None:
            default = self._pod.pod["spec"].get("terminationGracePeriodSeconds")
            grace = 30.0 if default is None else float(default)
        await self._terminate(process, grace)

    async def _terminate(self, process: ContainerProcess, grace: float) -> None:
        """The preStop hook, where there is time for one, then SIGTERM and SIGKILL; returns when the process is gone."""
        begun, first_time, self._terminating = self._clock.now(), not self._terminating, True
        if self._hooks.pre_stop is not None and grace > 0 and first_time:
            await self._within(self._do(self._hooks.pre_stop), grace)
            left = grace - (self._clock.now() - begun).total_seconds()
            grace = max(left, min(_LAST_MOMENT, grace))
        await self._kill(process, grace)

    async def _kill(self, process: ContainerProcess, grace: float) -> None:
        process.signal(SIGTERM)
        await self._within(process.wait(), grace)
        if process.exit_code is None:
            process.signal(SIGKILL)
        await process.wait()

    async def _do(self, hook: Hook) -> str | None:
        """Carry out a hook: what went wrong, or None."""
        if isinstance(hook, Sleep):
            await self._clock.sleep(hook.seconds)
            return None
        return await self._pod.ask(self.name, hook, None)

    async def _within(self, event: Coroutine[Any, Any, Any], seconds: float) -> None:
        """Wait for something, but not longer than so many seconds; what takes longer is cancelled."""
        if seconds <= 0:
            event.close()
        else:
            await first(event, self._clock.sleep(seconds))


async def first(*events: Awaitable[Any]) -> None:
    """Wait until one of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
