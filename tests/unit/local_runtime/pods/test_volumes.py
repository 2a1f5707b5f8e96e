import stat

import pytest

from lateen.local_runtime.pods.environment import Host, NotConfigured
from lateen.local_runtime.pods.volumes import (
    Contents,
    Files,
    Kept,
    RefusedVolume,
    Scratch,
    plan_volumes,
    update_volumes,
    write_volumes,
)

OBJECTS = {
    ("ConfigMap", "settings"): {"metadata": {}, "data": {"a.txt": "A", "b.txt": "B"}},
    ("PersistentVolumeClaim", "data-db-0"): {"metadata": {}},
    ("Secret", "token"): {"metadata": {}, "data": {"t": "czM="}},
}


def plan(**source):
    metadata = {"name": "p", "namespace": "default", "labels": {"app": "x"}}
    pod = {"metadata": metadata, "spec": {"volumes": [{"name": "v", **source}], "containers": []}}
    return plan_volumes(pod, lambda kind, _, name: OBJECTS.get((kind, name)), Host(2, 1 << 30))["v"]


def test_every_source():
    assert plan(emptyDir={}) == Scratch()
    assert plan(emptyDir={"medium": "Memory"}) == Scratch()
    assert plan() == Scratch()
    assert plan(configMap={"name": "settings"}) == Files(
        {"a.txt": Contents(b"A", 0o644), "b.txt": Contents(b"B", 0o644)}
    )
    assert plan(secret={"secretName": "token", "defaultMode": 0o400}) == Files({"t": Contents(b"s3", 0o400)})
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    assert plan(downwardAPI={"items": items}) == Files({"labels": Contents(b'app="x"', 0o644)})


def test_items_choose_rename_and_set_modes():
    items = [{"key": "a.txt", "path": "sub/one", "mode": 0o600}]
    assert plan(configMap={"name": "settings", "items": items}) == Files({"sub/one": Contents(b"A", 0o600)})
    missing = [{"key": "none", "path": "x"}]
    with pytest.raises(NotConfigured, match="none"):
        plan(configMap={"name": "settings", "items": missing})
    assert plan(configMap={"name": "settings", "items": missing, "optional": True}) == Files({})


def test_projected_volumes_join_sources_and_leave_tokens_out():
    sources = [
        {"configMap": {"name": "settings", "items": [{"key": "a.txt", "path": "a"}]}},
        {"secret": {"name": "token"}},
        {"serviceAccountToken": {"path": "token", "audience": "istio-ca"}},
    ]
    found = plan(projected={"sources": sources, "defaultMode": 0o440})
    assert found == Files({"a": Contents(b"A", 0o440), "t": Contents(b"s3", 0o440)})


def test_an_object_that_is_not_there():
    with pytest.raises(NotConfigured, match='secret "none" not found in namespace "default"'):
        plan(secret={"secretName": "none"})
    assert plan(secret={"secretName": "none", "optional": True}) == Files({})


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a/../../b", ""])
def test_paths_stay_inside(path):
    with pytest.raises(RefusedVolume):
        plan(configMap={"name": "settings", "items": [{"key": "a.txt", "path": path}]})


def test_what_is_not_provided_says_what_to_use():
    with pytest.raises(RefusedVolume, match="hostPath is refused"):
        plan(hostPath={"path": "/"})
    with pytest.raises(RefusedVolume, match="nfs is not provided"):
        plan(nfs={"server": "x"})


def test_writing(tmp_path):
    volumes = {"scratch": Scratch(), "files": Files({"sub/a": Contents(b"A", 0o600)})}
    written = write_volumes(volumes, tmp_path / "v", tmp_path / "c", None)
    assert stat.S_IMODE(written["scratch"].stat().st_mode) == 0o1777
    file = written["files"] / "sub/a"
    assert file.read_bytes() == b"A"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_files_follow_their_objects_all_at_once(tmp_path):
    before = {"f": Files({"a": Contents(b"1", 0o644), "gone": Contents(b"x", 0o644)}), "s": Scratch()}
    paths = write_volumes(before, tmp_path / "v", tmp_path / "c", None)
    (paths["s"] / "mine").touch()
    opened = (paths["f"] / "a").open("rb")
    generation = (paths["f"] / "..data").readlink()
    update_volumes(before, before, paths, None)
    assert (paths["f"] / "..data").readlink() == generation
    after = {"f": Files({"a": Contents(b"2", 0o644), "new/b": Contents(b"y", 0o600)}), "s": Scratch()}
    update_volumes(before, after, paths, None)
    with opened:
        assert opened.read() == b"1"
    assert (paths["f"] / "a").read_bytes() == b"2"
    assert (paths["f"] / "new/b").read_bytes() == b"y"
    assert not (paths["f"] / "gone").exists()
    assert not (paths["f"] / generation).exists()
    assert (paths["s"] / "mine").exists()


def test_a_claim_keeps_what_is_in_it_from_one_pod_to_the_next(tmp_path):
    kept = plan(persistentVolumeClaim={"claimName": "data-db-0"})
    assert kept == Kept("default", "data-db-0")
    first = write_volumes({"data": kept}, tmp_path / "one", tmp_path / "claims", None)["data"]
    (first / "row").write_text("1")
    second = write_volumes({"data": kept}, tmp_path / "two", tmp_path / "claims", None)["data"]
    assert (second / "row").read_text() == "1"
    with pytest.raises(NotConfigured, match='persistentvolumeclaim "none" not found'):
        plan(persistentVolumeClaim={"claimName": "none"})


@pytest.mark.parametrize("name", ["../x", "..", "a/b"])
def test_a_volume_is_named_like_a_directory(name):
    with pytest.raises(RefusedVolume, match="is not a name"):
        plan_volumes(
            {"metadata": {"namespace": "default"}, "spec": {"volumes": [{"name": name, "emptyDir": {}}]}}, None, None
        )
