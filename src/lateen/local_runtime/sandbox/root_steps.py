"""How a container's root is laid out: a short list of steps, planned by `root_filesystem.py`, carried out here.

Paths of the new root are relative to it ("etc/hosts"); sources are absolute paths of the host. The steps run in a
mount namespace of their own, in the process that will be the container. Standard library only: the launcher imports it.
"""

# pathlib is an import that the launcher does without
# ruff: noqa: PTH102, PTH110, PTH211

import contextlib
import os
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, assert_never

from lateen.local_runtime.sandbox import syscalls

_ROOT_SIZE: Final = "size=1g,mode=755"


class MakeDirectory(NamedTuple):
    path: str
    mode: int


class MakeLink(NamedTuple):
    path: str
    target: str


class WriteFile(NamedTuple):
    path: str
    content: bytes


class MakeMountpoint(NamedTuple):
    """A directory (else an empty file) inside a directory of the host, for something to be mounted on.

    Links are not followed: a volume's content is a container's to write.
    """

    parent: str
    path: str
    directory: bool


class Bind(NamedTuple):
    """Show a file or directory of the host; what it goes onto is made unless it is there."""

    source: str
    path: str
    directory: bool
    read_only: bool


class BindInside(NamedTuple):
    """Show a part of a directory of the host that containers write to; it is made, as a directory, if it is missing.

    Links are followed as long as they stay inside. What was found is bound, not what its path means a moment later.
    """

    parent: str
    inside: str
    path: str
    directory: bool
    read_only: bool


class FreezeSystem(NamedTuple):
    """Make read-only whatever has been bound so far, at once: cheaper than one by one."""


class MountSpecial(NamedTuple):
    """A new file system of the kernel's: proc, sysfs, devpts or tmpfs."""

    kind: str
    path: str
    options: str
    read_only: bool


class ProtectMount(NamedTuple):
    """Make the part of the new root at `path` ("." is all of it, without what is mounted below) read-only."""

    path: str


class ProtectKernel(NamedTuple):
    """Hide or freeze what root without capabilities could use in /proc to reach beyond the pod."""


Step = (
    MakeDirectory
    | MakeLink
    | WriteFile
    | MakeMountpoint
    | Bind
    | BindInside
    | FreezeSystem
    | MountSpecial
    | ProtectMount
    | ProtectKernel
)

_CLASSES: Final = (
    MakeDirectory,
    MakeLink,
    WriteFile,
    MakeMountpoint,
    Bind,
    BindInside,
    FreezeSystem,
    MountSpecial,
    ProtectMount,
    ProtectKernel,
)
_INDEX: Final = {cls: index for index, cls in enumerate(_CLASSES)}
_FROZEN_IN_PROC: Final = ("sys", "irq", "bus", "fs", "sysrq-trigger", "acpi")
_HIDDEN_IN_PROC: Final = ("kcore", "keys", "timer_list", "kmsg")


def pack(steps: Iterable[Step]) -> tuple[tuple[Any, ...], ...]:
    """The steps as plain tuples, for a message."""
    return tuple((_INDEX[type(step)], *step) for step in steps)


def unpack(packed: tuple[Any, ...]) -> Step:
    """The step of a plain tuple."""
    index, *fields = packed
    return _CLASSES[index](*fields)


def lay_out(root: str, packed: Iterable[tuple[Any, ...]]) -> None:
    """Make `root`, an empty directory, the root of this process as the packed steps say.

    The caller has entered the pod's other namespaces and a mount namespace of its own.
    """
    syscalls.make_mounts_private()
    syscalls.mount("tmpfs", root, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, _ROOT_SIZE)
    os.chdir(root)
    os.umask(0)
    for step in packed:
        _carry_out(unpack(step))
    syscalls.swap_root(root)


def _carry_out(step: Step) -> None:
    match step:
        case MakeDirectory(path, mode):
            os.mkdir(path, mode)
        case MakeLink(path, target):
            os.symlink(target, path)
        case WriteFile(path, content):
            _write(path, content)
        case MakeMountpoint(parent, path, directory):
            _make_mountpoint(parent, path, directory)
        case Bind(source, path, directory, read_only):
            _bind(source, path, directory, read_only)
        case BindInside(parent, inside, path, directory, read_only):
            _bind(f"/proc/self/fd/{_open_inside(parent, inside)}", path, directory, read_only)
        case FreezeSystem():
            syscalls.make_read_only(".", recursive=True)
            syscalls.make_writable(".")
        case MountSpecial(kind, path, options, read_only):
            flags = syscalls.MS_NOSUID | (syscalls.MS_NOEXEC if kind != "tmpfs" else syscalls.MS_NODEV)
            syscalls.mount(kind, path, kind, flags | (syscalls.MS_RDONLY if read_only else 0), options)
        case ProtectMount(path):
            syscalls.make_read_only(path, recursive=False)
        case ProtectKernel():
            _protect_kernel()
        case _:
            assert_never(step)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _bind(source: str, path: str, directory: bool, read_only: bool) -> None:
    with contextlib.suppress(FileExistsError):
        if directory:
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    syscalls.bind(source, path, read_only=read_only)


def _open_inside(parent: str, inside: str) -> int:
    try:
        return syscalls.open_inside(parent, inside)
    except FileNotFoundError:
        _make_mountpoint(parent, inside, True)
        return syscalls.open_inside(parent, inside)


def _make_mountpoint(parent: str, path: str, directory: bool) -> None:
    """The descriptors are close-on-exec and the process is about to exec, so nothing is closed here."""
    *above, last = path.split("/")
    descriptor = os.open(parent, os.O_PATH | os.O_DIRECTORY)
    for name in above:
        descriptor = _enter(descriptor, name)
    if directory:
        _enter(descriptor, last)
    else:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(last, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=descriptor))


def _enter(parent: int, name: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=parent)
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _protect_kernel() -> None:
    for name in _FROZEN_IN_PROC:
        path = f"proc/{name}"
        if os.path.exists(path):
            syscalls.bind(path, path, read_only=True)
    for name in _HIDDEN_IN_PROC:
        path = f"proc/{name}"
        if os.path.exists(path):
            syscalls.bind("/dev/null", path, read_only=True)
