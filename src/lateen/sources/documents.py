"""What sources hand over: documents with their place, and batches of what changed."""

from typing import Any

import msgspec

from lateen.config.decode import Decoded
from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.config.problems import LineOf, Notice, Rejected


class Document(msgspec.Struct, frozen=True):
    """One object as written. `raw` is shared and not to be changed; it may lack the namespace that `ref` has.

    `object` is None for a kind the mesh does not read. `origin` has the line where the document starts.
    """

    ref: ObjectRef
    raw: dict[str, Any]
    object: ConfigObject | None
    origin: Origin


class Written(msgspec.Struct, frozen=True):
    """A document as its file has it now, be its object in force or refused. `raw` is not to be changed."""

    raw: dict[str, Any]
    decoded: Decoded
    origin: Origin
    line_of: LineOf


class Update(msgspec.Struct, frozen=True):
    """One batch, to be applied as a whole. Each object is in at most one of the first three.

    `moved` has objects that are what they were, at another line or in another file. `rejected` has all that is wrong in
    the files of this batch; what it concerns stays as it was. `notices` has only new ones.
    """

    changed: tuple[Document, ...] = ()
    deleted: tuple[ObjectRef, ...] = ()
    moved: tuple[Document, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to apply and nothing to say."""
        return self == Update()
