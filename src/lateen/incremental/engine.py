"""Memoised queries over facts: what each query read is recorded, so a change re-runs exactly what depends on it.

A commit marks the readers of what changed, and theirs, *suspect*. Settling a watched suspect verifies what it read, in
the order it read it, and re-runs it at the first that changed; a re-run that yields an equal value keeps the old object
and stops there. The engine has one writer, does no IO, and does not know what a mesh is.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from lateen.incremental.nodes import (
    CLEAN,
    FAILED,
    MISSING,
    RUNNING,
    SUSPECT,
    Cell,
    Node,
    add_reader,
    readers_of,
    remove_reader,
)
from lateen.incremental.tables import Buckets, Change, Index

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")

Fact = tuple[Any, Any]
"""A kind and a key, or an index and a bucket."""


class CycleError(Exception):
    """Queries that ask each other in a ring; the message names them in order."""


class _Paused(BaseException):
    """Unwinds to `settle`: what has been answered stays, what was being answered is asked again later."""


def _never() -> bool:
    return False


def query(function: F) -> F:
    """Make a plain function of an engine and hashable positional arguments a memoised query.

    The first parameter is the engine; the signature stays as it is. Parameters must not have defaults: equal questions
    need equal arguments. Every query answers a missing subject with None or empty, never with an exception.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if any(p.default is not p.empty or p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in parameters):
        raise TypeError(f"query {function.__name__}: parameters must be positional and without defaults")

    @functools.wraps(function)
    def ask(engine: Engine, *args: Any) -> Any:
        node = engine.memo[ask].get(args)
        if node is None:
            node = engine.memo[ask][args] = Node(ask, args)
        reads = engine._reads
        if reads is not None:
            reads.append(node)  # before the refresh: who survives a failure must still be woken when it is mended
        if node.state:
            engine._refresh(node)
        return node.value

    return ask  # type: ignore[return-value]  # `wraps` keeps the signature, which the type checker cannot see


def surviving(question: Callable[..., V], engine: Engine, *args: Any) -> V | None:
    """The answer of a query, or None where it fails and has no last good one.

    For whoever assembles an answer from many: the others must not suffer. The failure stays on the node, and whoever
    asked is asked again when it is mended. A ring of queries is raised all the same.
    """
    try:
        return question(engine, *args)
    except CycleError:
        raise
    except Exception:
        return None


