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
from lateen.local_runtime.users import ROOT, Users

_ENOUGH: Final = 65536
_HELPERS: Final = ("newgidmap", "newuidmap")
_SUBORDINATE: Final = ("subgid", "subuid")
_FORBIDDING: Final = {
    "user/max_user_namespaces": ("0", "15000"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
}
"""Settings under /proc/sys: the value that forbids user namespaces, and one that does not."""

Ranges = Sequence[tuple[str, str]]
"""First id and number of ids."""


def enter() -> Users:
    """Go into a user namespace, unless we are root; call it while there is one thread. Raises `PreflightError`."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return ROOT
    name = _user_name(uid)
    groups, users = (_granted(Path("/etc") / file, name, uid) for file in _SUBORDINATE)
    hint = _lacking(name, min(_size(groups), _size(users)))
    mapping = None
    if not hint:
        own = ((groups, gid), (users, uid))
        mapping = _Mapping([_command(*each) for each in zip(_HELPERS, *zip(*own, strict=True), strict=True)])
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
    except OSError as error:
        raise PreflightError(obstacle(error)) from None
    if mapping is not None and not (hint := mapping.carry_out()):
        return Users(1 + min(_size(groups), _size(users)))
    _map_oneself(uid, gid)
    return Users(1, hint=hint)


def obstacle(error: OSError) -> str:
    """Why there can be no user namespace, or nothing can be done in it, and what would change that."""
    for path, (forbidding, allowing) in _FORBIDDING.items():
        setting = Path("/proc/sys") / path
        if setting.exists() and setting.read_text().strip() == forbidding:
            name = path.replace("/", ".")
            return (
                f"{name} is {forbidding}, so ordinary users can make no namespaces: "
                f"as root, sysctl -w {name}={allowing}; or run it with sudo"
            )
    match error.errno:
        case errno.ENOSPC | errno.EUSERS:
            return "as many user namespaces are in use as user.max_user_namespaces allows: run it with sudo"
        case errno.EPERM if _filtered():
            return "a seccomp filter forbids user namespaces here (a container?): run it privileged, or with sudo"
        case errno.EINVAL | errno.ENOSYS:
            return "this kernel was built without user namespaces: run it with sudo"
    return f"an ordinary user can make no namespaces here ({syscalls.explain(error)}): run it with sudo"


def _filtered() -> bool:
    return "Seccomp:\t2" in Path("/proc/self/status").read_text()


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _granted(file: Path, name: str, uid: int) -> Ranges:
    """The user's lines in /etc/subuid or /etc/subgid; `user:first:count`, where the user may be a number."""
    try:
        lines = [line.split(":") for line in file.read_text().splitlines()]
    except OSError:
        return ()
    return [(line[1], line[2].strip()) for line in lines if len(line) == 3 and line[0] in (name, str(uid))]


def _size(ranges: Ranges) -> int:
    return sum(int(count) for _, count in ranges if count.isdecimal())


def _lacking(name: str, granted: int) -> str:
    """What has to be done before other users can be mapped; empty where nothing has."""
    missing = [helper for helper in _HELPERS if shutil.which(helper) is None]
    steps = ["install uidmap, on Debian with: apt-get install uidmap"] if missing else []
    if granted < _ENOUGH:
        ids = "100000-165535"
        steps.append(
            f"as root, give {name} ids that nobody has: usermod --add-subuids {ids} --add-subgids {ids} {name}"
        )
    return "; ".join(steps)


def _command(helper: str, ranges: Ranges, own: int) -> list[str]:
    """Map our own id to 0, and the granted ones to 1 and on."""
    command, inside = [helper, str(os.getpid()), "0", str(own), "1"], 1
    for first, count in ranges:
        command += [str(inside), first, count]
        inside += int(count)
    return command


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
            return f"mend {command[0]}, which says: {done.stderr.strip() or f'exit code {done.returncode}'}"
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
