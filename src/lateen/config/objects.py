"""What every configuration object has: a reference, metadata, and the frozen struct that holds both.

A kind is a subclass of `ConfigObject` in `lateen.config.kinds`; `lateen.config.schema` lists them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar, Self

import msgspec


class ObjectRef(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Names one object. Ordered by group, kind, namespace, name; the namespace of a cluster-wide object is empty."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


_EPOCH = datetime.fromtimestamp(0, UTC)


class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The parts of Kubernetes' ObjectMeta that the mesh reads.

    Not the resource version: two readings of an unchanged object are equal values.
    """

    name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    creation_timestamp: datetime | None = None

    @property
    def age(self) -> tuple[datetime, str, str]:
        """Sort key of "oldest first": creation time, ties by name, then namespace."""
        return (self.creation_timestamp or _EPOCH, self.name, self.namespace)


class ConfigObject(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of every kind. Frozen; compared by value."""

    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = ""

    metadata: Metadata = Metadata()

    @classmethod
    def ref_to(cls, namespace: str, name: str) -> ObjectRef:
        """The reference that an object of this kind with these names has."""
        return ObjectRef(cls.GROUP, cls.KIND, namespace, name)

    @property
    def ref(self) -> ObjectRef:
        return self.ref_to(self.metadata.namespace, self.metadata.name)

    def renamed(self, namespace: str, name: str) -> Self:
        """The same object under other names."""
        return msgspec.structs.replace(
            self, metadata=msgspec.structs.replace(self.metadata, namespace=namespace, name=name)
        )


class Origin(msgspec.Struct, frozen=True, order=True):
    """Where an object was written: a file and the 1-based line of its document, or another source's name and 0."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file
