"""A pod's volumes: what each contains (pure), and writing them where the sandbox can bind them (edge).

Each volume is a directory under the pod's state directory, or one that outlives the pod for a claim. The sandbox binds
it at the mount paths. Files of objects are laid out as a kubelet does it: names are links through `..data`, which is
exchanged as a whole when the objects change, so a reader sees all of the old or all of the new.
"""

import os
import shutil
import tempfile
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

_DATA: Final = "..data"
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


class Kept(msgspec.Struct, frozen=True):
    """The directory of a PersistentVolumeClaim, which other pods may have had before and may have later."""

    namespace: str
    claim: str


class RefusedVolume(Exception):
    """A volume that the local mesh does not provide; the message says why and what to use."""


Volume = Scratch | Files | Kept


def plan_volumes(pod: Json, lookup: Lookup, host: Host) -> dict[str, Volume]:
    """The pod's volumes by name.

    Raises `NotConfigured` for objects not there (yet), `RefusedVolume` for kinds that are not provided.
    """
    return {_named(v["name"]): _volume(v, pod, lookup, host) for v in pod["spec"].get("volumes") or ()}


def write_volumes(
    volumes: Mapping[str, Volume], directory: Path, claims: Path, fs_group: int | None
) -> dict[str, Path]:
    """Write all volumes under `directory`, those of claims under `claims`; each one's path by name.

    Group ownership follows the pod's `fsGroup`. Without one files are readable as their modes say, by root's group.
    """
    written = {}
    for name, volume in volumes.items():
        path = claims / volume.namespace / volume.claim if isinstance(volume, Kept) else directory / name
        path.mkdir(parents=True, exist_ok=True)
        match volume:
            case Scratch() | Kept():
                path.chmod(_SHARED)
            case Files(files=files):
                _write_files(path, files, fs_group)
            case _:
                assert_never(volume)
        if fs_group is not None:
            os.chown(path, -1, fs_group)
        written[name] = path
    return written


def update_volumes(
    before: Mapping[str, Volume], after: Mapping[str, Volume], paths: Mapping[str, Path], fs_group: int | None
) -> None:
    """Bring volumes that were written to where objects are now; only what differs is touched."""
    for name, volume in after.items():
        if isinstance(volume, Files) and name in paths and volume != before.get(name):
            _write_files(paths[name], volume.files, fs_group)


def _volume(volume: Json, pod: Json, lookup: Lookup, host: Host) -> Volume:
    name = volume["name"]
    kinds = [key for key in volume if key != "name"]
    source: Any = volume[kinds[0]] if kinds else {}
    match kinds[0] if kinds else "emptyDir":
        case "emptyDir":
            return Scratch()
        case "persistentVolumeClaim":
            return _claim(str(source.get("claimName")), _namespace(pod), lookup)
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
                "there are emptyDir, configMap, secret, downwardAPI, projected and persistentVolumeClaim"
            )


def _named(name: object) -> str:
    """A name that is to be a directory's."""
    text = str(name)
    if "/" in text or text.startswith("."):
        raise RefusedVolume(f'"{text}" is not a name: write lower case letters, digits and "-"')
    return text


def _claim(name: str, namespace: str, lookup: Lookup) -> Kept:
    if lookup("PersistentVolumeClaim", namespace, name) is None:
        raise NotConfigured(f'persistentvolumeclaim "{name}" not found')
    return Kept(namespace, _named(name))


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
    """Write the files to a directory of their own, and let `..data` lead to it from then on."""
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    fresh.chmod(0o755)
    for relative, contents in files.items():
        path = fresh / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.data)
        # Kubernetes makes files of a pod with fsGroup readable by that group, whatever their mode says.
        path.chmod(contents.mode | (0o440 if fs_group is not None else 0))
        if fs_group is not None:
            os.chown(path, -1, fs_group)
    data, swap = directory / _DATA, directory / "..data_tmp"
    old = data.readlink() if data.is_symlink() else None
    swap.symlink_to(fresh.name)
    swap.replace(data)
    names = {PurePosixPath(relative).parts[0] for relative in files}
    for name in names:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"{_DATA}/{name}")
    for link in directory.iterdir():
        if not link.name.startswith("..") and link.name not in names:
            link.unlink()
    if old is not None:
        shutil.rmtree(directory / old)
