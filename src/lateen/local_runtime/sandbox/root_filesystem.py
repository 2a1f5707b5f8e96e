"""The root a container sees, as a plan: which directories, links, files and mounts, in which order.

The root is a tree of small nodes. It starts with the system's directories shown as they are; a mount that belongs
inside one of them, at a path the host does not have, opens it: the directory becomes one of ours whose entries are
shown one by one. So /opt/ibm/wlp/output or /usr/share/site can be mounted whatever the host has there.

Nothing is written here; the host is only looked at, through `Host`. `root_steps.py` carries the plan out.
"""

# one name a line would fill a page
# ruff: noqa: SIM905

import os
import stat
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Final, Protocol, assert_never

import msgspec

from lateen.local_runtime.errors import StartError
from lateen.local_runtime.sandbox import syscalls
from lateen.local_runtime.sandbox.root_steps import (
    Bind,
    BindInside,
    FreezeSystem,
    MakeDirectory,
    MakeLink,
    MakeMountpoint,
    MountSpecial,
    ProtectKernel,
    ProtectMount,
    Step,
    WriteFile,
)

_MAX_LINKS: Final = 40
_NEVER_SHOWN: Final = (Path("/"), Path("/usr"), Path("/root"), Path("/home"))
_USERS: Final = {
    "/etc/passwd": ("app:x:1000:1000::/tmp:/bin/sh", "istio-proxy:x:1337:1337::/tmp:/bin/sh"),
    "/etc/group": ("app:x:1000:", "istio-proxy:x:1337:"),
}
_SYSTEM: Final = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix")
_ETC: Final = (
    "alternatives bash.bashrc ca-certificates ca-certificates.conf debian_version ethertypes fonts gai.conf host.conf "
    "inputrc iproute2 java-11-openjdk java-17-openjdk java-21-openjdk ld.so.cache ld.so.conf ld.so.conf.d locale.alias "
    "localtime magic mime.types nsswitch.conf os-release perl pki profile protocols python3 rpc services shells ssl "
    "terminfo timezone xattr.conf"
).split()
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    "dev/ptmx": "pts/ptmx",
    "var/run": "/run",
    "var/lock": "/run/lock",
    "etc/mtab": "/proc/self/mounts",
}
_DIRECTORIES: Final = (
    *"dev dev/pts dev/shm etc home media mnt opt proc run run/lock srv sys".split(),
    *"var var/cache var/lib var/log var/spool".split(),
)
_SPECIAL: Final = (
    MountSpecial("proc", "proc", "", False),
    MountSpecial("sysfs", "sys", "", True),
    MountSpecial("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=0620", False),
    MountSpecial("tmpfs", "dev/shm", "mode=1777,size=256m", False),
)


