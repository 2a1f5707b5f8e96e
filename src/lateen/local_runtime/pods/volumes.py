"""A pod's volumes: what each contains (pure), and writing them where the sandbox can bind them (edge).

Each volume is a directory under the pod's state directory. The sandbox binds it at the mount paths.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, assert_never

import msgspec

from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods.environment import (
    Host,
    Lookup,
    NotConfigured,
    configured,
    container_named,
    field,
    resource_field,
)

_SHARED: Final = 0o1777
"""As Kubernetes leaves an emptyDir: every container of the pod may write, whatever its uid."""


class Contents(msgspec.Struct, frozen=True):
    """One file of a volume."""

    data: bytes
    mode: int


class Scratch(msgspec.Struct, frozen=True):
    """An empty directory. The state directory is in memory, so `medium: Memory` makes no difference here."""


class Files(msgspec.Struct, frozen=True):
    """A directory with these files, by path relative to it."""

    files: Mapping[str, Contents]


class RefusedVolume(Exception):
    """A volume that the local mesh does not provide; the message says why and what to use."""


Volume = Scratch | Files


def plan_volumes(pod: Json, lookup: Lookup, host: Host) -> dict[str, Volume]:
    """The pod's volumes by name.

    Raises `NotConfigured` for objects not there (yet), `RefusedVolume` for kinds that are not provided.
    """
    return {str(v["name"]): _volume(v, pod, lookup, host) for v in pod["spec"].get("volumes") or ()}


def write_volumes(volumes: Mapping[str, Volume], directory: Path, fs_group: int | None) -> dict[str, Path]:
    """Write all volumes under `directory`; each one's path by name.

    Group ownership follows the pod's `fsGroup`. Without one files are readable as their modes say, by root's group.
    """
    written = {}
    for name, volume in volumes.items():
        path = directory / name
        path.mkdir(parents=True, exist_ok=True)
        match volume:
            case Scratch():
                path.chmod(_SHARED)
            case Files(files=files):
                _write_files(path, files, fs_group)
            case _:
                assert_never(volume)
        if fs_group is not None:
            os.chown(path, -1, fs_group)
        written[name] = path
    return written


def remove_volumes(directory: Path) -> None:
    """Remove what `write_volumes` wrote and the containers left in it."""
    shutil.rmtree(directory, ignore_errors=True)


def _volume(volume: Json, pod: Json, lookup: Lookup, host: Host) -> Volume:
    name = volume["name"]
    kinds = [key for key in volume if key != "name"]
    source: Any = volume[kinds[0]] if kinds else {}
    match kinds[0] if kinds else "emptyDir":
        case "emptyDir":
            return Scratch()
        case "configMap" | "secret" | "downwardAPI" | "projected" as kind:
            sources: Iterable[Json] = source.get("sources") or () if kind == "projected" else ({kind: source},)
            mode = _mode(source.get("defaultMode"), 0o644)
            files: dict[str, Contents] = {}
            for each in sources:
                files |= _source(each, mode, pod, lookup, host)
            return Files(files)
        case "hostPath":
            raise RefusedVolume(
                f'volume "{name}": hostPath is refused, since pods do not see this machine\'s files; use a configMap, '
                "a secret or an emptyDir, or give the image the directory under `mounts` in a catalogue"
            )
        case kind:
            raise RefusedVolume(
                f'volume "{name}": {kind} is not provided here; '
                "there are emptyDir, configMap, secret, downwardAPI and projected"
            )


def _source(source: Json, mode: int, pod: Json, lookup: Lookup, host: Host) -> dict[str, Contents]:
    """The files of one source of a projected volume, or of a volume that has one source."""
    kind = next(iter(source), "")
    reference: Json = source.get(kind) or {}
    match kind:
        case "configMap" | "secret":
            values = configured(
                {"configMap": "ConfigMap", "secret": "Secret"}[kind], reference, _namespace(pod), lookup
            )
            return _items(reference, values, mode)
        case "downwardAPI":
            return {_inside(i["path"]): _downward(i, mode, pod, host) for i in reference.get("items") or ()}
        case "serviceAccountToken" | "clusterTrustBundle":
            # A token is for somebody who checks it. Until the local mesh has an authority there is nobody, and a
            # file that looks like a credential and is none would only mislead.
            return {}
        case _:
            raise RefusedVolume(f"a projected volume cannot have a source {kind or 'without a kind'}")


def _items(reference: Json, values: Mapping[str, bytes] | None, mode: int) -> dict[str, Contents]:
    if values is None:
        return {}
    if not reference.get("items"):
        return {_inside(key): Contents(data, mode) for key, data in values.items()}
    files = {}
    for item in reference["items"]:
        if item["key"] in values:
            files[_inside(item["path"])] = Contents(values[item["key"]], _mode(item.get("mode"), mode))
        elif not reference.get("optional"):
            name = reference.get("name") or reference.get("secretName")
            raise NotConfigured(f'"{name}" has no key "{item["key"]}"')
    return files


def _downward(item: Json, mode: int, pod: Json, host: Host) -> Contents:
    if item.get("fieldRef"):
        text = field(pod, str(item["fieldRef"].get("fieldPath")))
    else:
        reference = item.get("resourceFieldRef") or {}
        container = container_named(pod, reference.get("containerName")) or {}
        text = resource_field(container, str(reference.get("resource")), reference.get("divisor"), host)
    return Contents(text.encode(), _mode(item.get("mode"), mode))


def _inside(path: object) -> str:
    """A path within a volume; one that leads out of it is refused."""
    pure = PurePosixPath(str(path))
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise RefusedVolume(f'"{path}" is not a path within the volume; write one that is relative and without ".."')
    return str(pure)


def _mode(value: object, default: int) -> int:
    return default if value is None else int(str(value)) & 0o777


def _namespace(pod: Json) -> str:
    return str(pod["metadata"]["namespace"])


def _write_files(directory: Path, files: Mapping[str, Contents], fs_group: int | None) -> None:
    for relative, contents in files.items():
        path = directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(contents.data)
        # Kubernetes makes files of a pod with fsGroup readable by that group, whatever their mode says.
        fresh.chmod(contents.mode | (0o440 if fs_group is not None else 0))
        if fs_group is not None:
            os.chown(fresh, -1, fs_group)
        fresh.replace(path)
