"""Pod sandboxes: a pod's namespaces and the processes in them, as the kubelet part of the supervisor uses them.

The supervisor never forks a pod's process itself; every request here goes to the launcher (`launcher.py`), a
single-threaded process which dies with the supervisor and takes every pod with it. A pod is one network, UTS, IPC and
PID namespace; each container adds a mount namespace with a root of its own (`root_filesystem.py`).

    sandboxes = Sandboxes(state_directory)
    await sandboxes.start()
    pod = await sandboxes.create_pod("reviews-v1-0", "default", "reviews-v1-0", "198.18.0.7")
    process = await pod.start(ProcessSpec(argv=("python3", "-m", "http.server")), log_fd)
    code = await process.wait()
"""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from lateen.local_runtime.errors import StartError
from lateen.local_runtime.network.dns import resolv_conf
from lateen.local_runtime.network.namespace import NetworkNamespace
from lateen.local_runtime.network.network import MeshNetwork
from lateen.local_runtime.sandbox import root_steps
from lateen.local_runtime.sandbox.launcher import Child, Launcher
from lateen.local_runtime.sandbox.launcher_messages import CreatePod, Execute, Process, StartContainer
from lateen.local_runtime.sandbox.root_filesystem import Mount as Mount
from lateen.local_runtime.sandbox.root_filesystem import RootFilesystem, ThisHost, runtime_directories
from lateen.local_runtime.sandbox.syscalls import CAPABILITIES


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One container: its root and its main process.

    `env` is the whole environment, nothing is inherited. `capabilities` are names such as "NET_ADMIN" (with or without
    CAP_), or "ALL"; the process has exactly those, and they survive a change to an ordinary uid. `files` are small
    files put into the root (mode 0644, owned by root), e.g. /etc/resolv.conf; /etc/hosts, /etc/hostname and
    /etc/resolv.conf have a default. `visible` are directories or files of the host shown read-only at the same path,
    besides the system's and the runtime's own. `cwd` is made where it is missing.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    uid: int = 1000
    gid: int = 1000
    capabilities: frozenset[str] = frozenset()
    no_new_privileges: bool = True
    cwd: str = "/"
    mounts: tuple[Mount, ...] = ()
    files: Mapping[str, bytes] = {}
    visible: tuple[Path, ...] = ()
    read_only_root: bool = False


class ContainerProcess:
    """A started process: the main one of a container, or one that joined it."""

    def __init__(self, spec: ProcessSpec, child: Child, launcher: Launcher) -> None:
        self.spec = spec
        self.id = child.id
        self.pid = child.pid  # as the host sees it
        self._ended = child.ended
        self._launcher = launcher

    @property
    def exit_code(self) -> int | None:
        """None while it runs; then 0 to 255, 128+n if signal n ended it."""
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """Wait for the end and return the exit code; may be awaited by several, and again."""
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals | int) -> None:
        """Send a signal to this process only; nothing happens when it has already ended.

        When a container's main process ends, whatever else lives in the container is killed by the launcher.
        """
        self._launcher.signal(self.id, int(number))


