"""Where a running mesh keeps its sockets, logs and lock, and the lock that lets one run at a time."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from lateen.local_runtime.errors import LocalRuntimeError

VARIABLE: Final = "LATEEN_STATE_DIR"
"""Environment variable that names another state directory."""


_LONGEST_SOCKET_NAME: Final = 107


class StateDirectoryTooLong(LocalRuntimeError):
    """No unix socket can be made in it."""


class OfAnotherUser(LocalRuntimeError):
    """Somebody else made it, so what is in it is not to be trusted: anybody can make a directory in /tmp."""


class AlreadyRunning(LocalRuntimeError):
    """Another supervisor holds the state directory; `pid` is its process id where it could be read, else 0."""

    def __init__(self, directory: Path, pid: int) -> None:
        self.pid = pid
        who = (
            f"a mesh is already running (pid {pid}, {directory})" if pid else f"a mesh is already running ({directory})"
        )
        super().__init__(f"{who}; change it with `lateen apply`, or stop it with `lateen down`")


class StateDirectory:
    """Paths below one directory, which only its owner may enter."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> "StateDirectory":
        """`$LATEEN_STATE_DIR`; else `/run/lateen` for root; for others `$XDG_RUNTIME_DIR/lateen`, else one in /tmp."""
        if named := os.environ.get(VARIABLE):
            return cls(Path(named))
        if os.geteuid() == 0:
            return cls.of_root()
        if runtime := os.environ.get("XDG_RUNTIME_DIR"):
            return cls(Path(runtime) / "lateen")
        return cls(Path(f"/tmp/lateen-{os.geteuid()}"))

    @classmethod
    def of_root(cls) -> "StateDirectory":
        """Root's own."""
        return cls(Path("/run/lateen"))

    @property
    def api_socket(self) -> Path:
        return self.root / "api.sock"

    @property
    def xds_socket(self) -> Path:
        return self.root / "xds.sock"

    @property
    def pods(self) -> Path:
        """Volumes and logs of pods."""
        return self.root / "pods"

    @property
    def mount_point(self) -> Path:
        """Where pods' root file systems are put together, each in a mount namespace of its own; here it is empty."""
        return self.root / "root"

    @property
    def log(self) -> Path:
        """What the supervisor itself says."""
        return self.root / "supervisor.log"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    def make(self) -> None:
        """Make it. Raises `StateDirectoryTooLong` where its sockets could not have their names, and `OfAnotherUser`."""
        length = len(os.fsencode(self.api_socket))
        if length > _LONGEST_SOCKET_NAME:
            raise StateDirectoryTooLong(
                f"{self.root}: the name of a socket in it has {length} bytes, and the system allows "
                f"{_LONGEST_SOCKET_NAME}; use a shorter --state-dir"
            )
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check_owner()

    def acquire(self) -> "Lock":
        """Become the one mesh of this directory, until the lock is released or the process ends.

        Raises `AlreadyRunning`.
        """
        self.make()
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(self.root, self.holder()) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return Lock(descriptor)

    def check_owner(self) -> None:
        """Raise `OfAnotherUser` where that is so; what root made is good for everybody, and for root everything is."""
        try:
            owner = self.root.lstat().st_uid
        except OSError:
            return
        if os.geteuid() not in (0, owner) and owner != 0:
            raise OfAnotherUser(f"{self.root} belongs to another user (uid {owner}); name another with --state-dir")

    def sweep(self) -> None:
        """Remove what a mesh leaves, even one that was killed; the lock and the log stay. Only for who has the lock."""
        shutil.rmtree(self.pods, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.mount_point.rmdir()
        for path in (self.api_socket, self.xds_socket):
            path.unlink(missing_ok=True)

    def sweep_unless_held(self) -> None:
        """Remove what a mesh that was killed has left; nothing where there is none, or one runs."""
        if self.lock.exists():
            with contextlib.suppress(AlreadyRunning):
                lock = self.acquire()
                self.sweep()
                lock.release()

    def is_closed(self) -> bool:
        """Whether it is there, or may be, and not for this user."""
        try:
            self.root.stat()
        except PermissionError:
            return True
        except OSError:
            return False
        return not os.access(self.root, os.R_OK | os.X_OK)

    def holder(self) -> int:
        """The process id of whoever holds the lock; 0 if nobody does, or it cannot be told."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            return int(written) if written.isdecimal() else 0
        else:
            return 0
        finally:
            os.close(descriptor)


class Lock:
    """Held from its making; the kernel releases it with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)
