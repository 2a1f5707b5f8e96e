"""Facts: values by kind and key, and the indexes over them.

A kind is a Python type. A table maps the keys of one kind to values; an index maps bucket keys to the sorted keys of
the values in each bucket. An object change becomes the facts that truly differ: its table entry, and the buckets that
it left or joined.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

V = TypeVar("V")


class Change(NamedTuple):
    """One entry of a table: the new value, or None where it goes away."""

    kind: type
    key: Any
    value: Any | None


class Index(Generic[V]):
    """Declares an index: `keys` names the buckets that a value belongs to; they may be none or many.

    Declared once, at module level. An engine builds it when it is first read and keeps it up to date from then on.
    """

    __slots__ = ("keys", "kind", "name")

    def __init__(self, kind: type[V], keys: Callable[[V], Iterable[Hashable]], name: str = "") -> None:
        self.kind = kind
        self.keys = keys
        self.name = name or kind.__name__

    def __repr__(self) -> str:
        return f"Index({self.name})"


class Buckets:
    """The contents of one index: bucket key to sorted value keys."""

    __slots__ = ("_buckets", "index")

    def __init__(self, index: Index[Any], values: Iterable[tuple[Any, Any]]) -> None:
        self.index = index
        self._buckets: dict[Any, list[Any]] = {}
        for key, value in values:
            for bucket in set(index.keys(value)):
                insort(self._buckets.setdefault(bucket, []), key)

    def get(self, bucket: Any) -> tuple[Any, ...]:
        return tuple(self._buckets.get(bucket, ()))

    def move(self, key: Any, old: Any | None, new: Any | None) -> Iterator[Any]:
        """Take the value of `key` from its old buckets to its new ones; yields the buckets that changed."""
        before = set(self.index.keys(old)) if old is not None else set()
        after = set(self.index.keys(new)) if new is not None else set()
        for bucket in before - after:
            members = self._buckets[bucket]
            del members[bisect_left(members, key)]
            if not members:
                del self._buckets[bucket]
            yield bucket
        for bucket in after - before:
            insort(self._buckets.setdefault(bucket, []), key)
            yield bucket
