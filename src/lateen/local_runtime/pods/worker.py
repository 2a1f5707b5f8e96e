"""One pod's life: sandbox, volumes, init containers one after another, sidecars among them, containers, the end.

`container_life.py` is each container's own; `pods.py` holds the workers of all pods. Every change of a pod's state is
reported as the status the API shows.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final, TypeVar

import msgspec

from lateen.config.objects import ObjectRef
from lateen.local_runtime.errors import SandboxError, StartError
from lateen.local_runtime.network.address_plan import ipv6_twin
from lateen.local_runtime.network.dns import resolv_conf
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.asking import ask
from lateen.local_runtime.pods.container_life import Clock, ContainerLife, first
from lateen.local_runtime.pods.environment import Host, Lookup, NotConfigured
from lateen.local_runtime.pods.hosts_file import hosts_file
from lateen.local_runtime.pods.images import Catalogue, NothingToRun, UnknownImage
from lateen.local_runtime.pods.logs import ContainerLogs
from lateen.local_runtime.pods.probes import Action
from lateen.local_runtime.pods.processes import Surroundings, process_spec, volume_group_of, without_effect
from lateen.local_runtime.pods.restarts import Role
from lateen.local_runtime.pods.status import CREATING, Container, Waiting, initial_state, is_sidecar, pod_status
from lateen.local_runtime.pods.volumes import RefusedVolume, plan_volumes, update_volumes, write_volumes
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
    notices: Notices
    ipv6: bool = False
    """Whether the kernel gives pods an IPv6 address too."""
    clock: Clock = Clock(lambda: datetime.now(UTC))

    @property
    def claims_directory(self) -> Path:
        """What PersistentVolumeClaims hold, as long as the mesh lives."""
        return self.pods_directory / ".claims"

    @property
    def commands_directory(self) -> Path:
        """Programs that the proxy's container has on its PATH."""
        return self.pods_directory / ".commands"


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
        self.clock = machine.clock
        self.ended = asyncio.Event()
        self._machine = machine
        self._report = report
        self._status: Json = {}
        self._lives: list[ContainerLife] = []
        self._stopping = asyncio.Event()
        self._deadline: datetime | None = None
        self._configuration = asyncio.Event()
        self._around: Surroundings | None = None
        self._blamed: dict[str, list[str]] = {}
        """What was said of containers that were ended and are not ready again."""
        self.state = initial_state(pod, self.clock.now())

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
        """End all containers, sidecars after the others, within `grace` seconds; returns when the pod is gone.

        Another call shortens what is left.
        """
        self._deadline = self.clock.now() + timedelta(seconds=grace)
        self._stopping.set()
        await asyncio.gather(*(life.end(grace) for life in self._lives if life.role is not Role.SIDECAR))
        await self.ended.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def configuration_changed(self) -> None:
        """Look again for what was missing, and let the volumes follow their objects."""
        self._configuration.set()
        if self._around is not None and not self.ended.is_set():
            self._around = self._followed(self._around)

    def volume_paths(self) -> Collection[Path]:
        """Where the pod's volumes are on this machine."""
        return self._around.paths.values() if self._around else ()

    def container(self, name: str) -> Container:
        """See `container_life.Pod`."""
        return self.state.container(name)

    def change(self, name: str, *, publish: bool = True, **fields: Any) -> None:
        """See `container_life.Pod`."""
        self.state = self.state.with_container(msgspec.structs.replace(self.state.container(name), **fields))
        if fields.get("ready"):
            self._forgive(name)
        if publish:
            self._publish()

    def notice(self, text: str) -> None:
        """See `container_life.Pod`."""
        self._machine.notices.add(self.ref, text)

    def blame(self, name: str, reason: str) -> None:
        """See `container_life.Pod`."""
        text = f"container {name} is ended: {reason}"
        self._blamed.setdefault(name, []).append(text)
        self.notice(text)

    def _forgive(self, name: str) -> None:
        for text in self._blamed.pop(name, ()):
            self._machine.notices.remove(self.ref, text)

    async def ask(self, name: str, action: Action, seconds: float | None) -> str | None:
        """See `container_life.Pod`."""
        network = self._machine.sandboxes.network
        return await ask(action, seconds, self.address, network, lambda command: self._execute(name, command))

    def process_of(self, container: Json) -> ProcessSpec:
        """See `container_life.Pod`."""
        assert self._around is not None, "volumes are written before containers start"
        machine = self._machine
        image = machine.catalogue.find(str(container.get("image") or ""))
        return process_spec(container, self.pod, image, self._around, machine.lookup, machine.host)

    async def configured(
        self, make: Callable[[], _T], waits: Callable[[Waiting], None], over: asyncio.Event
    ) -> _T | None:
        """See `container_life.Pod`."""
        while not over.is_set():
            self._configuration.clear()
            try:
                return make()
            except UnknownImage as error:
                waits(Waiting("ErrImagePull", str(error)))
                await first(over.wait(), self.clock.sleep(_PULL_BACK_OFF))
                if not over.is_set():
                    waits(Waiting("ImagePullBackOff", str(error)))
                await over.wait()
            except (NotConfigured, NothingToRun) as error:
                waits(Waiting("CreateContainerConfigError", str(error)))
                await first(self._configuration.wait(), over.wait())
        return None

    async def _execute(self, name: str, command: tuple[str, ...]) -> int:
        """Run a command of a probe or hook in a container; its exit code. Raises `OSError` where it cannot be run."""
        process = self.processes.get(name)
        if process is None or self.sandbox is None or not command:
            raise OSError("the container is not running" if command else "exec.command is empty")
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            started = await self.sandbox.execute(process, command, stdout_fd=sink)
        except StartError as error:
            raise OSError(str(error)) from None
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
        spec = self.pod["spec"]
        async with asyncio.TaskGroup() as group:
            if await self._initialise(spec.get("initContainers") or (), group):
                for waiting in self.state.containers:
                    self.change(waiting.name, state=CREATING, publish=False)
                await self._run_all(spec.get("containers") or (), group)
            await self._end_sidecars()

    async def _initialise(self, containers: Iterable[Json], group: asyncio.TaskGroup) -> bool:
        """Run the init containers in order, each to its end, a sidecar until it has started; whether all is well."""
        for container in containers:
            sidecar = is_sidecar(container)
            life = self._begin(container, Role.SIDECAR if sidecar else Role.INIT, group)
            if sidecar:
                await first(life.started.wait(), self._stopping.wait())
            elif not await life.succeeded():
                return False
            if self._stopping.is_set():
                return False
        return True

    async def _run_all(self, containers: Iterable[Json], group: asyncio.TaskGroup) -> None:
        """Start the containers in order, one that has a postStart hook before the next, and wait for their ends."""
        lives = []
        for container in containers:
            life = self._begin(container, Role.MAIN, group)
            lives.append(life)
            if life.holds_others:
                await first(life.attempted.wait(), self._stopping.wait())
            if self._stopping.is_set():
                break
        for life in lives:
            await life.over.wait()

    async def _end_sidecars(self) -> None:
        """The last one first, when no container is left that may need them."""
        for life in reversed(self._lives):
            if life.role is Role.SIDECAR:
                await life.end(self._time_left())

    def _begin(self, container: Json, role: Role, group: asyncio.TaskGroup) -> ContainerLife:
        life = ContainerLife(container, role, self)
        self._lives.append(life)
        group.create_task(life.run(), name=f"{self.ref} {life.name}")
        return life

    def _time_left(self) -> float:
        if self._deadline is None:
            default = self.pod["spec"].get("terminationGracePeriodSeconds")
            return 30.0 if default is None else float(default)
        return max(0.0, (self._deadline - self.clock.now()).total_seconds())

    async def _set_up(self) -> bool:
        """Write the volumes and make the sandbox; whether the pod is still wanted then."""
        machine, meta, spec = self._machine, self.pod["metadata"], self.pod["spec"]
        for field in without_effect(self.pod) if machine.host.users.one else ():
            self.notice(f"{field} has no effect, since without root this mesh has one user")
        # Known before any container runs, since volumes and environment may show it.
        self.state = msgspec.structs.replace(self.state, addresses=self._addresses())
        self.pod = {**self.pod, "status": pod_status(self.pod, self.state, self._status, self.clock.now())}
        while not self._stopping.is_set():
            try:
                hostname = str(spec.get("hostname") or meta["name"])
                self.sandbox = await machine.sandboxes.create_pod(
                    meta["name"], meta["namespace"], hostname, self.address
                )
                break
            except SandboxError as error:
                self._wait_all(Waiting("FailedCreatePodSandBox", str(error)))
                await first(self._stopping.wait(), self.clock.sleep(_RETRY_SANDBOX))
        self._publish()
        return await self.configured(self._write_volumes, self._wait_for_volumes, self._stopping) is not None

    def _write_volumes(self) -> Surroundings:
        machine = self._machine
        volumes = plan_volumes(self.pod, machine.lookup, machine.host)
        self._around = Surroundings(
            volumes=volumes,
            paths=write_volumes(volumes, self.directory / "volumes", machine.claims_directory, self._group()),
            files={
                "/etc/resolv.conf": resolv_conf(self.ref.namespace).encode(),
                "/etc/hosts": hosts_file(self.pod, self._addresses()).encode(),
            },
            control_socket=machine.control_socket,
            commands=machine.commands_directory,
        )
        return self._around

    def _followed(self, around: Surroundings) -> Surroundings:
        """What surrounds the containers once volumes show their objects as they are now; what is gone stays."""
        try:
            volumes = plan_volumes(self.pod, self._machine.lookup, self._machine.host)
        except (NotConfigured, RefusedVolume):
            return around
        update_volumes(around.volumes, volumes, around.paths, self._group())
        return msgspec.structs.replace(around, volumes=volumes)

    def _addresses(self) -> tuple[str, ...]:
        return (self.address, ipv6_twin(self.address)) if self._machine.ipv6 else (self.address,)

    def _group(self) -> int | None:
        return volume_group_of(self.pod, self._machine.host.users)

    def _wait_for_volumes(self, waiting: Waiting) -> None:
        self._wait_all(Waiting("ContainerCreating", waiting.message))

    def _wait_all(self, waiting: Waiting) -> None:
        for each in (*self.state.init, *self.state.containers):
            self.change(each.name, state=waiting, publish=False)
        self._publish()

    def _fail(self, reason: str, message: str) -> None:
        self.state = msgspec.structs.replace(self.state, failed=(reason, message))
        self._publish()

    def _publish(self) -> None:
        self._status = pod_status(self.pod, self.state, self._status, self.clock.now())
        self._report(self._status)
