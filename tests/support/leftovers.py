"""What is left of a mesh on the machine: processes, namespaces, and what the host's network has."""

import subprocess
import time
from pathlib import Path

KINDS = ("net", "mnt", "pid", "uts", "ipc", "user")

Namespaces = set[tuple[str, int]]


def alive(pid: int) -> bool:
    """Whether it runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def descendants(pid: int) -> set[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                parent = int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(process.name))
    found, left = set(), [pid]
    while left:
        one = left.pop()
        found.add(one)
        left += parents.get(one, [])
    return found


def namespaces_of(pid: int) -> Namespaces:
    """The namespaces a process lives in."""
    return {(kind, Path(f"/proc/{pid}/ns/{kind}").stat().st_ino) for kind in KINDS}


def namespaces() -> Namespaces:
    """Every namespace that a process on this machine lives in; one that waits to be reaped does not live."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and alive(int(process.name)):
            try:
                found |= namespaces_of(int(process.name))
            except OSError:
                continue
    return found


def wait_until_gone(pids: set[int], own: Namespaces) -> tuple[set[int], Namespaces]:
    """What is left of these after at most three seconds."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        left = {pid for pid in pids if alive(pid)}
        if not left and not own & namespaces():
            return set(), set()
        time.sleep(0.01)
    return left, own & namespaces()


def host_network() -> list[bytes]:
    """Links, routes and rules of the host."""
    commands = (["ip", "-o", "link"], ["ip", "route", "show", "table", "all"], ["nft", "list", "ruleset"])
    return [subprocess.run(command, capture_output=True, check=True).stdout for command in commands]
