"""Hands the store's objects to the control plane: every change of one turn of the event loop as one batch."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from lateen.config.objects import ConfigObject, ObjectRef
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore


class Diagnostic(Protocol):
    """Something wrong with an object, which it says as text."""

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        ...


class Page(Protocol):
    """An answer: an HTTP status, a content type, and a text."""

    @property
    def status(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def text(self) -> str: ...


class ControlPlane(Protocol):
    """The control plane as the local mesh runs it, in its own process."""

    async def serve(self, socket: Path) -> None:
        """Listen for proxies on a unix socket; returns once it accepts connections."""
        ...

    def apply(self, changed: Sequence[ConfigObject], deleted: Sequence[ObjectRef]) -> None:
        """Take a batch of objects as one change; the first is everything there is."""
        ...

    async def settled(self) -> None:
        """Return once everything handed over so far is worked out."""
        ...

    async def page(self, path: str, query: str) -> Page:
        """What there is to say under `/debug` or of `/metrics`."""
        ...

    def diagnostics(self) -> Sequence[Diagnostic]:
        """What is wrong with objects in force."""
        ...

    def refused(self) -> Sequence[Diagnostic]:
        """What proxies refuse to take over, on the objects behind it."""
        ...

    async def acknowledged(self, patience_s: float) -> None:
        """Return once every proxy has answered, or patience is at its end."""
        ...

    async def close(self) -> None: ...


class Feed:
    """Collects what the store tells until the event loop's next turn.

    Start it after the controllers: what they derive from a change then goes out with the change, never after it.
    """

    def __init__(self, store: ObjectStore, control_plane: ControlPlane) -> None:
        self._store = store
        self._control_plane = control_plane
        self._pending: dict[ObjectRef, ConfigObject | None] = {}
        self._scheduled: asyncio.Handle | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Hand over everything there is, now, and from then on whatever changes."""
        self._unsubscribe = self._store.subscribe(self._hear)
        self._control_plane.apply([o.object for o in self._store if o.object is not None], ())

    @property
    def busy(self) -> bool:
        """Something waits to be handed over."""
        return self._scheduled is not None

    def close(self) -> None:
        """Hand over nothing more."""
        self._unsubscribe()
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _flush(self) -> None:
        self._scheduled = None
        pending, self._pending = self._pending, {}
        changed = [found for found in pending.values() if found is not None]
        self._control_plane.apply(changed, [ref for ref, found in pending.items() if found is None])

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.object is not None:
                self._pending[event.ref] = None if event.type is EventType.DELETED else event.object
        if self._pending and self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._flush)