class Kind(Enum):
    """What is found at a path of the host, links not followed; sockets and devices count as files."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"


class Host(Protocol):
    """What the plan asks of the host's file system."""

    def kind(self, path: str) -> Kind | None:
        """What is there; None if nothing is."""
        ...

    def resolve(self, path: str) -> str:
        """The same path without links, as far as it exists."""
        ...

    def target(self, path: str) -> str:
        """Where a link points."""
        ...

    def entries(self, path: str) -> list[str]:
        """The names in a directory."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a small file; empty where there is none."""
        ...

    def kind_inside(self, directory: str, path: str) -> Kind | None:
        """What is at a path inside a directory, links followed. Raises `OSError` for one that leads out of it."""
        ...


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A directory, file or unix socket of the host seen in a container at `target`.

    `target` is an absolute path of the container; it is made where it is missing. With `inside`, a relative path, what
    is seen is that part of the directory `source`, which containers may write: links in it that lead out of it are
    refused, and a directory is made where nothing is.
    """

    source: Path
    target: str
    inside: str = ""
    read_only: bool = False


class _Directory:
    def __init__(self, mode: int = 0o755) -> None:
        self.mode = mode
        self.children: dict[str, _Node] = {}


class _Link(msgspec.Struct, frozen=True):
    target: str


class _File(msgspec.Struct, frozen=True):
    content: bytes


class _Bound:
    """Something of the host. What belongs to the system may be opened; a volume never is: it is written through."""

    def __init__(self, source: str, kind: Kind, *, system: bool, read_only: bool, inside: str = "") -> None:
        self.source = source
        self.inside = inside
        self.kind = kind
        self.system = system
        self.read_only = read_only
        self.over: dict[Parts, _Bound] = {}  # what is mounted on paths inside it


Parts = tuple[str, ...]
_Node = _Directory | _Link | _File | _Bound


class RootFilesystem:
    """The root of one container, while it is being planned."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._root = _Directory()
        for name in _DIRECTORIES:
            self._insert(_parts(f"/{name}"), _Directory())
        for name, mode in (("/tmp", 0o1777), ("/var/tmp", 0o1777), ("/root", 0o755)):
            self._insert(_parts(name), _Directory(mode))
        for path, target in _LINKS.items():
            self._insert(_parts(f"/{path}"), _Link(target))
        for path in _system_paths(host):
            self._show_system(path)
        for path, entries in _USERS.items():
            self.add_file(path, _with_entries(host.read(path), entries))

    def add_file(self, path: str, content: bytes) -> None:
        """Put a small file at an absolute path, in place of whatever is there."""
        self._insert(_parts(path), _File(content))

    def add_directory(self, path: str) -> None:
        """Make sure that there is a directory at an absolute path; not inside a volume."""
        if path != "/":
            self._insert(_parts(path), _Directory())

    def mount(self, mount: Mount) -> None:
        """Mount a volume; one that belongs inside another is given after it."""
        source = str(mount.source)
        kind = self._host.kind(self._host.resolve(source))
        if kind is None:
            raise StartError(f"mount at {mount.target}: its source {source} does not exist")
        if mount.inside:
            kind = self._kind_inside(mount)
        bound = _Bound(source, kind, system=False, read_only=mount.read_only, inside=mount.inside)
        self._insert(_parts(mount.target), bound)

    def _kind_inside(self, mount: Mount) -> Kind:
        try:
            return self._host.kind_inside(str(mount.source), mount.inside) or Kind.DIRECTORY
        except OSError as error:
            raise StartError(f"mount at {mount.target}: subPath {mount.inside}: {error.strerror}") from None

    def show(self, path: Path) -> None:
        """Show a file or directory of the host at its own path, read-only; nothing happens if there is none."""
        kind = self._host.kind(self._host.resolve(str(path)))
        if kind is not None:
            self._insert(_parts(str(path)), _Bound(str(path), kind, system=True, read_only=True))

    def steps(self, *, read_only: bool, privileged_user: bool) -> tuple[Step, ...]:
        """What is to be done, in order. `privileged_user`: the container runs as root, so /proc is protected."""
        return (
            *_system_steps(self._root, ""),
            FreezeSystem(),
            *(Bind(f"/dev/{name}", f"dev/{name}", False, False) for name in _DEVICES),
            *_SPECIAL,
            *((ProtectKernel(),) if privileged_user else ()),
            *_volume_steps(self._root, ""),
            *((ProtectMount("."),) if read_only else ()),
        )

    def _show_system(self, path: str) -> None:
        match self._host.kind(path):
            case None:
                return
            case Kind.LINK:
                self._insert(_parts(path), _Link(self._host.target(path)))
            case Kind.DIRECTORY | Kind.FILE as kind:
                self._insert(_parts(path), _Bound(path, kind, system=True, read_only=True))

    def _insert(self, parts: Parts, node: _Node, links: int = 0) -> None:
        """Put a node at a path, following links and opening what is in the way."""
        where = self._root
        for position, name in enumerate(parts):
            above, rest = parts[:position], parts[position + 1 :]
            child = where.children.get(name)
            if isinstance(child, _Link) and (rest or isinstance(node, _Directory | _Bound)):
                if links == _MAX_LINKS:
                    raise StartError(f"mount at /{'/'.join(parts)}: too many links on the way")
                self._insert(_follow(above, child.target, rest), node, links + 1)
                return
            if not rest:
                where.children[name] = self._combine(child, node)
                return
            if isinstance(child, _Bound) and self._mounted_over(child, rest, node):
                return
            where = self._enter(where, parts[: position + 1], child)

    def _enter(self, where: _Directory, parts: Parts, child: _Node | None) -> _Directory:
        """The directory for the next name of a path: there already, made, or opened."""
        match child:
            case _Directory():
                return child
            case None:
                made = where.children[parts[-1]] = _Directory()
                return made
            case _Bound(kind=Kind.DIRECTORY):
                opened = where.children[parts[-1]] = self._open(child)
                for path, inner in child.over.items():
                    self._insert((*parts, *path), inner)
                return opened
            case _Bound() | _File() | _Link():
                raise StartError(f"mount below /{'/'.join(parts)}: that is a file")
            case _:
                assert_never(child)

    def _combine(self, there: _Node | None, node: _Node) -> _Node:
        """What stands at a path when a node is put where another one is."""
        match node:
            case _Directory() if isinstance(there, _Directory | _Bound):
                return there
            case _Bound(system=True) if isinstance(there, _Directory) and there.children:
                opened = self._open(node)
                opened.children.update(there.children)
                return opened
            case _Bound(system=True) if isinstance(there, _Bound) and there.system:
                return there
        return node

    def _mounted_over(self, bound: _Bound, rest: Parts, node: _Node) -> bool:
        """Mount a node on a path inside what is bound, if that can be done without opening it."""
        for path, inner in bound.over.items():
            if rest[: len(path)] == path and len(rest) > len(path):
                return self._mounted_over(inner, rest[len(path) :], node)
        inside = f"{bound.source}/{'/'.join(rest)}"
        if isinstance(node, _Bound):
            if bound.system and node.system and inside == node.source:
                return True  # seen already
            if not bound.system or (self._plain(bound, rest) and self._host.kind(inside) is node.kind):
                bound.over[rest] = node
                return True
            return False
        return not bound.system or (isinstance(node, _Directory) and self._host.kind(inside) is Kind.DIRECTORY)

    def _plain(self, bound: _Bound, rest: Parts) -> bool:
        """Whether no link is on the way."""
        paths = (f"{bound.source}/{'/'.join(rest[: end + 1])}" for end in range(len(rest)))
        return all(self._host.kind(path) is not Kind.LINK for path in paths)

    def _open(self, bound: _Bound) -> _Directory:
        """The same directory as one of ours: its entries, one by one."""
        opened = _Directory()
        for name in self._host.entries(bound.source):
            source = f"{bound.source}/{name}"
            kind = self._host.kind(source)
            if kind is Kind.LINK:
                opened.children[name] = _Link(self._host.target(source))
            elif kind is not None:
                opened.children[name] = _Bound(source, kind, system=True, read_only=True)
        return opened