class Engine:
    """Facts, and the memo of every query asked of them."""

    def __init__(self) -> None:
        self.revision = 1
        self.memo: defaultdict[Callable[..., Any], dict[tuple[Any, ...], Node]] = defaultdict(dict)
        self.ran: Counter[Callable[..., Any]] = Counter()
        """How often each query's function was run: what tests count."""
        self._tables: defaultdict[type, dict[Any, Any]] = defaultdict(dict)
        self._changed: defaultdict[type, dict[Any, int]] = defaultdict(dict)
        self._cells: defaultdict[Any, dict[Any, Cell]] = defaultdict(dict)
        self._indexes: dict[Index[Any], Buckets] = {}
        self._indexes_over: defaultdict[type, list[Buckets]] = defaultdict(list)
        self._reads: list[Cell | Node] | None = None
        self._reports: list[Any] = []
        self._stack: list[Node] = []
        self._suspects: dict[Node, None] = {}
        self._failing: dict[Node, None] = {}
        self._pause: Callable[[], bool] = _never
        self._progress = False

    # Facts

    def get(self, kind: type[V], key: Any) -> V | None:
        """The value of a key; inside a query the reading is recorded, also of a value that is not there."""
        cells = self._cells[kind]
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = Cell(kind, key, self._tables[kind].get(key), self._changed[kind].get(key, 0))
        if self._reads is not None:
            self._reads.append(cell)
        value: V | None = cell.value
        return value

    def find(self, index: Index[Any], bucket: Any) -> tuple[Any, ...]:
        """The sorted keys of the values in a bucket; an empty bucket is recorded too."""
        cells = self._cells[index]
        cell = cells.get(bucket)
        if cell is None:
            cell = cells[bucket] = Cell(index, bucket, self._buckets(index).get(bucket), 0)
        if self._reads is not None:
            self._reads.append(cell)
        found: tuple[Any, ...] = cell.value
        return found

    def values(self, kind: type[V]) -> list[V]:
        """Every value of a kind, in the order of arrival. Not tracked: for callers outside queries."""
        if self._reads is not None:
            raise RuntimeError("a query must read through an index")
        return list(self._tables[kind].values())

    def commit(self, changes: Iterable[Change]) -> None:
        """Take new facts and mark what may be out of date. A value equal to the present one changes nothing."""
        self.revision += 1
        touched: list[Cell] = []
        for kind, key, value in changes:
            table = self._tables[kind]
            old = table.get(key)
            if value == old:
                continue
            if value is None:
                del table[key]
                del self._changed[kind][key]
            else:
                table[key] = value
                self._changed[kind][key] = self.revision
            self._touch(kind, key, value, touched)
            for buckets in self._indexes_over[kind]:
                for bucket in buckets.move(key, old, value):
                    self._touch(buckets.index, bucket, None, touched)
        for cell in touched:
            if isinstance(cell.of, Index):
                cell.value = self._indexes[cell.of].get(cell.key)
        self._suspect(touched)

    def _touch(self, of: Any, key: Any, value: Any, touched: list[Cell]) -> None:
        cell = self._cells[of].get(key)
        if cell is not None:
            cell.value = value
            cell.changed = self.revision
            touched.append(cell)

    def _buckets(self, index: Index[Any]) -> Buckets:
        buckets = self._indexes.get(index)
        if buckets is None:
            buckets = self._indexes[index] = Buckets(index, self._tables[index.kind].items())
            self._indexes_over[index.kind].append(buckets)
        return buckets

    def _suspect(self, cells: Iterable[Cell]) -> None:
        stack = [reader for cell in cells for reader in readers_of(cell)]
        while stack:
            node = stack.pop()
            if node.state == SUSPECT:
                continue
            if node.state == CLEAN:
                node.state = SUSPECT
            if node.watchers:
                self._suspects[node] = None
            stack.extend(readers_of(node))

    # Queries

    def _refresh(self, node: Node) -> None:
        """Bring a node up to date, or raise what its function raises when there is no last good value."""
        if node.state == RUNNING:
            ring = self._stack[self._stack.index(node) :]
            raise CycleError(" -> ".join(map(repr, [*ring, node])))
        if node.verified == self.revision and node.state == FAILED and node.failure is not None:
            raise node.failure
        if node.verified and not self._differs(node):
            node.verified = self.revision
            if node.state == FAILED and node.failure is not None:
                raise node.failure
            node.state = CLEAN
            return
        self._run(node)

    def _differs(self, node: Node) -> bool:
        """Whether something the node read has changed since. In the order read: a later read may only make sense
        after an earlier one."""
        for read in node.reads:
            if read.state:
                try:
                    self._refresh(read)  # type: ignore[arg-type]  # a cell is always clean
                except CycleError:
                    raise
                except Exception:
                    return True
            if read.changed > node.verified:
                return True
        return False

    def _run(self, node: Node) -> None:
        if self._progress and self._pause():
            raise _Paused
        outer = self._reads, self._reports
        reads: list[Cell | Node] = []
        self._reads, self._reports = reads, []
        self._stack.append(node)
        node.state = RUNNING
        self.ran[node.query] += 1
        failure: Exception | None = None
        value: Any = None
        try:
            value = node.query.__wrapped__(self, *node.args)  # type: ignore[attr-defined]  # set by `wraps`
        except (CycleError, _Paused):
            node.state = SUSPECT
            raise
        except Exception as error:
            failure = error
        finally:
            reports = tuple(self._reports)
            self._stack.pop()
            self._reads, self._reports = outer
        self._progress = True
        self._link(node, tuple(dict.fromkeys(reads)))
        node.verified = self.revision
        node.reports = reports
        node.failure = failure
        if failure is None:
            self._failing.pop(node, None)
            self._answer(node, value)
        else:
            self._failing[node] = None
            self._fail(node, failure)

    def _answer(self, node: Node, value: Any) -> None:
        node.state = CLEAN
        if node.value is MISSING or value != node.value:
            node.value = value
            node.changed = self.revision

    def _fail(self, node: Node, failure: Exception) -> None:
        """A bug costs one answer: the last good one stays; without one the asker gets the exception."""
        if node.value is MISSING:
            node.state = FAILED
            node.changed = self.revision
            raise failure
        node.state = CLEAN

    def _link(self, node: Node, reads: tuple[Cell | Node, ...]) -> None:
        if reads == node.reads:
            return
        before, after = set(node.reads), set(reads)
        for read in before - after:
            remove_reader(read, node)
        for read in after - before:
            add_reader(read, node)
        node.reads = reads

    def note(self, report: Any) -> None:
        """Attach a report to the running query: kept with its answer, so that a hit reports too."""
        self._reports.append(report)

    # Watching

    def watch(self, function: Callable[..., Any], *args: Any) -> Node:
        """Keep an answer up to date from now on; the node's value is right whenever everything is settled."""
        node = self.memo[function].get(args)
        if node is None:
            node = self.memo[function][args] = Node(function, args)
        node.watchers += 1
        if node.state:
            self._suspects[node] = None
        return node

    def unwatch(self, node: Node) -> None:
        """Undo one `watch`."""
        node.watchers -= 1

    def settle(self, pause: Callable[[], bool] = _never) -> Iterator[Node | None]:
        """Bring every watched suspect up to date; yields those that changed since they were last yielded.

        None is a step without news. `pause` is asked before each run: when it says yes the step ends, half-made answers
        are dropped and asked again in the next. Between steps the caller may do other things and commit; a node that
        changed again is yielded again. A node that failed without a last good value is yielded with its `failure`.
        """
        while self._suspects:
            node, _ = self._suspects.popitem()
            yield node if node.watchers and self._settled_anew(node, pause) else None

    def _settled_anew(self, node: Node, pause: Callable[[], bool]) -> bool:
        """Refresh a watched node; whether it has something new to publish."""
        self._pause, self._progress = pause, False
        try:
            if node.state:
                self._refresh(node)
        except CycleError:
            raise
        except _Paused:
            self._suspects[node] = None
            return False
        except Exception:
            pass  # kept on the node as its failure
        finally:
            self._pause = _never
        fresh = node.changed > node.published
        node.published = max(node.published, node.changed)
        return fresh

    @property
    def settled(self) -> bool:
        """Whether nothing watched is out of date."""
        return not self._suspects

    # Provenance

    def behind(self, node: Node) -> set[Fact]:
        """Every fact that the node's answer rests on, through nested queries."""
        return {(cell.of, cell.key) for cell in self._below([node]) if isinstance(cell, Cell)}

    def changed_last(self, nodes: Iterable[Node], since: int) -> set[Fact]:
        """Of the entries of tables that the nodes' answers rest on, those that changed last, if after that revision."""
        cells = [cell for cell in self._below(nodes) if isinstance(cell, Cell) and isinstance(cell.of, type)]
        last = max((cell.changed for cell in cells), default=0)
        return {(cell.of, cell.key) for cell in cells if cell.changed == last > since}

    def beneath(self, node: Node) -> list[Node]:
        """The node and every answer that it rests on."""
        return [below for below in self._below([node]) if isinstance(below, Node)]

    def reports(self) -> list[Any]:
        """The reports behind everything watched, each once, in a stable order."""
        watched = [node for nodes in self.memo.values() for node in nodes.values() if node.watchers]
        below = self._below(watched)
        return list(dict.fromkeys(report for node in below if isinstance(node, Node) for report in node.reports))

    def failures(self) -> list[Node]:
        """The nodes whose function raised when it was last run; their last good value stands."""
        return list(self._failing)

    def _below(self, roots: Iterable[Node]) -> list[Cell | Node]:
        seen: dict[Cell | Node, None] = dict.fromkeys(roots)
        queue: list[Cell | Node] = list(seen)
        for read in queue:
            if isinstance(read, Node):
                fresh = [below for below in read.reads if below not in seen]
                seen.update(dict.fromkeys(fresh))
                queue.extend(fresh)
        return list(seen)

    def sweep(self) -> int:
        """Forget every answer that nothing watched rests on; returns how many."""
        live = set(self._below(node for nodes in self.memo.values() for node in nodes.values() if node.watchers))
        dropped = [node for nodes in self.memo.values() for node in nodes.values() if node not in live]
        for node in dropped:
            del self.memo[node.query][node.args]
            for read in node.reads:
                remove_reader(read, node)
            node.reads, node.readers = (), None
            self._failing.pop(node, None)
        for cells in self._cells.values():
            for key in [key for key, cell in cells.items() if not cell.readers]:
                del cells[key]
        return len(dropped)
