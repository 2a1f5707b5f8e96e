"""What else stands in a response that is everything the client is to have, besides what changed.

A client to whom absence means removal must be sent again what it keeps: names that are offered no more but still in
use, and the last good version of what it refused. That is nothing most of the time, and then all clients at the same
offer share the same bytes.
"""

from collections.abc import Iterable

from lateen.xds.resource import EMPTY_OFFER, Offer, Resource
from lateen.xds.subscription import UNSUBSCRIBED, Subscription


class Rest:
    """What the client has of names whose offered version it has not taken over; None where it has nothing of it."""

    __slots__ = ("_had", "_kept", "_wanted")

    def __init__(self) -> None:
        self._had = EMPTY_OFFER
        self._wanted = UNSUBSCRIBED
        self._kept: dict[str, Resource | None] = {}

    def keep(self, names: Iterable[str]) -> None:
        """The client has these names as in the last offer that it has answered, if it wanted them then."""
        for name in names:
            if name not in self._kept:
                self._kept[name] = self._had.get(name) if self._wanted.covers(name) else None

    def drop(self, names: Iterable[str]) -> None:
        """The client has taken over what it was sent of these names."""
        for name in names:
            self._kept.pop(name, None)

    def answered(self, offer: Offer, wanted: Subscription) -> None:
        """The client has what it wanted of this offer, apart from what is kept."""
        self._had, self._wanted = offer, wanted

    def of(self, names: Iterable[str]) -> tuple[Resource, ...]:
        """What the client has of these names."""
        return tuple(resource for name in sorted(names) if (resource := self._kept.get(name)) is not None)