def _system_paths(host: Host) -> Iterator[str]:
    yield from (f"/{name}" for name in _SYSTEM)
    yield from (f"/etc/{name}" for name in _ETC)
    if host.kind("/opt") is Kind.DIRECTORY:
        yield from (f"/opt/{name}" for name in sorted(host.entries("/opt")))


def _system_steps(directory: _Directory, prefix: str) -> Iterator[Step]:
    """Directories, links, files, what is shown of the system, and places for the volumes."""
    for name, node in directory.children.items():
        path = f"{prefix}{name}"
        match node:
            case _Directory():
                yield MakeDirectory(path, node.mode)
                yield from _system_steps(node, f"{path}/")
            case _Link(target):
                yield MakeLink(path, target)
            case _File(content):
                yield WriteFile(path, content)
            case _Bound(system=True):
                yield Bind(node.source, path, node.kind is Kind.DIRECTORY, False)
            case _Bound():
                if node.kind is Kind.DIRECTORY:
                    yield MakeDirectory(path, 0o755)
            case _:
                assert_never(node)


def _volume_steps(directory: _Directory, prefix: str) -> Iterator[Step]:
    for name, node in directory.children.items():
        path = f"{prefix}{name}"
        if isinstance(node, _Directory):
            yield from _volume_steps(node, f"{path}/")
        elif isinstance(node, _Bound):
            if not node.system:
                yield _bind(node, path)
            yield from _steps_over(node, path)


