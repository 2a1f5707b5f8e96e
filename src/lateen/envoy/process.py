"""Running Envoy as a child: its arguments, its user, and a life that ends with ours.

Nothing here needs an event loop: the agent starts Envoy before it loads one, and both come up side by side.
"""

import ctypes
import os
import signal
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from lateen.envoy.errors import StartFailed

LOG_FORMAT = "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t"
LOG_FORMAT_JSON = '{"time":"%Y-%m-%dT%T.%fZ","level":"%l","scope":"envoy %n","msg":"%j","caller":"%g:%#","thread":"%t"}'

_PR_SET_PDEATHSIG = 1


class EnvoyOptions(NamedTuple):
    """Envoy's command line, as far as it varies."""

    config_path: str
    drain_seconds: int = 45
    concurrency: int | None = None
    """Worker threads; None leaves the choice to Envoy, which takes one per CPU."""
    log_level: str = "warning"
    component_log_level: str = "misc:error"
    log_as_json: bool = False
    ipv6_only: bool = False
    file_flush_milliseconds: int = 500
    """How late a line of an access log may be."""
    override_yaml: str | None = None
    """YAML or JSON that Envoy merges over the bootstrap."""


def arguments(options: EnvoyOptions) -> list[str]:
    """Envoy's arguments, without the program's name.

    Hot restart is off: it would share memory with every other sidecar of the machine and tie Envoy to the thread that
    started it.
    """
    # Istio routes carry fields that Envoy calls deprecated; it would warn of each.
    result = ["-c", options.config_path, "--disable-hot-restart", "--skip-deprecated-logs"]
    result += ["--drain-time-s", str(options.drain_seconds), "--drain-strategy", "immediate"]
    result += ["--local-address-ip-version", "v6" if options.ipv6_only else "v4"]
    result += ["--file-flush-interval-msec", str(options.file_flush_milliseconds)]
    result += ["-l", options.log_level]
    if options.component_log_level:
        result += ["--component-log-level", options.component_log_level]
    result += ["--log-format", LOG_FORMAT_JSON if options.log_as_json else LOG_FORMAT]
    if options.concurrency is not None:
        result += ["--concurrency", str(options.concurrency)]
    if options.override_yaml is not None:
        result += ["--config-yaml", options.override_yaml]
    return result


class EnvoyProcess:
    """A running Envoy, child of this process. `pidfd` becomes readable when it ends; then `reap` gives its code."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self._exit_code: int | None = None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens when the process has ended, and never to another of the same number."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass

    def reap(self) -> int:
        """Waits for the end; its exit code, or 128 + the number of the signal that ended it."""
        if self._exit_code is None:
            _, status = os.waitpid(self.pid, 0)
            os.close(self.pidfd)
            code = os.waitstatus_to_exitcode(status)
            self._exit_code = code if code >= 0 else 128 - code
        return self._exit_code

    def kill(self) -> None:
        """Ends it now, if it has not been reaped."""
        if self._exit_code is None:
            self.send(signal.SIGKILL)
            self.reap()


def start(binary: str, argv: Sequence[str], environ: Mapping[str, str], user: int | None) -> EnvoyProcess:
    """Executes Envoy, as `user` (uid and gid) if one is given, which takes a privileged caller.

    The child is in a process group of its own, so that a terminal's Ctrl-C reaches only us, and the kernel kills it
    when the calling thread ends: call this from the main thread. Raises `StartFailed`.
    """
    # Opened with our own rights: a binary below a directory that only root may enter starts under another user too.
    program: str | int = binary
    try:
        if user is not None:
            program = os.open(binary, os.O_PATH)
            _give_outputs_to(user)
        return _spawn(program, binary, argv, environ, user)
    except OSError as error:
        raise StartFailed(f"cannot start Envoy: {binary}: {error.strerror or error}") from error
    finally:
        if isinstance(program, int):
            os.close(program)


def _give_outputs_to(user: int) -> None:
    """Lets `user` open /dev/stdout and /dev/stderr, which access logs do, where they are pipes."""
    for descriptor in (1, 2):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.fchown(descriptor, user, user)
        except OSError:
            continue  # a closed descriptor: no access log goes there either


def _spawn(
    program: str | int, name: str, argv: Sequence[str], environ: Mapping[str, str], user: int | None
) -> EnvoyProcess:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()
    failed_read, failed_write = os.pipe()  # closed by a successful exec, else it brings the reason
    pid = os.fork()
    if pid == 0:
        _become_envoy(program, [name, *argv], environ, user, parent, prctl, failed_write)
    os.close(failed_write)
    with os.fdopen(failed_read, "rb") as reader:
        reason = reader.read()
    if reason:
        os.waitpid(pid, 0)
        raise OSError(int(reason), os.strerror(int(reason)))
    return EnvoyProcess(pid)


def _become_envoy(
    program: str | int,
    argv: list[str],
    environ: Mapping[str, str],
    user: int | None,
    parent: int,
    prctl: Callable[..., int],
    failed: int,
) -> NoReturn:
    try:
        os.setpgid(0, 0)
        if user is not None:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        # After the change of user, which clears it. The parent may have ended before it was set.
        if prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execve(program, argv, environ)
    except OSError as error:
        os.write(failed, str(error.errno or 0).encode())
    finally:
        os._exit(127)
