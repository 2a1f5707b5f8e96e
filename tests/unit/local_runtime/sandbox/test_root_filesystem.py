from pathlib import Path

import pytest

from lateen.local_runtime.errors import StartError
from lateen.local_runtime.sandbox import root_steps
from lateen.local_runtime.sandbox.root_filesystem import Kind, Mount, RootFilesystem
from lateen.local_runtime.sandbox.root_steps import (
    Bind,
    FreezeSystem,
    MakeDirectory,
    MakeLink,
    MakeMountpoint,
    ProtectKernel,
    ProtectMount,
    Step,
    WriteFile,
)

Tree = dict[str, object]
"""A directory; a str is a link, bytes a file."""


class PretendHost:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def _at(self, path: str) -> object:
        node: object = self._tree
        for part in path.strip("/").split("/"):
            if not isinstance(node, dict) or part not in node:
                return None
            node = node[part]
        return node

    def kind(self, path: str) -> Kind | None:
        kinds = {dict: Kind.DIRECTORY, str: Kind.LINK, bytes: Kind.FILE}
        found = self._at(path)
        return None if found is None else kinds[type(found)]

    def resolve(self, path: str) -> str:
        return path

    def target(self, path: str) -> str:
        found = self._at(path)
        assert isinstance(found, str)
        return found

    def entries(self, path: str) -> list[str]:
        found = self._at(path)
        assert isinstance(found, dict)
        return list(found)

    def read(self, path: str) -> bytes:
        found = self._at(path)
        return found if isinstance(found, bytes) else b""


HOST: Tree = {
    "usr": {"bin": {"sh": b""}, "share": {"doc": {}, "old": "doc"}, "lib": {}},
    "bin": "usr/bin",
    "etc": {"passwd": b"root:x:0:0::/root:/bin/sh\n", "shadow": b"secret", "ssl": {"certs": {}}, "hosts": b""},
    "opt": {"tool": {}},
    "root": {"project": {".venv": {}, "src": {}}},
    "volumes": {"data": {}, "more": {}, "file": b"", "socket": b""},
}


def plan(*mounts: Mount, files: dict[str, bytes] | None = None, show: tuple[str, ...] = ()) -> list[Step]:
    root = RootFilesystem(PretendHost(HOST))
    for path, content in (files or {}).items():
        root.add_file(path, content)
    for mount in mounts:
        root.mount(mount)
    for path in show:
        root.show(Path(path))
    return list(root.steps(read_only=False, privileged_user=False))


def volume(target: str, source: str = "/volumes/data", *, read_only: bool = False) -> Mount:
    return Mount(source=Path(source), target=target, read_only=read_only)


def binds(steps: list[Step]) -> dict[str, Bind]:
    return {step.path: step for step in steps if isinstance(step, Bind)}


def test_system_directories_are_shown_and_links_are_remade() -> None:
    steps = plan()
    assert Bind("/usr", "usr", True, False) in steps[: steps.index(FreezeSystem())]
    assert MakeLink("bin", "usr/bin") in steps
    assert binds(steps)["opt/tool"].source == "/opt/tool"


def test_secrets_of_the_host_are_not_there() -> None:
    steps = plan()
    assert not any(getattr(step, "path", "") in ("etc/shadow", "etc/hosts") for step in steps)


def test_the_two_users_of_a_pod_have_names() -> None:
    content = next(step.content for step in plan() if isinstance(step, WriteFile) and step.path == "etc/passwd")
    assert content.startswith(b"root:x:0:0::/root:/bin/sh\n")
    assert b":1000:1000:" in content
    assert b":1337:1337:" in content


def test_files_take_the_place_of_what_is_there() -> None:
    steps = plan(files={"/etc/hosts": b"mine", "/etc/ssl/extra": b"x"})
    assert WriteFile("etc/hosts", b"mine") in steps
    assert WriteFile("etc/ssl/extra", b"x") in steps
    assert binds(steps)["etc/ssl/certs"].source == "/etc/ssl/certs"


def test_a_volume_where_the_host_has_nothing() -> None:
    steps = plan(volume("/opt/ibm/wlp/output"))
    made = [step.path for step in steps if isinstance(step, MakeDirectory) and step.path.startswith("opt")]
    assert made == ["opt", "opt/ibm", "opt/ibm/wlp", "opt/ibm/wlp/output"]
    assert binds(steps)["opt/ibm/wlp/output"] == Bind("/volumes/data", "opt/ibm/wlp/output", True, False)


def test_volumes_come_after_the_system_is_read_only() -> None:
    steps = plan(volume("/data"))
    assert steps.index(Bind("/volumes/data", "data", True, False)) > steps.index(FreezeSystem())


