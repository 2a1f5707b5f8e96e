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

from collections.abc import Iterable, Mapping
from pathlib import Path
from signal import Signals

import msgspec

from lateen.local_runtime.network import MeshNetwork


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A directory, file or unix socket of the host seen in a container at `target` (absolute; made where it is missing)."""

    source: Path
    target: str
    read_only: bool = False


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One container: its root and its main process.

    `env` is the whole environment, nothing is inherited. `capabilities` are names such as "NET_ADMIN" (with or without
    CAP_); the process has exactly those, and they survive a change to an ordinary uid. `files` are small files put into
    the root (mode 0644, owned by root), e.g. /etc/resolv.conf; /etc/hosts, /etc/hostname and /etc/resolv.conf have a
    default. `visible` are directories or files of the host shown read-only at the same path, besides the system's and
    the runtime's own. `cwd` is made where it is missing.
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

    pid: int  # as the host sees it
    spec: ProcessSpec

    @property
    def exit_code(self) -> int | None:
        """None while it runs; then 0 to 255, 128+n if signal n ended it."""
        raise NotImplementedError

    async def wait(self) -> int:
        """Wait for the end and return the exit code; may be awaited by several, and again."""
        raise NotImplementedError

    def signal(self, signal: Signals | int) -> None:
        """Send a signal to this process only; nothing happens when it has already ended.

        When a container's main process ends, whatever else lives in the container is killed by the launcher.
        """
        raise NotImplementedError


class PodSandbox:
    """The namespaces of one pod."""

    name: str
    namespace: str
    hostname: str
    ip: str

    async def start(self, spec: ProcessSpec, stdout_fd: int, stderr_fd: int | None = None) -> ContainerProcess:
        """Start a container: returns when its program has been executed, raises StartError with the reason otherwise.

        The descriptors stay the caller's; stderr goes where stdout goes unless told. Standard input is /dev/null.
        A program that reopens /dev/stdout under another uid needs the file to be that uid's (fchown it before).
        """
        raise NotImplementedError

    async def execute(
        self,
        container: ContainerProcess,
        argv: tuple[str, ...],
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
        raise NotImplementedError

    async def close(self) -> None:
        """Kill everything in the pod and let its namespaces go; returns when its last process is gone."""
        raise NotImplementedError


class Sandboxes:
    """Every pod sandbox of this machine, the mesh network they are joined in, and the launcher behind them."""

    network: MeshNetwork  # there after start()

    def __init__(self, state_directory: Path, *, visible: Iterable[Path] = ()) -> None:
        """`visible`: what every container sees read-only at the same path, besides the system and the runtime."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start the launcher and make the mesh network; call it early, from the main thread, before other threads."""
        raise NotImplementedError

    async def create_pod(self, name: str, namespace: str, hostname: str, ip: str) -> PodSandbox:
        """Make a pod's namespaces with `ip` (198.18.0.0/16) on the mesh network; several may be made at once."""
        raise NotImplementedError

    async def lost(self) -> None:
        """Return when the launcher has ended without being asked to: every pod is gone then."""
        raise NotImplementedError

    async def close(self) -> None:
        """End every pod, the mesh network and the launcher."""
        raise NotImplementedError
