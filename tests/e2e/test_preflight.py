"""What preflight says on a machine that lacks something."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lateen.local_runtime import preflight, user_namespace
from lateen.local_runtime.errors import PreflightError
from lateen.local_runtime.sandbox import syscalls
from lateen.local_runtime.users import ROOT, Users

pytestmark = pytest.mark.e2e

PR_SET_DUMPABLE = 4
USER = 54321  # has no name and no subordinate ids


def found_after(change: Callable[[], Users | None]) -> str:
    """The obstacles that a child process finds after a change to itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            users = change() or ROOT
            os.write(writing, "\n".join(preflight.find_obstacles(users)).encode())
        except PreflightError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


def test_nothing_is_missing_here() -> None:
    preflight.check(ROOT)


def ordinary() -> None:
    """Become an ordinary user, whose /proc/self is its own as after an exec."""
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    assert ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0


def test_an_ordinary_user_needs_nothing_more() -> None:
    def enter() -> Users:
        ordinary()
        return user_namespace.enter()

    assert found_after(enter) == ""


def test_a_user_to_whom_a_setting_forbids_namespaces_is_told_which() -> None:
    mapped, unmapped = socket.socketpair()

    def forbid() -> Users:
        syscalls.unshare(syscalls.CLONE_NEWUSER)  # the setting is each user namespace's own
        unmapped.sendall(os.getpid().to_bytes(4, "little"))
        assert unmapped.recv(1)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        ordinary()
        return user_namespace.enter()

    def map_all() -> None:
        with mapped:
            pid = int.from_bytes(mapped.recv(4), "little")
            for name in ("gid_map", "uid_map"):
                Path(f"/proc/{pid}/{name}").write_text("0 0 65536")
            mapped.sendall(b"!")

    helper = threading.Thread(target=map_all)
    helper.start()
    found = found_after(forbid)
    helper.join()
    unmapped.close()
    assert "user.max_user_namespaces is 0" in found
    assert "sysctl -w user.max_user_namespaces=15000; or run it with sudo" in found


def test_a_hidden_proc_is_told_to_an_ordinary_user() -> None:
    def hide() -> Users:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.make_mounts_private()
        syscalls.bind("/dev/null", "/proc/timer_list", read_only=True)
        ordinary()
        return user_namespace.enter()

    assert "/proc cannot be mounted anew here" in found_after(hide)


def test_root_without_privileges_is_told() -> None:
    assert "not permitted here" in found_after(lambda: syscalls.become(0, 0, frozenset()))


def test_a_read_only_proc_is_told() -> None:
    def freeze() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.make_mounts_private()
        syscalls.bind("/proc/sys", "/proc/sys", read_only=True)

    assert "/proc/sys is read-only" in found_after(freeze)


def test_a_missing_tool_comes_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight, "_TOOL_PATH", str(tmp_path))
    with pytest.raises(PreflightError, match=r"nft is missing.*apt-get install nftables"):
        preflight.check(ROOT)


def test_the_launcher_needs_no_site_packages() -> None:
    source = str(Path(preflight.__file__).parents[2])
    code = f"import sys; sys.path.append({source!r}); import lateen.local_runtime.sandbox.launcher_program"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
