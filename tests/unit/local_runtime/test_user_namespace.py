"""What an ordinary user is told where there can be no user namespace."""

import errno
from pathlib import Path

import pytest

from lateen.local_runtime import user_namespace


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_the_setting_that_forbids_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, value: str, advice: str
) -> None:
    monkeypatch.setattr(user_namespace, "_SETTINGS", tmp_path)
    file = tmp_path / setting
    file.parent.mkdir()
    file.write_text(f"{value}\n")
    told = user_namespace.obstacle(OSError(errno.EPERM, "no"))
    assert advice in told
    assert "sudo" in told
    file.write_text("7\n")
    assert advice not in user_namespace.obstacle(OSError(errno.EPERM, "no"))


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "as many user namespaces"), (errno.EINVAL, "built without"), (errno.EACCES, "sudo")],
)
def test_else_the_error_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, words: str) -> None:
    monkeypatch.setattr(user_namespace, "_SETTINGS", tmp_path)
    assert words in user_namespace.obstacle(OSError(number, "no"))
