"""Can this machine and this user run a local mesh? Asked before anything is started."""

import errno
import os
import platform
import re
import shutil
import stat
import sys
from pathlib import Path
from typing import Final

from lateen.local_runtime.errors import PreflightError
from lateen.local_runtime.sandbox import syscalls

_TOOL_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_TOOLS: Final = {"nft": "nftables"}
_OLDEST_KERNEL: Final = (5, 12)
_NAMESPACES: Final = ("net", "pid", "mnt", "uts", "ipc")


def check() -> None:
    """Raise PreflightError, with every obstacle and what to do about it, or return."""
    if obstacles := find_obstacles():
        raise PreflightError("\n".join(obstacles))


def check_privilege() -> None:
    """Raise PreflightError if this system or this user can run no local mesh at all: cheap, and asked first of all."""
    if decisive := _decisive():
        raise PreflightError(decisive)


def find_obstacles() -> list[str]:
    """One line for each; when the first is decisive, only that."""
    if decisive := _decisive():
        return [decisive]
    return [*_kernel(), *_tools(), *_readable_runtime()]


def _decisive() -> str:
    if sys.platform != "linux":
        return f"the local mesh needs Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "the local mesh makes network namespaces, which needs root here: run it with sudo"
    return ""


def _kernel() -> list[str]:
    release = platform.release()
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    found = []
    if version < _OLDEST_KERNEL:
        found.append(f"the kernel is {release}; 5.12 or newer is needed (read-only mounts that include what is below)")
    missing = [name for name in _NAMESPACES if not Path(f"/proc/self/ns/{name}").exists()]
    if missing:
        found.append(f"this kernel was built without namespaces of these kinds: {', '.join(missing)}")
        return found
    return [*found, *_try_namespaces()]


def _try_namespaces() -> list[str]:
    """A child tries what the launcher will do first."""
    child = os.fork()
    if child == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID)
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return []
    if code == errno.EROFS:
        return ["/proc/sys is read-only here (a container?): run on the machine itself or in a privileged container"]
    if code == errno.EPERM:
        return ["making namespaces is not permitted here (a container without CAP_SYS_ADMIN?): run it privileged"]
    return [f"making namespaces fails: {os.strerror(code) if code > 0 else f'signal {-code}'}"]


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
