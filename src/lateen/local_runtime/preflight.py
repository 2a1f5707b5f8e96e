"""Can this machine and this user run a local mesh? Asked before anything is started."""

import errno
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lateen.local_runtime import user_namespace
from lateen.local_runtime.errors import PreflightError
from lateen.local_runtime.sandbox import syscalls
from lateen.local_runtime.users import Users

_TOOL_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_TOOLS: Final = {"nft": "nftables"}
_OLDEST_KERNEL: Final = (5, 12)
_HIDDEN_PROC: Final = 200
"""Exit code of a child, above the numbers of errors."""
_NAMESPACES: Final = ("net", "pid", "mnt", "uts", "ipc")


def check(users: Users) -> None:
    """Raise PreflightError, with every obstacle and what to do about it, or return; in the mesh's user namespace."""
    if obstacles := find_obstacles(users):
        raise PreflightError("\n".join(obstacles))


def check_system() -> None:
    """Raise PreflightError if this system can run no local mesh at all: cheap, and asked first of all."""
    if sys.platform != "linux":
        raise PreflightError(f"the local mesh needs Linux, this is {platform.system()}")


def find_obstacles(users: Users) -> list[str]:
    """One line for each."""
    return [*_kernel(users), *_tools(), *([] if users.one else _readable_runtime())]


def _kernel(users: Users) -> list[str]:
    release = platform.release()
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    found = []
    if version < _OLDEST_KERNEL:
        found.append(f"the kernel is {release}; 5.12 or newer is needed (read-only mounts that include what is below)")
    missing = [name for name in _NAMESPACES if not Path(f"/proc/self/ns/{name}").exists()]
    if missing:
        found.append(f"this kernel was built without namespaces of these kinds: {', '.join(missing)}")
        return found
    return [*found, *_try_namespaces(users)]


def _try_namespaces(users: Users) -> list[str]:
    """A child tries what the launcher will do first, and its child what a container will."""
    code = _exit_code_of(_make_namespaces)
    if code == 0:
        return []
    if code == _HIDDEN_PROC:
        return ["/proc cannot be mounted anew here (a container that hides parts of it?): run it on the machine itself"]
    if users.rootless and code in (errno.EPERM, errno.EACCES):
        return [user_namespace.obstacle(OSError(code, os.strerror(code)))]
    if code == errno.EROFS:
        return ["/proc/sys is read-only here (a container?): run on the machine itself or in a privileged container"]
    if code == errno.EPERM:
        return ["making namespaces is not permitted here (a container without CAP_SYS_ADMIN?): run it privileged"]
    return [f"making namespaces fails: {os.strerror(code) if code > 0 else f'signal {-code}'}"]


def _exit_code_of(work: Callable[[], int | None]) -> int:
    """Of a child that does it: 0, the number of the error that it met, or minus the number of a signal."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            code = work() or 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _make_namespaces() -> int:
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    syscalls.make_mounts_private()
    return _HIDDEN_PROC if _exit_code_of(lambda: syscalls.mount("proc", "/proc", "proc")) else 0


def _tools() -> list[str]:
    return [
        f"the program {tool} is missing: install it, on Debian with: apt-get install {package}"
        for tool, package in _TOOLS.items()
        if shutil.which(tool, path=_TOOL_PATH) is None
    ]


def _readable_runtime() -> list[str]:
    """Directories above may be closed to others; the interpreter and the package themselves must be readable."""
    package = Path(__file__).resolve().parents[1]
    closed = [path for path in (Path(sys.prefix), Path(sys.base_prefix), package) if not _open_to_others(path)]
    return [
        f"{path} may be read only by its owner, and pods run as other users: chmod -R go+rX {path}"
        for path in dict.fromkeys(closed)
    ]


def _open_to_others(path: Path) -> bool:
    mode = path.stat().st_mode
    return bool(mode & stat.S_IROTH and mode & stat.S_IXOTH)
