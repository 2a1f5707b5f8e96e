"""The store of configuration objects: a batch of changes in, one ChangeSet of what truly differs out.

It also derives the MeshConfig from its ConfigMap, so that readers find it like any other object.
"""

from collections.abc import Iterable, Iterator

import msgspec

from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.mesh_config import MESH_CONFIG_REF, MeshConfig
from lateen.config.mesh import MESH_KEY, is_mesh_config, read_mesh_config
from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.config.problems import Problem, Rejected, rejected


class Change(msgspec.Struct, frozen=True):
    """An object before and after: `old` is None for one that is new, `new` for one that is gone."""

    ref: ObjectRef
    old: ConfigObject | None
    new: ConfigObject | None


class ChangeSet(msgspec.Struct, frozen=True):
    """What a batch changed, each object once, in the order of references; and what of it could not be used.

    `revision` counts the batches that changed something.
    """

    revision: int
    changes: tuple[Change, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)


class ConfigStore:
    """Every object in force. One writer."""

    def __init__(self) -> None:
        self._objects: dict[ObjectRef, ConfigObject] = {}
        self._revision = 0

    def get(self, ref: ObjectRef) -> ConfigObject | None:
        return self._objects.get(ref)

    def objects(self) -> list[ConfigObject]:
        """Every object, in no order."""
        return list(self._objects.values())

    def apply(self, changed: Iterable[ConfigObject], deleted: Iterable[ObjectRef] = ()) -> ChangeSet:
        """Take a batch as one revision. An object that is both deleted and changed is there afterwards."""
        wanted: dict[ObjectRef, ConfigObject | None] = dict.fromkeys(deleted)
        wanted.update((found.ref, found) for found in changed)
        refused = self._derive_mesh_config(wanted)
        changes = tuple(
            Change(ref, old, new)
            for ref, new in sorted(wanted.items())
            if (old := self._objects.get(ref)) is not new and old != new
        )
        for change in changes:
            self._replace(change)
        self._revision += bool(changes)
        return ChangeSet(self._revision, changes, refused)

    def _replace(self, change: Change) -> None:
        if change.new is not None:
            self._objects[change.ref] = change.new
        elif change.old is not None:
            del self._objects[change.ref]

    def _derive_mesh_config(self, wanted: dict[ObjectRef, ConfigObject | None]) -> tuple[Rejected, ...]:
        """Adds the MeshConfig to the batch where its ConfigMap is in it. One that cannot be read changes nothing."""
        source = ConfigMap.ref_to(MESH_CONFIG_REF.namespace, MESH_CONFIG_REF.name)
        if source not in wanted:
            return ()
        found = wanted[source]
        if not isinstance(found, ConfigMap) or not is_mesh_config(found):
            wanted[MESH_CONFIG_REF] = None
            return ()
        match read_mesh_config(found):
            case MeshConfig() as mesh_config:
                wanted[MESH_CONFIG_REF] = mesh_config
                return ()
            case problems:
                return tuple(_in_config_map(source, problem) for problem in problems)


def _in_config_map(source: ObjectRef, problem: Problem) -> Rejected:
    return rejected(source, Origin(str(source)), Problem(("data", MESH_KEY, *problem.path), problem.message))
