"""Whose turn it is to write: when a change is large for many clients, their sockets may all take more at the same time,
so they are written to in turns, a little in each round of the event loop, which others need, too."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_LENGTH_S: Final = 0.001


class Turns:
    """Those who wait to write; one serves all connections of an event loop. In a round they have `length_s` together.

    The last to ask goes first: clients that are being served are finished before others are, so fewer have something in
    buffers.
    """

    def __init__(self, length_s: float = _LENGTH_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._length_s = length_s
        self._clock = clock
        self._waiting: dict[Callable[[], None], None] = {}
        self._due = False

    def ask(self, write: Callable[[], None]) -> None:
        """Have it called, once, as soon as it is its turn."""
        self._waiting[write] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._take)

    def _take(self) -> None:
        self._due = False
        end = self._clock() + self._length_s
        try:
            while self._waiting:
                write, _ = self._waiting.popitem()
                write()
                if self._clock() >= end:
                    break
        finally:
            self._schedule()
