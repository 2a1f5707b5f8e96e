"""One mesh at a time: the lock of a state directory."""

import os
from pathlib import Path

import pytest

from lateen.local_runtime.state_directory import AlreadyRunning, OfAnotherUser, StateDirectory


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


@pytest.mark.parametrize(
    ("uid", "runtime", "expected"),
    [
        (0, "/run/user/0", "/run/lateen"),
        (1000, "/run/user/1000", "/run/user/1000/lateen"),
        (1000, "", "/tmp/lateen-1000"),
    ],
)
def test_each_user_has_a_place(monkeypatch: pytest.MonkeyPatch, uid: int, runtime: str, expected: str) -> None:
    monkeypatch.delenv("LATEEN_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert StateDirectory.default().root == Path(expected)


def test_a_place_that_another_user_made_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.check_owner()
    theirs = os.stat_result((0o40700, 0, 0, 1, 1001, 0, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "lstat", lambda _: theirs)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OfAnotherUser, match=r"belongs to another user \(uid 1001\)"):
        state.check_owner()
    for permitted in (0, 1001):
        monkeypatch.setattr(os, "geteuid", lambda uid=permitted: uid)
        state.check_owner()


def test_a_place_that_is_not_there_is_nobodys(tmp_path: Path) -> None:
    StateDirectory(tmp_path / "nothing").check_owner()


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