def _steps_over(bound: _Bound, path: str) -> Iterator[Step]:
    for parts, node in bound.over.items():
        rest, directory = "/".join(parts), node.kind is Kind.DIRECTORY
        if not bound.system:
            yield MakeMountpoint(bound.source, f"{bound.inside}/{rest}" if bound.inside else rest, directory)
        yield _bind(node, f"{path}/{rest}")
        yield from _steps_over(node, f"{path}/{rest}")


def _bind(node: _Bound, path: str) -> Step:
    directory = node.kind is Kind.DIRECTORY
    if node.inside:
        return BindInside(node.source, node.inside, path, directory, node.read_only)
    return Bind(node.source, path, directory, node.read_only)


def _parts(path: str) -> Parts:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or len(pure.parts) == 1:
        raise StartError(f"mount at {path!r}: give an absolute path below / without '..'")
    return pure.parts[1:]


def _follow(above: Parts, target: str, rest: Parts) -> Parts:
    """The path that is meant when the entry after `above` is a link."""
    joined = os.path.normpath("/".join(("", *above, target) if not target.startswith("/") else (target,)))
    return (*(part for part in joined.split("/") if part), *rest)


def _with_entries(text: bytes, entries: tuple[str, ...]) -> bytes:
    """A passwd or group file with entries for the numbers that it has no name for."""
    lines = text.decode(errors="surrogateescape").splitlines()
    numbers = {line.split(":")[2] for line in lines if line.count(":") > 1}
    lines += [entry for entry in entries if entry.split(":")[2] not in numbers]
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


class ThisHost:
    """The file system of this machine."""

    def kind(self, path: str) -> Kind | None:
        """As lstat sees it; what cannot be reached counts as absent."""
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            return None
        if stat.S_ISLNK(mode):
            return Kind.LINK
        return Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.FILE

    def resolve(self, path: str) -> str:
        """As realpath gives it."""
        return os.path.realpath(path)

    def target(self, path: str) -> str:
        """As readlink gives it."""
        return os.readlink(path)  # noqa: PTH115 the text is wanted, not a path

    def entries(self, path: str) -> list[str]:
        """Unordered."""
        return os.listdir(path)  # noqa: PTH208 names, not paths

    def kind_inside(self, directory: str, path: str) -> Kind | None:
        """As the kernel finds it when told to stay inside."""
        try:
            found = syscalls.open_inside(directory, path)
        except FileNotFoundError:
            return None
        try:
            return Kind.DIRECTORY if stat.S_ISDIR(os.fstat(found).st_mode) else Kind.FILE
        finally:
            os.close(found)

    def read(self, path: str) -> bytes:
        """The whole file."""
        try:
            return Path(path).read_bytes()
        except OSError:
            return b""


def runtime_directories() -> tuple[Path, ...]:
    """What a container needs to run this very interpreter and package: wherever they are installed."""
    package = Path(__file__).resolve().parents[2]
    found = [Path(sys.prefix), Path(sys.base_prefix), package]
    hop = Path(sys.executable)
    for _ in range(_MAX_LINKS):
        if not hop.is_symlink():
            break
        hop = Path(os.path.normpath(hop.parent / hop.readlink()))
        if hop.parent.name == "bin" and hop.parent.parent != hop.parent:
            found.append(hop.parent.parent)
    found += [path.resolve() for path in found]
    unique = sorted({path for path in found if path not in _NEVER_SHOWN})
    return tuple(unique)
