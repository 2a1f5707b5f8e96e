"""Labels and the selectors that match them."""

from collections.abc import Mapping

import msgspec

Labels = Mapping[str, str]


class Selector(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """Labels that must all be present with these values; sorted, so that equal selectors are equal values."""

    items: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, labels: Labels) -> "Selector":
        return cls(tuple(sorted(labels.items())))

    def selects(self, labels: Labels) -> bool:
        """Whether the labels carry every pair; a selector without pairs selects everything."""
        return all(labels.get(key) == value for key, value in self.items)

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.items)
