"""The graph that the engine keeps: cells (facts that were read), nodes (memoised answers), and who read whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

MISSING: Final = object()
"""The value of a node that has not run yet."""

CLEAN: Final = 0
SUSPECT: Final = 1
RUNNING: Final = 2
FAILED: Final = 3

_LIST_LIMIT: Final = 16


class Cell:
    """A fact that some query read: an entry of a table or a bucket of an index. An absent one is a fact too.

    `changed` is the revision of its last change; of a bucket, since it was first read. 0 is none.
    """

    __slots__ = ("changed", "key", "of", "readers", "value")

    state = CLEAN

    def __init__(self, of: Any, key: Any, value: Any, changed: int) -> None:
        self.of = of
        self.key = key
        self.value = value
        self.changed = changed
        self.readers: Node | list[Node] | set[Node] | None = None


class Node:
    """The memoised answer of one query for its arguments.

    `changed` and `verified` are revisions: when the value last became another, and when it was last known to be right.
    """

    __slots__ = (
        "args",
        "changed",
        "failure",
        "published",
        "query",
        "readers",
        "reads",
        "reports",
        "state",
        "value",
        "verified",
        "watchers",
    )

    def __init__(self, query: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.query = query
        self.args = args
        self.value: Any = MISSING
        self.reads: tuple[Cell | Node, ...] = ()
        self.readers: Node | list[Node] | set[Node] | None = None
        self.state = SUSPECT
        self.changed = 0
        self.verified = 0
        self.watchers = 0
        self.published = 0
        self.reports: tuple[Any, ...] = ()
        self.failure: Exception | None = None

    def __repr__(self) -> str:
        return f"{self.query.__name__}({', '.join(map(str, self.args))})"


def add_reader(read: Cell | Node, reader: Node) -> None:
    """Note that `reader` read `read`. Most have few readers, so a list serves until there are many."""
    readers = read.readers
    if readers is None:
        read.readers = reader
    elif isinstance(readers, set):
        readers.add(reader)
    elif isinstance(readers, list):
        if reader not in readers:
            readers.append(reader)
        if len(readers) > _LIST_LIMIT:
            read.readers = set(readers)
    elif readers is not reader:
        read.readers = [readers, reader]


def remove_reader(read: Cell | Node, reader: Node) -> None:
    """Forget that `reader` read `read`."""
    readers = read.readers
    if readers is reader:
        read.readers = None
    elif isinstance(readers, set):
        readers.discard(reader)
    elif isinstance(readers, list) and reader in readers:
        readers.remove(reader)


def readers_of(read: Cell | Node) -> Iterator[Node]:
    """Who read it last."""
    readers = read.readers
    if isinstance(readers, Node):
        yield readers
    elif readers is not None:
        yield from readers
