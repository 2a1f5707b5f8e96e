"""One pod's life: sandbox, volumes, init containers one after another, containers, probes, restarts, the end.

`pods.py` holds the workers of all pods. Every change of a pod's state is reported as the status the API shows.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any, Final, TypeVar

import msgspec

from lateen.config.objects import ObjectRef
from lateen.local_runtime.errors import SandboxError, StartError
from lateen.local_runtime.network.dns import resolv_conf
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.environment import Host, Lookup, NotConfigured
from lateen.local_runtime.pods.images import Catalogue, NothingToRun, UnknownImage
from lateen.local_runtime.pods.logs import ContainerLogs
from lateen.local_runtime.pods.probes import Assumed, Probe, Tally, ask, parse_probe
from lateen.local_runtime.pods.processes import Surroundings, process_spec
from lateen.local_runtime.pods.restarts import BackOff, restarts
from lateen.local_runtime.pods.status import CREATING, Running, Terminated, Waiting, ended, initial_state, pod_status
from lateen.local_runtime.pods.volumes import RefusedVolume, plan_volumes, write_volumes
from lateen.local_runtime.sandbox.sandbox import ContainerProcess, PodSandbox, ProcessSpec, Sandboxes

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_RETRY_SANDBOX: Final = 10.0
_PULL_BACK_OFF: Final = 10.0


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What every pod is made with. `pods_directory` holds one directory per pod."""

    sandboxes: Sandboxes
    catalogue: Catalogue
    lookup: Lookup
    host: Host
    pods_directory: Path
    control_socket: Path
    notice: Callable[[ObjectRef, str], None]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class PodWorker:
    """One pod from its first volume to its end."""

    def __init__(self, pod: Json, address: str, machine: Machine, report: Callable[[Json], None]) -> None:
        meta = pod["metadata"]
        self.ref = ObjectRef("", "Pod", meta["namespace"], meta["name"])
        self.pod = pod
        self.address = address
        self.sandbox: PodSandbox | None = None
        self.processes: dict[str, ContainerProcess] = {}
        self.directory = machine.pods_directory / f"{meta['namespace']}_{meta['name']}_{meta.get('uid', '')}"
        self.logs = ContainerLogs(self.directory)
        self.ended = asyncio.Event()
        self._machine = machine
        self._report = report
        self._status: Json = {}
        self._stopping = asyncio.Event()
        self._configuration = asyncio.Event()
        self._around: Surroundings | None = None
        self.state = initial_state(pod, machine.now())

    async def run(self) -> None:
        """Run the pod until it has ended or `stop` was called, then let go of all it held but its last status."""
        try:
            self._publish()
            await self._live()
        except RefusedVolume as error:
            self._fail("FailedMount", str(error))
        except Exception as error:
            _log.exception("pod %s", self.ref)
            self._fail("InternalError", f"{type(error).__name__}: {error}")
        finally:
            if self.sandbox is not None:
                await self.sandbox.close()
            self.ended.set()

    async def stop(self, grace: float) -> None:
        """SIGTERM to all containers, what is left after `grace` seconds is killed; returns when the pod is gone."""
        self._stopping.set()
        for process in tuple(self.processes.values()):
            process.signal(SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.ended.wait()
        for process in tuple(self.processes.values()):
            process.signal(SIGKILL)
        await self.ended.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def configuration_changed(self) -> None:
        """Look again for what was missing."""
        self._configuration.set()

    async def probe(self, name: str, command: tuple[str, ...]) -> int:
        """Run an exec probe's command in a container."""
        process = self.processes.get(name)
        if process is None or self.sandbox is None or not command:
            return 1
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            started = await self.sandbox.execute(process, command, stdout_fd=sink)
        except StartError as error:
            self._machine.notice(self.ref, f"container {name}: its probe cannot be run: {error}")
            return 1
        finally:
            os.close(sink)
        try:
            return await started.wait()
        except asyncio.CancelledError:
            started.signal(SIGKILL)
            raise

    async def _live(self) -> None:
        if not await self._set_up():
            return
        for container in self.pod["spec"].get("initContainers") or ():
            if not await self._run(container, init=True):
                return
        for waiting in self.state.containers:
            self._change(waiting.name, state=CREATING, publish=False)
        async with asyncio.TaskGroup() as group:
            for container in self.pod["spec"].get("containers") or ():
                group.create_task(self._run(container, init=False))

    async def _set_up(self) -> bool:
        """Write the volumes and make the sandbox; whether the pod is still wanted then."""
        machine, meta, spec = self._machine, self.pod["metadata"], self.pod["spec"]
        # Known before any container runs, since volumes and environment may show it.
        self.state = msgspec.structs.replace(self.state, address=self.address)
        self.pod = {**self.pod, "status": pod_status(self.pod, self.state, self._status, machine.now())}
        while not self._stopping.is_set():
            try:
                hostname = str(spec.get("hostname") or meta["name"])
                self.sandbox = await machine.sandboxes.create_pod(
                    meta["name"], meta["namespace"], hostname, self.address
                )
                break
            except SandboxError as error:
                self._wait_all(Waiting("FailedCreatePodSandBox", str(error)))
                await self._pause(_RETRY_SANDBOX)
        self._publish()
        return await self._configured(self._write_volumes) is not None

    def _write_volumes(self) -> Surroundings:
        machine = self._machine
        volumes = plan_volumes(self.pod, machine.lookup, machine.host)
        group = (self.pod["spec"].get("securityContext") or {}).get("fsGroup")
        self._around = Surroundings(
            volumes=volumes,
            paths=write_volumes(volumes, self.directory / "volumes", group),
            files={"/etc/resolv.conf": resolv_conf(self.ref.namespace).encode()},
            control_socket=machine.control_socket,
        )
        return self._around

    async def _run(self, container: Json, init: bool) -> bool:
        """Run a container, again and again where its pod's policy says so; whether its last run succeeded."""
        name, policy = str(container["name"]), self.pod["spec"].get("restartPolicy", "Always")
        back_off = BackOff()
        while (outcome := await self._run_once(container, init)) is not None:
            self._change(name, state=outcome, ready=False, started=False)
            if self._stopping.is_set() or not restarts(policy, outcome, init):
                return outcome.exit_code == 0 and not self._stopping.is_set()
            back_off = back_off.after(outcome)
            if back_off.delay:
                message = f"back-off {back_off.delay:.0f}s restarting failed container={name} pod={self.ref.name}"
                if outcome.reason == "StartError":  # nothing else tells why: there is no log
                    message += f": {outcome.message}"
                self._change(name, last=outcome, state=Waiting("CrashLoopBackOff", message))
                await self._pause(back_off.delay)
            if self._stopping.is_set():
                return False
            again = self.state.container(name).restarts + 1
            self._change(name, last=outcome, restarts=again, state=CREATING, publish=False)
        return False

    async def _run_once(self, container: Json, init: bool) -> Terminated | None:
        """One run of a container's process to its end; None when the pod is stopped before it starts."""
        machine, name = self._machine, str(container["name"])
        spec = await self._configured(lambda: self._process(container), name)
        if spec is None or self.sandbox is None or self._stopping.is_set():
            return None
        restart, since = self.state.container(name).restarts, machine.now()
        log = self.logs.open(name, restart, spec.uid, spec.gid)
        try:
            process = await self.sandbox.start(spec, log)
        except StartError as error:
            return Terminated(128, "StartError", since, machine.now(), str(error))
        finally:
            os.close(log)
        self.processes[name] = process
        if self._stopping.is_set():
            process.signal(SIGTERM)
        try:
            code = await self._watch(container, process, init)
        finally:
            del self.processes[name]
        outcome = ended(code, since, machine.now())
        return msgspec.structs.replace(outcome, message=self.logs.tail(name, restart)) if code else outcome

    async def _watch(self, container: Json, process: ContainerProcess, init: bool) -> int:
        """The exit code of a running container; probes are asked meanwhile."""
        name, since = str(container["name"]), self._machine.now()
        startup = None if init else parse_probe(container.get("startupProbe"), self.pod)
        readiness = None if init else parse_probe(container.get("readinessProbe"), self.pod)
        self._change(name, state=Running(since), started=not startup, ready=not (init or startup or readiness))
        if not startup and not readiness:
            return await process.wait()
        async with asyncio.TaskGroup() as group:
            prober = group.create_task(self._probe(name, process, startup, readiness))
            code = await process.wait()
            prober.cancel()
        return code

    async def _probe(
        self, name: str, process: ContainerProcess, startup: Probe | None, readiness: Probe | None
    ) -> None:
        if startup is not None:
            try:
                async with asyncio.timeout(startup.patience):
                    await self._ask_until(name, startup)
            except TimeoutError:
                self._machine.notice(self.ref, f"container {name}: startup probe failed for {startup.patience:.0f} s")
                process.signal(SIGKILL)
                return
            self._change(name, started=True, ready=readiness is None)
        if readiness is not None:
            await self._ask_forever(name, readiness)

    async def _ask_until(self, name: str, probe: Probe) -> None:
        await asyncio.sleep(probe.initial_delay)
        tally, attempts = Tally(), 0
        while not tally.passed:
            tally = tally.after(await self._ask(name, probe), probe)
            if not tally.passed:
                await asyncio.sleep(probe.delay(attempts, succeeded=False))
            attempts += 1

    async def _ask_forever(self, name: str, probe: Probe) -> None:
        if isinstance(probe.action, Assumed):
            self._machine.notice(self.ref, f"container {name}: counts as ready, {probe.action.reason}")
            self._change(name, ready=True)
            return
        await asyncio.sleep(probe.initial_delay)
        tally, attempts, succeeded = Tally(), 0, False
        while True:
            tally = tally.after(await self._ask(name, probe), probe)
            if tally.passed != self.state.container(name).ready:
                self._change(name, ready=tally.passed)
            succeeded = succeeded or tally.passed
            await asyncio.sleep(probe.delay(attempts, succeeded))
            attempts += 1

    async def _ask(self, name: str, probe: Probe) -> bool:
        return await ask(probe, self.address, self._machine.sandboxes.network, lambda c: self.probe(name, c))

    def _process(self, container: Json) -> ProcessSpec:
        assert self._around is not None, "volumes are written before containers start"
        machine = self._machine
        image = machine.catalogue.find(str(container.get("image") or ""))
        return process_spec(container, self.pod, image, self._around, machine.lookup, machine.host)

    async def _configured(self, make: Callable[[], _T], container: str | None = None) -> _T | None:
        """What `make` gives, once all it refers to is there; meanwhile the status says what is missing."""
        while not self._stopping.is_set():
            self._configuration.clear()
            try:
                return make()
            except UnknownImage as error:
                self._wait(container, Waiting("ErrImagePull", str(error)))
                await self._pause(_PULL_BACK_OFF)
                self._wait(container, Waiting("ImagePullBackOff", str(error)))
                await self._stopping.wait()
            except (NotConfigured, NothingToRun) as error:
                reason = "CreateContainerConfigError" if container else "ContainerCreating"
                self._wait(container, Waiting(reason, str(error)))
                await self._first(self._configuration.wait(), self._stopping.wait())
        return None

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than the pod is wanted."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _first(self, *events: Awaitable[Any]) -> None:
        tasks = [asyncio.ensure_future(event) for event in events]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _wait(self, container: str | None, waiting: Waiting) -> None:
        if container is None:
            self._wait_all(waiting)
        else:
            self._change(container, state=waiting)

    def _wait_all(self, waiting: Waiting) -> None:
        for each in (*self.state.init, *self.state.containers):
            self._change(each.name, state=waiting, publish=False)
        self._publish()

    def _fail(self, reason: str, message: str) -> None:
        self.state = msgspec.structs.replace(self.state, failed=(reason, message))
        self._publish()

    def _change(self, name: str, *, publish: bool = True, **fields: Any) -> None:
        self.state = self.state.with_container(msgspec.structs.replace(self.state.container(name), **fields))
        if publish:
            self._publish()

    def _publish(self) -> None:
        self._status = pod_status(self.pod, self.state, self._status, self._machine.now())
        self._report(self._status)
