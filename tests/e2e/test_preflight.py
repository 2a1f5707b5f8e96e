"""What preflight says on a machine that lacks something."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lateen.local_runtime import preflight
from lateen.local_runtime.errors import PreflightError
from lateen.local_runtime.sandbox import syscalls

pytestmark = pytest.mark.e2e


def found_after(change: Callable[[], object]) -> str:
    """The obstacles that a child process finds after a change to itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            change()
            os.write(writing, "\n".join(preflight.find_obstacles()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


def test_nothing_is_missing_here() -> None:
    preflight.check()


def test_an_ordinary_user_is_told_to_use_sudo() -> None:
    assert "run it with sudo" in found_after(lambda: os.setuid(1000))


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
        preflight.check()


def test_the_launcher_needs_no_site_packages() -> None:
    source = str(Path(preflight.__file__).parents[2])
    code = f"import sys; sys.path.append({source!r}); import lateen.local_runtime.sandbox.launcher_program"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
