"""Keeps the local mesh as its objects say: the loop that tells controllers of changes and lets them work.

Level-triggered: a controller remembers which objects to look at, never what happened to them, and compares what is with
what should be. All of them run on the event loop, one pass after a batch of changes, in an order in which one pass is
mostly enough; what they write themselves leads to another pass until nothing is left to do.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from lateen.local_runtime.objects.store import Event, EventType, ObjectStore

_log = logging.getLogger(__name__)


class Controller(Protocol):
    """One concern, such as the EndpointSlices of Services."""

    def hear(self, event: Event) -> None:
        """Remember what has to be looked at again because of this change."""
        ...

    def reconcile(self) -> None:
        """Look at what was remembered, and bring about what should be."""
        ...


class Controllers:
    """Runs controllers in order on one store, from `start` to `close`."""

    def __init__(self, store: ObjectStore, controllers: Sequence[Controller]) -> None:
        self._store = store
        self._controllers = tuple(controllers)
        self._scheduled: asyncio.Handle | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._closed = False

    def start(self) -> None:
        """Look at everything there is, at once, and from then on at whatever changes."""
        self._unsubscribe = self._store.subscribe(self._hear)
        self._hear([Event(type=EventType.ADDED, ref=o.ref, raw=o.raw, object=o.object) for o in self._store])
        self._work()

    def close(self) -> None:
        """Stop working, whoever wakes them; nothing that was brought about is undone."""
        self._closed = True
        self._unsubscribe()
        self._forget_pass()

    @property
    def busy(self) -> bool:
        """Another pass is due."""
        return self._scheduled is not None

    def wake(self) -> None:
        """Make a pass soon: a controller has learned something from elsewhere than the store."""
        if self._scheduled is None and not self._closed:
            self._scheduled = asyncio.get_running_loop().call_soon(self._work)

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            for controller in self._controllers:
                controller.hear(event)
        self.wake()

    def _forget_pass(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None

    def _work(self) -> None:
        self._forget_pass()
        # One batch per controller: the next one hears of what it wrote before its own turn comes.
        for controller in self._controllers:
            try:
                with self._store.batch():
                    controller.reconcile()
            except Exception:
                _log.exception("%s failed; it tries again at the next change", type(controller).__name__)
