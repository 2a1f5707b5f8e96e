"""The API objects of the local mesh, in memory, as Kubernetes keeps them: the one truth that every other part follows.

Watched files and the REST server write here; controllers, pods, DNS and the control plane subscribe. One writer: the
event loop. An object is kept as written (`raw`) and, for kinds the mesh reads, typed (`object`). A raw value belongs to
the store once it was given: neither writers nor readers change it afterwards.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

import msgspec

from lateen.common.labels import Selector
from lateen.config.decode import Invalid, UnknownKind, Untyped
from lateen.config.known_types import ResourceType
from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.config.problems import Problem, render
from lateen.local_runtime.objects.patches import merge
from lateen.local_runtime.objects.reading import decode
from lateen.local_runtime.objects.resource_types import ResourceTypes, defined_by

Json = dict[str, Any]

DEFAULT_NAMESPACE: Final = "default"
_HISTORY: Final = 4096
_SERVER_OWNED: Final = ("uid", "creationTimestamp", "resourceVersion", "generation")

_log = logging.getLogger(__name__)


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `raw` and `object` are the new state, for DELETED the last; `old` is the raw state before, if any.

    `object` is None for kinds the mesh does not read.
    """

    type: EventType
    ref: ObjectRef
    raw: Json
    object: ConfigObject | None = None
    old: Json | None = None
    version: int = 0


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    ref: ObjectRef
    raw: Json
    object: ConfigObject | None
    origin: Origin

    @property
    def labels(self) -> dict[str, str]:
        return self.raw["metadata"].get("labels") or {}


Listener = Callable[[Sequence[Event]], None]
Decoder = Callable[[Json, Origin], ConfigObject | None]
"""A raw object as a typed one, None for kinds the mesh does not read; raises `InvalidObject`."""


class InvalidObject(Exception):
    """An object that was not stored; what was stored before under its name stays in force."""

    def __init__(self, ref: ObjectRef, problems: Sequence[Problem], origin: Origin | None = None) -> None:
        self.ref = ref
        self.problems = tuple(problems)
        self.origin = origin
        super().__init__(f"{ref}: " + "; ".join(map(described, self.problems)))


def described(problem: Problem) -> str:
    """A problem in one line: the field's path, where it is about a field, and what is wrong."""
    return f"{render(problem.path)}: {problem.message}" if problem.path else problem.message


def typed(raw: Json, origin: Origin) -> ConfigObject | None:
    """A raw object as the mesh reads it: the decoder that stores use."""
    match decode(raw):
        case UnknownKind() | Untyped():
            return None
        case Invalid(ref, problems):
            raise InvalidObject(ref or ObjectRef("", str(raw.get("kind") or "object"), "", ""), problems, origin)
        case found:
            return found


