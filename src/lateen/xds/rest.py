"""What else stands in a response that is everything the client is to have, besides what changed.

A client to whom absence means removal must be sent again what it keeps: names that are offered no more but still in
use, and the last good version of what it refused. That is nothing most of the time, and then all clients at the same
offer share the same bytes.
"""

from collections.abc import Iterable

from lateen.xds.resource import EMPTY_OFFER, Offer, Resource


class Rest:
    """What the client has of names whose offered version it has not taken over; None where it has nothing of it."""

    __slots__ = ("_had", "_kept")

    def __init__(self) -> None:
        self._had = EMPTY_OFFER
        self._kept: dict[str, Resource | None] = {}

    def keep(self, names: Iterable[str]) -> None:
        """The client has these names as in the last offer that it has answered."""
        for name in names:
            if name not in self._kept:
                self._kept[name] = self._had.get(name)

    def drop(self, names: Iterable[str]) -> None:
        """The client has taken over what it was sent of these names."""
        for name in names:
            self._kept.pop(name, None)

    def answered(self, offer: Offer) -> None:
        """The client has what is offered here, apart from what is kept."""
        self._had = offer

    def of(self, names: Iterable[str]) -> tuple[Resource, ...]:
        """What the client has of these names."""
        return tuple(resource for name in sorted(names) if (resource := self._kept.get(name)) is not None)
