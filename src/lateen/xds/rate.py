"""How many streams may be opened in a time: a bucket of tokens, so that a storm of reconnects leaves others room."""

from collections.abc import Callable
from typing import Final

import msgspec


class Rate(msgspec.Struct, frozen=True):
    """`burst` at once, and so many a second in the long run."""

    per_second: float
    burst: int


NEW_STREAMS: Final = Rate(per_second=1000.0, burst=5000)
"""Generous, since a new stream costs little here: what it is sent was built for others already. istiod allows 15 to
100 a second, as it builds anew for each; with that a thousand proxies would need 40 s to come back."""


class Bucket:
    """Tokens that come back with time. `clock` gives seconds."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate: Final = rate
        self._clock: Final = clock
        self._tokens = float(rate.burst)
        self._at = clock()

    def take(self) -> bool:
        """Take one token; False if there is none."""
        now = self._clock()
        self._tokens = min(self._rate.burst, self._tokens + max(0.0, now - self._at) * self._rate.per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
