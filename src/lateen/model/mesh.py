"""The mesh as translation sees it: tracked reads of configuration objects at one revision, and reports about them."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from lateen.config.objects import ConfigObject, ObjectRef
from lateen.incremental.engine import Engine
from lateen.incremental.tables import Change


class Diagnostic(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Something wrong in an object that is otherwise readable; the rest of the object stays in force.

    `path` is the field, as in `spec.http[2].route[0]`, or empty where it is not known; `message` says what is wrong and
    what would be right.
    """

    ref: ObjectRef
    path: str
    message: str
    code: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (str(self.ref), self.path, self.message)))


class ObjectChange(Protocol):
    """What one object was and is; None where there is none."""

    @property
    def ref(self) -> ObjectRef: ...
    @property
    def old(self) -> ConfigObject | None: ...
    @property
    def new(self) -> ConfigObject | None: ...


class Mesh(Engine):
    """Tracked queries over the mesh's objects. `get(Kind, ref)` and `find(INDEX, key)` are recorded inside queries."""

    def apply(self, changes: Iterable[ObjectChange]) -> None:
        """Commit changes of configuration objects as one revision."""
        self.commit(Change(type(c.new if c.new is not None else c.old), c.ref, c.new) for c in changes)

    def report(self, diagnostic: Diagnostic) -> None:
        """Say what is wrong with an object; the running query goes on with the best safe answer."""
        self.note(diagnostic)

    def diagnostics(self) -> list[Diagnostic]:
        """What was reported behind everything that is watched, sorted."""
        return sorted(self.reports())