class PodSandbox:
    """The namespaces of one pod."""

    def __init__(self, request: CreatePod, name: str, namespace: str, child: Child, sandboxes: "Sandboxes") -> None:
        self.name = name
        self.namespace = namespace
        self.hostname = request.hostname
        self.ip = request.address
        self.network_namespace = NetworkNamespace.of_process(child.pid)
        self._child = child
        self._launcher = sandboxes.launcher
        self._visible = sandboxes.visible

    async def start(self, spec: ProcessSpec, stdout_fd: int, stderr_fd: int | None = None) -> ContainerProcess:
        """Start a container: returns when its program has been executed, raises StartError with the reason otherwise.

        The descriptors stay the caller's; stderr goes where stdout goes unless told. Standard input is /dev/null.
        A program that reopens /dev/stdout under another uid needs the file to be that uid's (fchown it before).
        """
        request = StartContainer(
            self._launcher.new_id(), self._child.id, root_steps.pack(self._root_of(spec)), _process(spec, spec.argv)
        )
        return await self._launch(spec, request, None, stdout_fd, stderr_fd)

    async def execute(
        self,
        container: ContainerProcess,
        argv: Sequence[str],
        *,
        stdin_fd: int | None = None,
        stdout_fd: int,
        stderr_fd: int | None = None,
        terminal: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> ContainerProcess:
        """Run a program in a running container with the same user, capabilities and (unless given) environment.

        With `terminal`, all three descriptors are the inner end of a pty (os.openpty()), which becomes the
        controlling terminal of a new session.
        """
        spec = container.spec if env is None else msgspec.structs.replace(container.spec, env=env)
        process = _process(spec, argv, terminal=terminal)
        request = Execute(self._launcher.new_id(), self._child.id, container.id, process)
        return await self._launch(spec, request, stdin_fd, stdout_fd, stderr_fd)

    async def close(self) -> None:
        """Kill everything in the pod and let its namespaces go; returns when its last process is gone."""
        self._launcher.signal(self._child.id, signal.SIGKILL)
        await asyncio.shield(self._child.ended)
        self.network_namespace.close()

    async def _launch(
        self,
        spec: ProcessSpec,
        request: StartContainer | Execute,
        stdin_fd: int | None,
        stdout_fd: int,
        stderr_fd: int | None,
    ) -> ContainerProcess:
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            stdin_fd = null if stdin_fd is None else stdin_fd
            stderr_fd = stdout_fd if stderr_fd is None else stderr_fd
            child = await self._launcher.launch(request, (stdin_fd, stdout_fd, stderr_fd))
        finally:
            os.close(null)
        return ContainerProcess(spec, child, self._launcher)

    def _root_of(self, spec: ProcessSpec) -> tuple[root_steps.Step, ...]:
        root = RootFilesystem(ThisHost())
        for name, content in {**self._default_files(), **spec.files}.items():
            root.add_file(name, content)
        for mount in sorted(spec.mounts, key=lambda mount: mount.target.count("/")):
            root.mount(mount)
        for path in sorted({*self._visible, *spec.visible}):
            root.show(path)
        root.add_directory(spec.cwd)
        return root.steps(read_only=spec.read_only_root, privileged_user=spec.uid == 0)

    def _default_files(self) -> dict[str, bytes]:
        hosts = f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n{self.ip}\t{self.hostname}\n"
        return {
            "/etc/hosts": hosts.encode(),
            "/etc/hostname": f"{self.hostname}\n".encode(),
            "/etc/resolv.conf": resolv_conf(self.namespace).encode(),
        }


class Sandboxes:
    """Every pod sandbox of this machine, the mesh network they are joined in, and the launcher behind them."""

    network: MeshNetwork  # there after start()

    def __init__(self, state_directory: Path, *, visible: Iterable[Path] = ()) -> None:
        """`visible`: what every container sees read-only at the same path, besides the system and the runtime."""
        self.launcher = Launcher(state_directory / "root")
        self.visible = (*runtime_directories(), *visible)
        self._pods: set[PodSandbox] = set()

    async def start(self) -> None:
        """Start the launcher and make the mesh network; call it early, from the main thread."""
        await self.launcher.start()
        self.network = MeshNetwork(self.launcher)

    async def create_pod(self, name: str, namespace: str, hostname: str, ip: str) -> PodSandbox:
        """Make a pod's namespaces with `ip` (198.18.0.0/16) on the mesh network; several may be made at once."""
        request = CreatePod(self.launcher.new_id(), hostname[:63], ip)
        try:
            child = await self.launcher.launch(request)
        except StartError as error:
            raise StartError(f"pod {namespace}/{name}: its sandbox could not be made: {error}") from None
        pod = PodSandbox(request, name, namespace, child, self)
        self._pods.add(pod)
        child.ended.add_done_callback(lambda _: self._pods.discard(pod))
        return pod

    async def lost(self) -> None:
        """Return when the launcher has ended: every pod is gone then. After close() this is as it should be."""
        await asyncio.shield(self.launcher.gone)

    async def close(self) -> None:
        """End every pod, the mesh network and the launcher."""
        await asyncio.gather(*(pod.close() for pod in list(self._pods)))
        self.network.close()
        await self.launcher.close()


def _process(spec: ProcessSpec, argv: Sequence[str], *, terminal: bool = False) -> tuple[object, ...]:
    return tuple(
        Process(
            argv=tuple(argv),
            env=tuple(spec.env.items()),
            uid=spec.uid,
            gid=spec.gid,
            capabilities=tuple(sorted(_numbers(spec.capabilities))),
            no_new_privileges=spec.no_new_privileges,
            cwd=spec.cwd,
            terminal=terminal,
        )
    )


def _numbers(names: Iterable[str]) -> set[int]:
    numbers: set[int] = set()
    for name in names:
        bare = name.upper().removeprefix("CAP_")
        if bare == "ALL":
            numbers.update(range(len(CAPABILITIES)))
        elif bare in CAPABILITIES:
            numbers.add(CAPABILITIES.index(bare))
        else:
            raise StartError(f"unknown capability {name!r}; capabilities(7) has the names, such as NET_ADMIN")
    return numbers
