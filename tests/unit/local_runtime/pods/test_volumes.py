import stat

import pytest

from lateen.local_runtime.pods.environment import Host, NotConfigured
from lateen.local_runtime.pods.volumes import (
    Contents,
    Files,
    RefusedVolume,
    Scratch,
    plan_volumes,
    remove_volumes,
    write_volumes,
)

OBJECTS = {
    ("ConfigMap", "settings"): {"metadata": {}, "data": {"a.txt": "A", "b.txt": "B"}},
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
    with pytest.raises(RefusedVolume, match="persistentVolumeClaim is not provided"):
        plan(persistentVolumeClaim={"claimName": "x"})


def test_writing(tmp_path):
    volumes = {"scratch": Scratch(), "files": Files({"sub/a": Contents(b"A", 0o600)})}
    written = write_volumes(volumes, tmp_path / "v", None)
    assert stat.S_IMODE(written["scratch"].stat().st_mode) == 0o1777
    file = written["files"] / "sub/a"
    assert file.read_bytes() == b"A"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    write_volumes({"files": Files({"sub/a": Contents(b"B", 0o600)})}, tmp_path / "v", None)
    assert file.read_bytes() == b"B"
    remove_volumes(tmp_path / "v")
    assert list(tmp_path.iterdir()) == []
