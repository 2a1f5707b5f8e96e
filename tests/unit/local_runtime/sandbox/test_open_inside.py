"""Parts of volumes that containers write to: the kernel is told to stay inside."""

import os

import pytest

from lateen.local_runtime.errors import StartError
from lateen.local_runtime.sandbox.root_filesystem import Mount, RootFilesystem, ThisHost
from lateen.local_runtime.sandbox.root_steps import BindInside
from lateen.local_runtime.sandbox.syscalls import CAPABILITIES, become, open_inside


def test_links_that_stay_inside_are_followed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    (tmp_path / "link").symlink_to("a")
    found = open_inside(str(tmp_path), "link/file")
    assert os.path.samestat(os.fstat(found), (tmp_path / "a/file").stat())
    os.close(found)


@pytest.mark.parametrize("target", ["/", "/etc", "..", "../.."])
def test_links_that_lead_out_are_refused(tmp_path, target):
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(OSError, match="it leads out of its volume"):
        open_inside(str(tmp_path), "out")
    root = RootFilesystem(ThisHost())
    with pytest.raises(StartError, match="mount at /x: subPath out: it leads out of its volume"):
        root.mount(Mount(source=tmp_path, inside="out", target="/x"))


def test_a_part_is_bound_by_what_it_is_and_a_missing_one_is_a_directory(tmp_path):
    (tmp_path / "file").touch()
    root = RootFilesystem(ThisHost())
    root.mount(Mount(source=tmp_path, inside="file", target="/f"))
    root.mount(Mount(source=tmp_path, inside="new/one", target="/d", read_only=True))
    steps = [step for step in root.steps(read_only=False, privileged_user=False) if isinstance(step, BindInside)]
    assert steps == [
        BindInside(str(tmp_path), "file", "f", False, False),
        BindInside(str(tmp_path), "new/one", "d", True, True),
    ]


def test_a_capability_that_is_not_ours_to_give_is_named(monkeypatch):
    monkeypatch.setattr("lateen.local_runtime.sandbox.syscalls._permitted", lambda: frozenset({0}))
    with pytest.raises(PermissionError, match="capabilities that lateen itself lacks here: NET_ADMIN, SYS_RESOURCE"):
        become(0, 0, frozenset({0, CAPABILITIES.index("NET_ADMIN"), CAPABILITIES.index("SYS_RESOURCE")}))
