"""The user namespace that the mesh of an ordinary user lives in: made before anything else is, so that all is in it.

The user is root there, over what is made there and nothing else. Other ids are the user's subordinate ids, mapped by
the setuid helpers of the package uidmap; where those lack there are none.
"""

import errno
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lateen.local_runtime.errors import PreflightError
from lateen.local_runtime.sandbox import syscalls
from lateen.local_runtime.subordinate_ids import ENOUGH, Grants, Ranges
from lateen.local_runtime.users import ROOT, Users

HELPERS: Final = ("newgidmap", "newuidmap")
_GRANTS: Final = (Path("/etc/subgid"), Path("/etc/subuid"))
_SETTINGS: Final = Path("/proc/sys")
_FORBIDDING: Final = {
    "user/max_user_namespaces": ("0", "15000"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
}
"""Settings: the value that forbids user namespaces to ordinary users, and one that does not."""


def enter() -> Users:
    """Go into a user namespace, unless we are root; call it while there is one thread. Raises `PreflightError`."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return ROOT
    name = _user_name(uid)
    groups, users = (Grants(file.read_text() if file.exists() else "") for file in _GRANTS)
    granted = groups.of(name, uid), users.of(name, uid)
    count = min(sum(count for _, count in ranges) for ranges in granted)
    hint = _lacking(name, count, max(groups.end, users.end))
    mapping = None if hint else _Mapping([_command(*each) for each in zip(HELPERS, granted, (gid, uid), strict=True)])
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
    except OSError as error:
        raise PreflightError(obstacle(error)) from None
    if mapping is not None and not (hint := mapping.carry_out()):
        return Users(1 + count)
    _map_oneself(uid, gid)
    return Users(1, hint=hint)


def obstacle(error: OSError) -> str:
    """Why there can be no user namespace, or nothing can be done in it, and what would change that."""
    for path, (forbidding, allowing) in _FORBIDDING.items():
        setting = _SETTINGS / path
        if setting.exists() and setting.read_text().strip() == forbidding:
            name = path.replace("/", ".")
            return (
                f"{name} is {forbidding}, so ordinary users can make no namespaces: "
                f"as root, sysctl -w {name}={allowing}; or run it with sudo"
            )
    match error.errno:
        case errno.ENOSPC | errno.EUSERS:
            return "as many user namespaces are in use as user.max_user_namespaces allows: run it with sudo"
        case errno.EPERM if "Seccomp:\t2" in Path("/proc/self/status").read_text():
            return "a seccomp filter forbids user namespaces here (a container?): run it privileged, or with sudo"
        case errno.EINVAL | errno.ENOSYS:
            return "this kernel was built without user namespaces: run it with sudo"
    return f"an ordinary user can make no namespaces here ({syscalls.explain(error)}): run it with sudo"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _lacking(name: str, granted: int, unused: int) -> str:
    """What has to be done before other users can be mapped; empty where nothing has."""
    steps = []
    if any(shutil.which(helper) is None for helper in HELPERS):
        steps.append("install uidmap, on Debian with: apt-get install uidmap")
    if granted < ENOUGH:
        ids = f"{unused}-{unused + ENOUGH - 1}"
        steps.append(f"as root, usermod --add-subuids {ids} --add-subgids {ids} {name}")
    return "; ".join(steps)


def _command(helper: str, ranges: Ranges, own: int) -> list[str]:
    """Map our own id to 0, and the granted ones to 1 and on."""
    numbers, inside = [os.getpid(), 0, own, 1], 1
    for first, count in ranges:
        numbers += [inside, first, count]
        inside += count
    return [helper, *map(str, numbers)]


class _Mapping:
    """A process that stays outside, where setuid programs have their power, and maps the ids of this one when told."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._connection, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._connection.close()
            try:
                if theirs.recv(1):
                    theirs.sendall(_run_all(commands).encode())
            finally:
                os._exit(0)
        theirs.close()

    def carry_out(self) -> str:
        """Have the ids mapped; what went wrong, or nothing."""
        with self._connection, self._connection.makefile("r") as answer:
            self._connection.sendall(b"!")
            problem = answer.read()
        os.waitpid(self._pid, 0)
        return problem


def _run_all(commands: Sequence[Sequence[str]]) -> str:
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip() or f"exit code {done.returncode}"
            return f"let {command[0]} do its work, which says: {said}"
    return ""


def _map_oneself(uid: int, gid: int) -> None:
    """What every user may do; groups that were mapped before one of the helpers failed stay so."""
    own = Path("/proc/self")
    try:
        if not (own / "gid_map").read_text():
            (own / "setgroups").write_text("deny")
            (own / "gid_map").write_text(f"0 {gid} 1")
        (own / "uid_map").write_text(f"0 {uid} 1")
    except OSError as error:
        raise PreflightError(obstacle(error)) from None
