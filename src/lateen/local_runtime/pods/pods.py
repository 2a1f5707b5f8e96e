"""The kubelet's part: the pods that run, started and stopped as `controllers.py` says.

Each is a `PodWorker` in a task of its own. The API server reaches into them here: logs, commands, sockets.
"""

import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from signal import SIGKILL
from typing import Final

from lateen.config.objects import ObjectRef
from lateen.local_runtime.api.pod_access import PodUnavailable
from lateen.local_runtime.errors import StartError
from lateen.local_runtime.plan.workloads import Json, pod_address
from lateen.local_runtime.pods.container_life import first
from lateen.local_runtime.pods.worker import Machine, PodWorker
from lateen.local_runtime.sandbox.sandbox import ContainerProcess, PodSandbox

_BOUND_LOGS_EVERY: Final = 10.0

Avoided = Callable[[], Awaitable[None]]
"""Returns once nobody is sent to pods that are to end any more, or that has been waited for long enough."""

Report = Callable[[ObjectRef, str, Json], None]
"""Takes the new status of a pod, named by reference and uid."""


class Pods:
    """All pods of the mesh, by reference. Tasks belong to the group that was handed in."""

    def __init__(self, machine: Machine, group: asyncio.TaskGroup, report: Report, avoided: Avoided) -> None:
        self._machine = machine
        self._group = group
        self._report = report
        self._workers: dict[ObjectRef, PodWorker] = {}
        self._avoided = avoided
        self._closing = asyncio.Event()
        self._stopping: dict[ObjectRef, asyncio.Task[None]] = {}

    def __contains__(self, ref: ObjectRef) -> bool:
        return ref in self._workers

    def running(self, ref: ObjectRef) -> Json | None:
        """The object that a pod was started from; None where none was, or nothing of it is left."""
        worker = self._workers.get(ref)
        return None if worker is None else worker.pod

    def names(self, namespace: str) -> set[str]:
        """Names in use in a namespace, those of pods that are ending too."""
        return {ref.name for ref in self._workers if ref.namespace == namespace}

    def start(self, pod: Json) -> None:
        """Run an injected pod whose name no running pod has."""
        taken = {worker.address for worker in self._workers.values()}
        meta = pod["metadata"]
        ref = ObjectRef("", "Pod", meta["namespace"], meta["name"])
        worker = PodWorker(pod, pod_address(pod, taken), self._machine, lambda status: self._tell(worker, status))
        self._workers[ref] = worker
        self._group.create_task(worker.run(), name=str(ref))

    def stop(self, ref: ObjectRef, grace: float, gone: Callable[[], None] = lambda: None) -> None:
        """Begin to end a pod; `gone` is called when nothing of it is left. A second call does nothing.

        Unless it has no time at all, its containers are told only when nobody is sent to it any more: on Kubernetes
        that takes a preStop hook that sleeps.
        """
        worker = self._workers.get(ref)
        if worker is not None and ref not in self._stopping:
            self._stopping[ref] = self._group.create_task(self._end(worker, grace, gone), name=f"end of {ref}")

    def configuration_changed(self) -> None:
        """Let pods that wait for a ConfigMap or Secret look again."""
        for worker in self._workers.values():
            worker.configuration_changed()

    def release(self, claim: ObjectRef) -> None:
        """Remove what a PersistentVolumeClaim held, unless a pod still has it."""
        if claim.name.startswith("."):
            return
        path = self._machine.claims_directory / claim.namespace / claim.name
        if not any(path in worker.volume_paths() for worker in self._workers.values()):
            shutil.rmtree(path, ignore_errors=True)

    async def close(self, grace: float) -> None:
        """End all pods at once, in less time those that are ending already too; returns when none is left."""
        self._closing.set()
        for ref in tuple(self._workers):
            if ref in self._stopping:
                self._group.create_task(self._workers[ref].stop(grace))
            else:
                self.stop(ref, grace)
        await asyncio.gather(*self._stopping.values())

    async def bound_logs(self) -> None:
        """Keep the logs of running containers from growing without end; runs until it is cancelled."""
        while True:
            await asyncio.sleep(_BOUND_LOGS_EVERY)
            for worker in self._workers.values():
                for name in worker.processes:
                    worker.logs.bound(name, worker.state.container(name).restarts)

    def log_path(self, ref: ObjectRef, container: str, previous: bool) -> Path:
        """See `PodAccess`."""
        worker = self._worker(ref)
        try:
            run = worker.state.container(container).restarts - previous
        except KeyError:
            raise PodUnavailable(_no_container(worker, container)) from None
        path = worker.logs.path(container, run)
        if path.exists():
            return path
        if previous:
            raise PodUnavailable(f"container {container} of pod {ref.name} has not been restarted: no previous log")
        raise PodUnavailable(f"container {container} of pod {ref.name} has not started yet: no log")

    async def execute(
        self, ref: ObjectRef, container: str, argv: Sequence[str], tty: bool, stdin: int, stdout: int, stderr: int
    ) -> int:
        """See `PodAccess`."""
        worker = self._worker(ref)
        main, sandbox = self._process(worker, container)
        try:
            process = await sandbox.execute(
                main, tuple(argv), stdin_fd=stdin, stdout_fd=stdout, stderr_fd=stderr, terminal=tty
            )
        except StartError as error:
            raise PodUnavailable(str(error)) from None
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.signal(SIGKILL)
            raise

    def socket(self, ref: ObjectRef, family: socket.AddressFamily, type: socket.SocketKind) -> socket.socket:
        """See `PodAccess`."""
        worker = self._worker(ref)
        if worker.sandbox is None:
            raise PodUnavailable(f"pod {ref.name} has no network yet")
        return self._machine.sandboxes.network.socket(family, type, inside=worker.sandbox)

    def _worker(self, ref: ObjectRef) -> PodWorker:
        worker = self._workers.get(ref)
        if worker is None:
            raise PodUnavailable(f"no pod {ref.name} runs in namespace {ref.namespace}")
        return worker

    def _process(self, worker: PodWorker, container: str) -> tuple[ContainerProcess, PodSandbox]:
        process = worker.processes.get(container)
        if process is None or worker.sandbox is None:
            known = {c.name for c in (*worker.state.init, *worker.state.containers)}
            if container not in known:
                raise PodUnavailable(_no_container(worker, container))
            raise PodUnavailable(f"container {container} of pod {worker.ref.name} is not running")
        return process, worker.sandbox

    async def _end(self, worker: PodWorker, grace: float, gone: Callable[[], None]) -> None:
        if grace and not self._closing.is_set():
            await first(self._avoided(), self._closing.wait())
        await worker.stop(grace)
        self._workers.pop(worker.ref, None)
        self._stopping.pop(worker.ref, None)
        gone()

    def _tell(self, worker: PodWorker, status: Json) -> None:
        self._report(worker.ref, str(worker.pod["metadata"].get("uid", "")), status)


def _no_container(worker: PodWorker, container: str) -> str:
    names = ", ".join(c.name for c in (*worker.state.init, *worker.state.containers))
    return f"pod {worker.ref.name} has no container {container}; it has {names}"
