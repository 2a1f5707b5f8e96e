"""Hands the store's objects to the control plane: every change of one turn of the event loop as one batch."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from lateen.config.objects import ObjectRef
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore
from lateen.sources.handover import Batch, Json


class Receiver(Protocol):
    """Who takes the objects."""

    def follow(self, everything: Callable[[], Batch]) -> None:
        """Take everything there is, now and whenever it starts anew."""
        ...

    def apply(self, batch: Batch) -> None:
        """Take a batch of objects as one change."""
        ...


class Feed:
    """Collects what the store tells until the event loop's next turn.

    Start it after the controllers: what they derive from a change then goes out with the change, never after it.
    """

    def __init__(self, store: ObjectStore, receiver: Receiver) -> None:
        self._store = store
        self._receiver = receiver
        self._pending: dict[ObjectRef, Json | None] = {}
        self._scheduled: asyncio.Handle | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Hand over everything there is, now, and from then on whatever changes."""
        self._unsubscribe = self._store.subscribe(self._hear)
        self._receiver.follow(self._everything)

    @property
    def busy(self) -> bool:
        """Something waits to be handed over."""
        return self._scheduled is not None

    def close(self) -> None:
        """Hand over nothing more."""
        self._unsubscribe()
        if self._scheduled is not None:
            self._scheduled.cancel()

    def _everything(self) -> Batch:
        return Batch([stored.raw for stored in self._store if stored.object is not None])

    def _flush(self) -> None:
        self._scheduled = None
        pending, self._pending = self._pending, {}
        changed = [raw for raw in pending.values() if raw is not None]
        self._receiver.apply(Batch(changed, [ref for ref, raw in pending.items() if raw is None]))

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.object is not None:
                self._pending[event.ref] = None if event.type is EventType.DELETED else event.raw
        if self._pending and self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._flush)
