"""Counting how often a value was how large, at the price of a few increments."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """`counts` has one entry for each bound, ascending, of the values up to it, and one for all that are larger."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[float, int]]:
        """For each bound how many values were at most that; the last bound is infinite."""
        sums, so_far = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            sums.append((bound, so_far))
        return sums
