"""What a mesh leaves on the machine: processes, namespaces, links, rules and mounts, known by its supervisor."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

_KINDS = ("net", "mnt", "pid", "uts", "ipc")


class Process(msgspec.Struct, frozen=True):
    """A process for as long as it lives: a number alone is used again."""

    pid: int
    started: int


class Host(msgspec.Struct, frozen=True):
    """What a mesh must not change: links, netfilter rules and mounts of the machine itself."""

    links: frozenset[str]
    rules: str
    mounts: frozenset[str]


class Traces(msgspec.Struct, frozen=True):
    """Processes of one mesh, and the namespaces that they alone are in."""

    processes: frozenset[Process]
    namespaces: frozenset[str]

    def left(self) -> list[str]:
        """What of it is still there."""
        alive = sorted(process.pid for process in self.processes if _is_alive(process))
        # Numbers of namespaces are used again, but only by processes that start when the first bearers are gone.
        latest = max(process.started for process in self.processes)
        held = frozenset().union(*(_namespaces_of(p.pid) for p, _ in _processes() if p.started <= latest))
        return [*(f"process {pid} ({_name(pid)})" for pid in alive), *sorted(held & self.namespaces)]


def traces_of(supervisor: int) -> Traces:
    """The supervisor and all that descends from it."""
    parents = {process.pid: parent for process, parent in _processes()}
    started = {process.pid: process for process, _ in _processes()}
    ours = {supervisor}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    namespaces = frozenset().union(*(_namespaces_of(pid) for pid in ours)) - _namespaces_of(os.getpid())
    return Traces(frozenset(started[pid] for pid in ours if pid in started), namespaces)


def host(state: Path) -> Host:
    """The machine as it is now; of its mounts those that have to do with a state directory."""
    links = frozenset(path.name for path in Path("/sys/class/net").iterdir())
    rules = subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return Host(links, rules, frozenset(line for line in mounts if str(state) in line))


def _processes() -> Iterator[tuple[Process, int]]:
    """Every process that is not a zombie, with its parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (found := _stat(int(entry.name))) is not None:
            yield found


def _stat(pid: int) -> tuple[Process, int] | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (Process(pid, int(fields[19])), int(fields[1]))


def _is_alive(process: Process) -> bool:
    found = _stat(process.pid)
    return found is not None and found[0] == process


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _namespaces_of(pid: int) -> frozenset[str]:
    """Such as `net:[4026531840]`: the namespaces that a process is in, and those that it holds open."""
    found = set()
    for path in (*(Path(f"/proc/{pid}/ns") / kind for kind in _KINDS), *_open_files(pid)):
        try:
            target = str(path.readlink())
        except OSError:
            continue
        if target.partition(":")[0] in _KINDS:
            found.add(target)
    return frozenset(found)


def _open_files(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return []