class ObjectStore:
    """Objects by reference. Every write that changes something gets the next resource version; listeners hear of it."""

    def __init__(
        self,
        decode: Decoder = typed,
        types: ResourceTypes | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_uid: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self.types = types or ResourceTypes()
        self._decode = decode
        self._now = now
        self._new_uid = new_uid
        self._kinds: dict[tuple[str, str], dict[ObjectRef, StoredObject]] = {}
        self._version = 1
        self._history: deque[Event] = deque(maxlen=_HISTORY)
        self._forgotten = 1
        self._listeners: list[Listener] = []
        self._pending: list[Event] = []
        self._batches = 0
        self._telling = False

    @property
    def version(self) -> int:
        """The resource version of the last change."""
        return self._version

    def ref_of(self, raw: Json, namespace: str = DEFAULT_NAMESPACE) -> ObjectRef:
        """The reference of an object as written; `namespace` is for those that name none. Raises `InvalidObject`."""
        return self._identify(raw, namespace)[1]

    def get(self, ref: ObjectRef) -> StoredObject | None:
        return self._kinds.get((ref.group, ref.kind), {}).get(ref)

    def list(
        self, group: str, kind: str, namespace: str | None = None, selector: Selector | None = None
    ) -> Sequence[StoredObject]:
        """Objects of a kind by namespace and name; all namespaces for None."""
        found = [
            stored
            for ref, stored in self._kinds.get((group, kind), {}).items()
            if (namespace is None or ref.namespace == namespace)
            and (selector is None or selector.selects(stored.labels))
        ]
        return sorted(found, key=lambda stored: stored.ref)

    def __iter__(self) -> Iterator[StoredObject]:
        for objects in self._kinds.values():
            yield from objects.values()

    def put(
        self, raw: Json, *, origin: Origin, namespace: str = DEFAULT_NAMESPACE, dry_run: bool = False
    ) -> StoredObject:
        """Create an object, or replace all of it but its status and what the server owns.

        `namespace` is for objects that name none. A `status` in `raw` is ignored. Nothing happens where nothing
        differs. Raises `InvalidObject`, and then nothing has changed. A dry run changes nothing either way.
        """
        kind, ref = self._identify(raw, namespace)
        before = self.get(ref)
        metadata = {k: v for k, v in raw["metadata"].items() if k not in _SERVER_OWNED and v is not None}
        metadata["name"] = ref.name
        if kind.namespaced:
            metadata["namespace"] = ref.namespace
        else:
            metadata.pop("namespace", None)
        written = {k: v for k, v in raw.items() if k not in ("metadata", "status")}
        status = {} if before is None or "status" not in before.raw else {"status": before.raw["status"]}
        return self._write(ref, {**written, "metadata": metadata, **status}, origin, dry_run)

    def patch(self, ref: ObjectRef, merge_patch: Json) -> StoredObject:
        """Apply a JSON merge patch (RFC 7386) to an object but its status. Raises `KeyError` for one not there."""
        before = self._existing(ref)
        patched = merge(before.raw, {k: v for k, v in merge_patch.items() if k != "status"})
        if self.ref_of(patched) != ref:
            raise InvalidObject(ref, (Problem(("metadata", "name"), "names, kind and group cannot be changed"),))
        return self.put(patched, origin=before.origin)

    def put_status(self, ref: ObjectRef, status: Json) -> StoredObject:
        """Replace an object's status. Raises `KeyError` for an object not there."""
        before = self._existing(ref)
        metadata = {k: v for k, v in before.raw["metadata"].items() if k not in _SERVER_OWNED}
        return self._write(ref, {**before.raw, "metadata": metadata, "status": status}, before.origin)

    def delete(self, ref: ObjectRef) -> StoredObject | None:
        """Remove an object, and with a Namespace everything in it; the last state, or None if it was not there."""
        stored = self.get(ref)
        if stored is None:
            return None
        with self.batch():
            if (ref.group, ref.kind) == ("", "Namespace"):
                for inside in [o.ref for o in self if o.ref.namespace == ref.name]:
                    self.delete(inside)
            del self._kinds[(ref.group, ref.kind)][ref]
            self._version += 1
            metadata = {**stored.raw["metadata"], "resourceVersion": str(self._version)}
            last = {**stored.raw, "metadata": metadata}
            self._record(EventType.DELETED, ref, last, stored.object, stored.raw)
        return stored

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Within, changes are visible at once, and listeners hear of all of them together at the end."""
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1
            self._tell()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every later change, in order; returns what ends that.

        A listener may write; what it wrote is told after all listeners have heard what is being told now.
        """
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def since(self, version: int) -> Sequence[Event] | None:
        """Changes after a resource version, oldest first; None where history no longer reaches back that far."""
        if version < self._forgotten or version > self._version:
            return None
        return [event for event in self._history if event.version > version]

    def _existing(self, ref: ObjectRef) -> StoredObject:
        stored = self.get(ref)
        if stored is None:
            raise KeyError(str(ref))
        return stored

    def _identify(self, raw: Json, namespace: str) -> tuple[ResourceType, ObjectRef]:
        metadata = raw.get("metadata")
        if not isinstance(metadata, dict):
            metadata = {}
        said = {
            ("apiVersion",): raw.get("apiVersion"),
            ("kind",): raw.get("kind"),
            ("metadata", "name"): metadata.get("name"),
            ("metadata", "namespace"): metadata.get("namespace") or namespace or DEFAULT_NAMESPACE,
        }
        problems = [
            Problem(path, f"must be text, not {value!r}" if value else "missing; every object needs it")
            for path, value in said.items()
            if not isinstance(value, str) or not value
        ]
        api_version, kind, name, within = (str(value or "") for value in said.values())
        if problems:
            raise InvalidObject(ObjectRef("", kind or "object", within, name), problems)
        resource_type = self.types.recognise(api_version, kind)
        where = within if resource_type.namespaced else ""
        return resource_type, ObjectRef(resource_type.group, kind, where, name)

    def _write(self, ref: ObjectRef, raw: Json, origin: Origin, dry_run: bool = False) -> StoredObject:
        """Store `raw`, whose metadata lack what the server owns, unless it equals what is there."""
        before = self.get(ref)
        if before is None:
            owned: Json = {"uid": self._new_uid(), "creationTimestamp": _timestamp(self._now()), "generation": 1}
        else:
            owned = {key: before.raw["metadata"][key] for key in ("uid", "creationTimestamp", "generation")}
            if _content(before.raw) != _content(raw):
                owned["generation"] += 1
        version = self._version if before is None else int(before.raw["metadata"]["resourceVersion"])
        kept = {**raw, "metadata": {**raw["metadata"], **owned, "resourceVersion": str(version)}}
        if before is not None and kept == before.raw:
            if origin != before.origin:
                before = msgspec.structs.replace(before, origin=origin)
                self._kinds[(ref.group, ref.kind)][ref] = before
            return before
        typed = self._decode(kept, origin)
        if dry_run:
            return StoredObject(ref=ref, raw=kept, object=typed, origin=origin)
        self._learn(ref, kept)
        self._version += 1
        kept["metadata"]["resourceVersion"] = str(self._version)
        stored = StoredObject(ref=ref, raw=kept, object=typed, origin=origin)
        self._kinds.setdefault((ref.group, ref.kind), {})[ref] = stored
        kind = EventType.ADDED if before is None else EventType.MODIFIED
        self._record(kind, ref, kept, typed, None if before is None else before.raw)
        self._tell()
        return stored

    def _learn(self, ref: ObjectRef, raw: Json) -> None:
        """Know the type of an object that was accepted, and the type it defines."""
        if self.types.of_kind(ref.group, ref.kind) is None:
            _log.warning("%s %s is a kind the mesh does not know: stored, without effect", raw["apiVersion"], ref)
        self.types.define(self.types.recognise(raw["apiVersion"], raw["kind"]))
        if ref.kind == "CustomResourceDefinition" and (defined := defined_by(raw)) is not None:
            self.types.define(defined)

    def _record(self, kind: EventType, ref: ObjectRef, raw: Json, typed: ConfigObject | None, old: Json | None) -> None:
        event = Event(type=kind, ref=ref, raw=raw, object=typed, old=old, version=self._version)
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].version
        self._history.append(event)
        self._pending.append(event)

    def _tell(self) -> None:
        if self._batches or self._telling:
            return
        self._telling = True
        try:
            while self._pending:
                events, self._pending = tuple(self._pending), []
                for listener in tuple(self._listeners):
                    try:
                        listener(events)
                    except Exception:
                        _log.exception("a listener failed on %s", ", ".join(str(event.ref) for event in events))
        finally:
            self._telling = False


def _content(raw: Json) -> Json:
    return {key: value for key, value in raw.items() if key not in ("apiVersion", "kind", "metadata", "status")}


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
