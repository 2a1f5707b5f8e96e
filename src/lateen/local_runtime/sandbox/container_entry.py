"""The way into a container: what a freshly forked process does before it executes a container's program.

The launcher has forked it into the pod's PID namespace. Either program starts, or one line of text on `status` says
why not, in the words of a kubelet. Standard library only.
"""

# pathlib is an import that the launcher does without
# ruff: noqa: PTH110, PTH112

import errno
import fcntl
import os
import signal
import socket
import termios
from typing import Final, NoReturn

from lateen.local_runtime.sandbox import root_steps, syscalls
from lateen.local_runtime.sandbox.launcher_messages import Process, StartContainer

MOUNTS: Final = b"\0"
_POD_NAMESPACES: Final = syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEFAULT_SIGNALS: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)


class NotExecutable(Exception):
    """The program cannot be executed."""


def start(request: StartContainer, pod: int, staging: str, descriptors: tuple[int, ...], status: int) -> NoReturn:
    """Enter the pod (a pidfd of its first process), lay out the root, become the container's program."""
    try:
        syscalls.setns(pod, _POD_NAMESPACES)
        syscalls.unshare(syscalls.CLONE_NEWNS)
        _hand_over_mounts(status)
        root_steps.lay_out(staging, request.steps)
        _execute(Process(*request.process), descriptors)
    except (OSError, NotExecutable) as error:
        _give_up(status, error)


def _hand_over_mounts(status: int) -> None:
    """By its mount namespace the launcher knows what belongs to the container, when it ends."""
    connection = socket.socket(fileno=status)
    socket.send_fds(connection, [MOUNTS], [os.open("/proc/self/ns/mnt", os.O_RDONLY)])
    connection.detach()


def join(process: Process, container: int, descriptors: tuple[int, ...], status: int) -> NoReturn:
    """Enter a container (a pidfd of its main process) and become the program."""
    try:
        syscalls.setns(container, _POD_NAMESPACES | syscalls.CLONE_NEWNS)
        _execute(process, descriptors)
    except (OSError, NotExecutable) as error:
        _give_up(status, error)


def run_tool(argv: tuple[str, ...], descriptors: tuple[int, ...], status: int) -> NoReturn:
    """Become a program of this machine, as we are."""
    try:
        _take_over(descriptors)
        _exec(argv, {"PATH": _DEFAULT_PATH, "LC_ALL": "C"})
    except (OSError, NotExecutable) as error:
        _give_up(status, error)


def _give_up(status: int, error: Exception) -> NoReturn:
    text = syscalls.explain(error) if isinstance(error, OSError) else str(error)
    os.write(status, text.encode()[:4096])
    os._exit(127)


def _execute(process: Process, descriptors: tuple[int, ...]) -> NoReturn:
    os.setsid()
    _take_over(descriptors)
    if process.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    syscalls.become(process.uid, process.gid, frozenset(process.capabilities))
    if process.no_new_privileges:
        syscalls.forbid_new_privileges()
    os.umask(0o022)
    try:
        os.chdir(process.cwd)
    except OSError as error:
        raise NotExecutable(f'chdir to cwd ("{process.cwd}"): {error.strerror}') from None
    _exec(process.argv, dict(process.env))


def _take_over(descriptors: tuple[int, ...]) -> None:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for kind in _DEFAULT_SIGNALS:
        signal.signal(kind, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _exec(argv: tuple[str, ...], env: dict[str, str]) -> NoReturn:
    program = _find(argv[0], env.get("PATH", _DEFAULT_PATH))
    try:
        os.execve(program, argv, env)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno == errno.ENOENT:  # it is there, so it is what the first line names that is not
            reason = "no such file or directory (the interpreter that its first line names)"
        raise NotExecutable(f'exec: "{argv[0]}": {reason}') from None


def _find(name: str, path: str) -> str:
    """The program as a path, in the words of Go's exec package where there is none."""
    candidates = [name] if "/" in name else [f"{directory or '.'}/{name}" for directory in path.split(":")]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    if "/" not in name:
        raise NotExecutable(f'exec: "{name}": executable file not found in $PATH')
    if os.path.isdir(name):
        raise NotExecutable(f'exec: "{name}": is a directory')
    if os.path.exists(name):
        raise NotExecutable(f'exec: "{name}": permission denied')
    raise NotExecutable(f'exec: "{name}": stat {name}: no such file or directory')