def test_a_volume_on_an_existing_directory_leaves_the_system_whole() -> None:
    found = binds(plan(volume("/usr/share/doc")))
    assert found["usr"].source == "/usr"
    assert found["usr/share/doc"].source == "/volumes/data"


def test_a_volume_inside_a_system_directory_opens_it() -> None:
    steps = plan(volume("/usr/share/new/deep"))
    found = binds(steps)
    assert "usr" not in found
    assert found["usr/bin"].source == "/usr/bin"
    assert found["usr/share/doc"].source == "/usr/share/doc"
    assert MakeLink("usr/share/old", "doc") in steps
    assert found["usr/share/new/deep"].source == "/volumes/data"


def test_opening_keeps_what_was_mounted_before() -> None:
    found = binds(plan(volume("/usr/share/doc"), volume("/usr/share/new", "/volumes/more")))
    assert found["usr/share/doc"].source == "/volumes/data"
    assert found["usr/share/new"].source == "/volumes/more"


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/var/run/secrets/token", "run/secrets/token"),
        ("/bin/extra", "usr/bin/extra"),
        ("/usr/share/old", "usr/share/doc"),
    ],
)
def test_links_on_the_way_are_followed(target: str, place: str) -> None:
    assert binds(plan(volume(target)))[place].source == "/volumes/data"


def test_a_volume_in_a_volume_gets_its_place_there() -> None:
    steps = plan(volume("/data"), volume("/data/a/b", "/volumes/more", read_only=True))
    place = steps.index(MakeMountpoint("/volumes/data", "a/b", True))
    assert steps[place + 1] == Bind("/volumes/more", "data/a/b", True, True)
    assert steps.index(Bind("/volumes/data", "data", True, False)) < place


def test_three_volumes_in_one_another() -> None:
    steps = plan(volume("/data"), volume("/data/a", "/volumes/more"), volume("/data/a/file", "/volumes/file"))
    assert MakeMountpoint("/volumes/more", "file", False) in steps
    assert binds(steps)["data/a/file"] == Bind("/volumes/file", "data/a/file", False, False)


def test_single_files_and_sockets() -> None:
    assert binds(plan(volume("/run/xds.sock", "/volumes/socket")))["run/xds.sock"].directory is False


def test_the_runtime_is_seen_below_a_private_directory() -> None:
    steps = plan(show=("/root/project/.venv", "/root/project/src"))
    modes = {step.path: step.mode for step in steps if isinstance(step, MakeDirectory)}
    assert (modes["root"], modes["root/project"]) == (0o755, 0o755)
    assert binds(steps)["root/project/.venv"].source == "/root/project/.venv"


def test_the_runtime_is_seen_through_a_volume_that_would_hide_it() -> None:
    steps = plan(volume("/root"), show=("/root/project/.venv",))
    assert MakeMountpoint("/volumes/data", "project/.venv", True) in steps
    assert binds(steps)["root/project/.venv"].read_only


def test_what_is_shown_already_is_not_shown_twice() -> None:
    assert plan(show=("/usr/bin", "/usr")) == plan()


def test_what_is_not_there_is_not_shown() -> None:
    assert plan(show=("/nothing",)) == plan()


@pytest.mark.parametrize("target", ["data", "/", "/a/../b", ""])
def test_a_target_must_be_absolute_and_plain(target: str) -> None:
    with pytest.raises(StartError, match="absolute path"):
        plan(volume(target))


def test_a_missing_source_is_named() -> None:
    with pytest.raises(StartError, match="/data: its source /volumes/none does not exist"):
        plan(volume("/data", "/volumes/none"))


def test_a_mount_below_a_file_is_refused() -> None:
    with pytest.raises(StartError, match="mount below /usr/bin/sh: that is a file"):
        plan(volume("/usr/bin/sh/x"))


def test_a_working_directory_is_made_unless_it_is_there() -> None:
    root = RootFilesystem(PretendHost(HOST))
    root.mount(volume("/data"))
    for path in ("/made/here", "/usr/bin", "/data/inside", "/"):
        root.add_directory(path)
    steps = list(root.steps(read_only=True, privileged_user=True))
    assert MakeDirectory("made/here", 0o755) in steps
    assert binds(steps)["usr"].source == "/usr"
    assert steps[-1] == ProtectMount(".")
    assert ProtectKernel() in steps


def test_steps_survive_the_way_to_the_launcher() -> None:
    steps = plan(volume("/data"))
    assert [root_steps.unpack(packed) for packed in root_steps.pack(steps)] == steps
