"""The Linux calls that Python 3.11 does not offer, through ctypes; errors are OSError naming the call and its subject.

Used by the launcher and what it forks, so it imports next to nothing, and reads no symbol twice.
"""

# pathlib is an import that the launcher does without; one name a line would fill a page
# ruff: noqa: PTH123, SIM905

import ctypes
import errno
import os
import signal
import struct
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000

_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 1
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522

_PIVOT_ROOT = {"x86_64": 155}.get(os.uname().machine, 41)  # 41 is the number of every newer architecture
_MOUNT_SETATTR = 442
_OPENAT2 = 437
_CLONE = {"x86_64": 56}.get(os.uname().machine, 220)
_CLONE_PARENT = 0x00008000
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_BENEATH = 0x08

CAPABILITIES: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
"""Names without CAP_, in the order of their numbers."""

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_prctl_call = _libc.prctl
_mount_call = _libc.mount
_mount_call.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_setns_call = _libc.setns
_unshare_call = _libc.unshare
_umount_call = _libc.umount2
_fork_call = ctypes.PyDLL(None, use_errno=True).syscall  # unlike the others it keeps the interpreter's lock, for both
_fork_call.restype = ctypes.c_long


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def explain(error: OSError) -> str:
    """The error in words, with the file it is about."""
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def set_network(name: str, value: str) -> None:
    """Set what /proc/sys/net/<name> says of the network namespace that we are in."""
    with open(f"/proc/sys/net/{name}", "w") as file:
        file.write(value)


def setns(descriptor: int, kinds: int) -> None:
    """Enter the namespaces of `kinds` (CLONE_NEW*) of a namespace descriptor or a pidfd."""
    _check(_setns_call(descriptor, kinds), "setns")


def unshare(kinds: int) -> None:
    """New namespaces of `kinds` for this thread; a PID namespace is for the children it will have."""
    _check(_unshare_call(kinds), "unshare")


def fork_sibling() -> int:
    """Like os.fork, for a process of one thread, but the new process is a child of this one's parent."""
    pid = _fork_call(_CLONE, ctypes.c_ulong(_CLONE_PARENT | signal.SIGCHLD), *(ctypes.c_ulong(0) for _ in range(4)))
    _check(pid, "clone")
    return int(pid)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    result = _mount_call(os.fsencode(source), os.fsencode(target), kind.encode(), flags, options.encode())
    _check(result, f"mount {source} on {target}")


def make_mounts_private() -> None:
    """Nothing mounted from here on is seen outside of this mount namespace, nor the other way round."""
    mount("none", "/", "none", MS_REC | MS_PRIVATE)


def bind(source: str, target: str, *, read_only: bool) -> None:
    """Show a directory (with what is mounted below it) or a file at `target`."""
    mount(source, target, "none", MS_BIND | MS_REC)
    if read_only:
        make_read_only(target, recursive=True)


def make_read_only(target: str, *, recursive: bool) -> None:
    """Make a mount read-only, whatever its other flags are; needs Linux 5.12."""
    _set_mount_attributes(target, _AT_RECURSIVE if recursive else 0, add=_MOUNT_ATTR_RDONLY)


def make_writable(target: str) -> None:
    """Undo it for one mount; what is mounted below stays as it is."""
    _set_mount_attributes(target, 0, remove=_MOUNT_ATTR_RDONLY)


def _set_mount_attributes(target: str, flags: int, *, add: int = 0, remove: int = 0) -> None:
    attributes = struct.pack("QQQQ", add, remove, 0, 0)
    arguments = (_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), flags, attributes, ctypes.c_size_t(len(attributes)))
    _check(_syscall(*arguments), f"make {target} {'read-only' if add else 'writable'}")


def open_inside(directory: str, path: str) -> int:
    """A descriptor (O_PATH) of what is at a relative path; OSError if a link leads out of `directory`."""
    parent = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
        found = _syscall(_OPENAT2, parent, os.fsencode(path), how, ctypes.c_size_t(len(how)))
        number = ctypes.get_errno()
    finally:
        os.close(parent)
    if found < 0:
        raise OSError(number, "it leads out of its volume" if number == errno.EXDEV else os.strerror(number), path)
    return int(found)


def swap_root(new_root: str) -> None:
    """Make `new_root` (a mount point) the root of this mount namespace and let go of the old one."""
    os.chdir(new_root)
    _check(_syscall(_PIVOT_ROOT, b".", b"."), f"pivot_root {new_root}")
    _check(_umount_call(b".", _MNT_DETACH), "let go of the old root")
    os.chdir("/")


def _prctl(what: str, option: int, *arguments: int) -> None:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _check(_prctl_call(option, *(ctypes.c_ulong(argument) for argument in padded)), f"prctl {what}")


def die_with_parent() -> None:
    """SIGKILL for this process when the thread that forked it ends; the caller checks that it has not ended yet."""
    _prctl("PDEATHSIG", _PR_SET_PDEATHSIG, 9)


def forbid_inspection() -> None:
    """Nobody may ptrace this process or follow its /proc links without CAP_SYS_PTRACE."""
    _prctl("DUMPABLE", _PR_SET_DUMPABLE, 0)


def forbid_new_privileges() -> None:
    """No exec from here on gives more than this process has."""
    _prctl("NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def set_process_name(name: str) -> None:
    """What ps shows in its short form; at most 15 bytes are kept."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _check(_prctl_call(_PR_SET_NAME, buffer, 0, 0, 0), "prctl NAME")


def become(uid: int, gid: int, capabilities: frozenset[int]) -> None:
    """Become this user with no supplementary groups and exactly these capabilities, kept over exec.

    Raises `OSError` naming the capabilities that this process does not have itself.
    """
    lacking = capabilities - _permitted() if capabilities else frozenset()
    if lacking:
        names = ", ".join(
            CAPABILITIES[number] if number < len(CAPABILITIES) else str(number) for number in sorted(lacking)
        )
        raise OSError(errno.EPERM, f"the container asks for capabilities that lateen itself lacks here: {names}")
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for number in range(last + 1):
        if number not in capabilities:
            _prctl("CAPBSET_DROP", _PR_CAPBSET_DROP, number)
    if _may_set_groups():
        os.setgroups([])
    os.setresgid(gid, gid, gid)
    _prctl("KEEPCAPS", _PR_SET_KEEPCAPS, 1)
    os.setresuid(uid, uid, uid)
    _set_capabilities(capabilities)
    for number in capabilities:
        _prctl("CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def _may_set_groups() -> bool:
    """False in a user namespace that was made without privilege: groups may be denials there, so they stay."""
    with open("/proc/self/setgroups") as file:
        return file.read() != "deny\n"


def _permitted() -> frozenset[int]:
    with open("/proc/thread-self/status") as file:
        (mask,) = (int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))
    return frozenset(number for number in range(64) if mask >> number & 1)


def _set_capabilities(capabilities: frozenset[int]) -> None:
    mask = sum(1 << number for number in capabilities)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("6I", low, low, low, high, high, high)
    _check(_libc.capset(header, data), "capset")
