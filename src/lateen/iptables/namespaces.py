"""Where a node's CNI plug-in works: in the network namespace of a pod, with mounts that only this process sees."""

import os

from lateen.iptables.errors import ApplyError, ConfigurationError

OWN_NETWORK = "/proc/self/ns/net"

_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_XTABLES_LOCK = "/run/xtables.lock"


def enter_network(path: str) -> None:
    """Moves this process, and what it starts from now on, into the network namespace.

    Raises `ConfigurationError` when the path is not one, `ApplyError` when entering it is not allowed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"--network-namespace {path}: {error.strerror}") from None
    try:
        _call("setns", descriptor, _CLONE_NEWNET)
    except PermissionError:
        raise ApplyError(f"--network-namespace {path}: entering it needs SYS_ADMIN, so run as root") from None
    except OSError:
        raise ConfigurationError(f"--network-namespace {path}: expected the file of a network namespace") from None
    finally:
        os.close(descriptor)


def enclose_xtables(lock_file: str) -> None:
    """Gives this process mounts of its own, in which iptables asks no network for names and locks one pod only.

    iptables before 1.8.6 knows no variable for its lock, so the file is mounted where it looks. Raises `OSError`.
    """
    lock = os.open(lock_file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", _CLONE_NEWNS)
        _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
        _bind("/dev/null", "/etc/nsswitch.conf")
        os.close(os.open(_XTABLES_LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _bind(f"/proc/self/fd/{lock}", _XTABLES_LOCK)
    finally:
        os.close(lock)


def _bind(source: str, target: str) -> None:
    try:
        _call("mount", source.encode(), target.encode(), None, _MS_BIND, None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None


def _call(name: str, *arguments: object) -> None:
    # Imported here: only a CNI plug-in comes this way, and every pod pays for what is loaded.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*map(_word, arguments)) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def _word(argument: object) -> object:
    import ctypes

    return ctypes.c_ulong(argument) if isinstance(argument, int) else ctypes.c_char_p(argument)  # type: ignore[arg-type] # bytes
