"""What is to be analyzed: objects of files, of standard input, and of the running mesh."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lateen.analysis.resources import Resource, of_files
from lateen.config.decode import Invalid
from lateen.config.objects import ConfigObject, ObjectRef
from lateen.config.problems import Notice, Rejected
from lateen.local_runtime.api.client import ApiClient, object_path
from lateen.local_runtime.objects.reading import decode
from lateen.local_runtime.objects.resource_types import ResourceTypes
from lateen.sources.file_state import FileState
from lateen.sources.files import load

STANDARD_INPUT = "-"


class Read(NamedTuple):
    """The objects of files, refused ones among them with their problems; what is no object; what else is to be said."""

    resources: list[Resource]
    unusable: list[Rejected]
    notices: list[Notice]


def of_paths(names: Sequence[str], namespace: str) -> Read:
    """What files and directories say. `namespace` is for objects that name none."""
    types = ResourceTypes()

    def is_namespaced(ref: ObjectRef) -> bool:
        known = types.of_kind(ref.group, ref.kind)
        return known is None or known.namespaced

    loaded = load([Path(name) for name in names if name != STANDARD_INPUT], namespace, decode)
    written, rejected, notices = list(loaded.files.written()), list(loaded.rejected), list(loaded.notices)
    if STANDARD_INPUT in names:
        state = FileState(namespace, decode)
        update = state.update(["<stdin>"], {"<stdin>": sys.stdin.read()})
        written += state.written()
        rejected += update.rejected
        notices += update.notices
    unusable = [each for each in rejected if each.ref is None]
    return Read(list(of_files(written, namespace, is_namespaced)), unusable, notices)


def of_mesh(client: ApiClient) -> Iterator[Resource]:
    """Every object that the mesh has, of whatever kind."""
    groups = client.get("/apis")["groups"]
    served = ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]
    seen: set[tuple[str, str]] = set()
    for group_version in served:
        root = "/apis" if "/" in group_version else "/api"
        for kind in client.get(f"{root}/{group_version}")["resources"]:
            key = (group_version.rpartition("/")[0], kind["kind"])
            if "/" in kind["name"] or key in seen:
                continue
            seen.add(key)
            for raw in client.get(object_path(group_version, kind["name"]))["items"]:
                yield _resource({"apiVersion": group_version, "kind": kind["kind"], **raw})


def _resource(raw: dict[str, object]) -> Resource:
    found = decode(raw)
    problems = found.problems if isinstance(found, Invalid) else ()
    assert found.ref is not None  # the API serves no object without a name
    return Resource(
        ref=found.ref, raw=raw, object=found if isinstance(found, ConfigObject) else None, problems=problems
    )
