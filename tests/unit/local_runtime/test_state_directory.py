"""One mesh at a time: the lock of a state directory."""

import os
from pathlib import Path

import pytest

from lateen.local_runtime.state_directory import AlreadyRunning, StateDirectory


def test_the_second_is_told_who_is_first(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    lock = state.acquire()
    with pytest.raises(AlreadyRunning, match=f"already running .pid {os.getpid()}"):
        StateDirectory(state.root).acquire()
    assert state.holder() == os.getpid()
    lock.release()
    assert state.holder() == 0
    state.acquire().release()


def test_only_the_owner_may_enter(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.make()
    assert state.root.stat().st_mode & 0o777 == 0o700


def test_the_environment_may_name_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LATEEN_STATE_DIR", str(tmp_path))
    assert StateDirectory.default().api_socket == tmp_path / "api.sock"


def test_what_a_killed_mesh_leaves_is_swept_unless_one_runs(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.sweep_unless_held()
    assert not state.root.exists()
    lock = state.acquire()
    (state.pods / "web" / "volumes").mkdir(parents=True)
    state.mount_point.mkdir()
    state.log.touch()
    for socket in (state.api_socket, state.xds_socket):
        socket.touch()
    before = sorted(state.root.iterdir())
    state.sweep_unless_held()
    assert sorted(state.root.iterdir()) == before
    lock.release()  # as the kernel does it for a process that is killed
    state.sweep_unless_held()
    assert sorted(state.root.iterdir()) == [state.lock, state.log]
