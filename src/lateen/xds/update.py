"""What brings a client from one offer to another, worked out and encoded once for all streams at the same place.

A stream asks for the way from the offer it holds to the one it is offered now. Offers are values, so a thousand streams
at the same offer get the same `Update`, and with it the same bytes. Where audiences differ in a part of their own, an
offer is a join of a shared part and an own part, and each part's updates are worked out and shared by themselves.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from typing import Final
from weakref import WeakValueDictionary

from lateen.xds.grpc.message import Message
from lateen.xds.resource import EMPTY_OFFER, Offer, Resource, difference
from lateen.xds.subscription import NOTHING, Subscription
from lateen.xds.variant import Removal, Variant
from lateen.xds.wire import Encoder, tail, version_text

_WIDEST_JOIN = 64
"""Offers of at most so many parts, all of them offers, are compared part by part."""
_OFFERS_LISTED = 16
"""Offers whose versions are kept by name."""


class Update:
    """Resources to send and names that are gone. Bytes are made at the first use and kept as long as the update is."""

    __slots__ = ("_bodies", "_names", "changed", "gone", "type_url")

    def __init__(self, type_url: str, changed: tuple[Resource, ...], gone: tuple[str, ...] = ()) -> None:
        self.type_url = type_url
        self.changed = changed
        self.gone = gone
        self._names: frozenset[str] | None = None
        self._bodies: dict[Encoder, bytes] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of the changed resources."""
        if self._names is None:
            self._names = frozenset(resource.name for resource in self.changed)
        return self._names

    def encoded(self, encoder: Encoder) -> bytes:
        """The changed resources as they stand in a response, encoded once."""
        body = self._bodies.get(encoder)
        if body is None:
            body = self._bodies[encoder] = encoder(self.type_url, self.changed)
        return body

    def only(self, names: frozenset[str]) -> "Update":
        """The part of it that concerns these names."""
        if self.names <= names and names.issuperset(self.gone):
            return self
        changed = tuple(resource for resource in self.changed if resource.name in names)
        return Update(self.type_url, changed, tuple(name for name in self.gone if name in names))

    def without(self, names: frozenset[str]) -> "Update":
        """The part of it that does not concern these names."""
        if names.isdisjoint(self.names):
            return self
        return Update(self.type_url, tuple(r for r in self.changed if r.name not in names), self.gone)

    def size(self) -> int:
        """About how many bytes it keeps alive."""
        return 256 + sum(200 + sum(map(len, resource.pieces)) for resource in self.changed)


class Response:
    """One response, made once for all streams that are sent the same. `told` is what it tells of.

    One that is everything is everything of the offer that was `wanted`.
    """

    __slots__ = ("__weakref__", "gone", "message", "nonce", "number", "offer", "told", "type_url", "version", "wanted")

    def __init__(
        self,
        variant: Variant,
        type_url: str,
        offer: Offer,
        wanted: Subscription,
        told: tuple[Update, ...],
        carried: tuple[Update, ...],
        number: int,
    ) -> None:
        self.type_url = type_url
        self.offer = offer
        self.wanted = wanted
        self.told = told
        self.version = version_text(offer.version)
        """The version of the offer that it was made from."""
        self.number = number
        self.nonce = str(number)
        self.gone = NOTHING.union(*(update.gone for update in told))
        listed = sorted(self.gone) if variant.removal(type_url) is Removal.LISTED else ()
        bodies = [update.encoded(variant.encoder) for update in carried if update.changed]
        self.message = Message(*bodies, tail(type_url, self.version, self.nonce, listed))

    def names(self) -> frozenset[str]:
        """Everything it tells of."""
        return self.gone.union(*(update.names for update in self.told))


class Updates:
    """The updates that streams have asked for lately, up to `capacity` bytes of them, and every response that some
    stream has not answered yet. One serves all streams.
    """

    def __init__(self, capacity: int = 64 << 20) -> None:
        self._capacity: Final = capacity
        self._used = 0
        self._kept: OrderedDict[Hashable, tuple[tuple[Update, ...], int]] = OrderedDict()
        self._subscriptions: OrderedDict[Subscription, Subscription] = OrderedDict()
        self._versions: OrderedDict[bytes, dict[str, str]] = OrderedDict()
        self._responses: WeakValueDictionary[Hashable, Response] = WeakValueDictionary()
        self._number = 0

    def response(
        self,
        variant: Variant,
        type_url: str,
        offer: Offer,
        wanted: Subscription,
        told: tuple[Update, ...],
        carried: tuple[Update, ...],
        after: int,
    ) -> Response:
        """The response that tells of these updates by carrying those; its number is higher than `after`.

        A nonce only needs to differ from earlier ones of its stream, so streams that are at the same place share it,
        and with it the whole message and its acknowledgement.
        """
        key = (variant, type_url, offer.version, wanted, told, carried)
        found = self._responses.get(key)
        if found is None or found.number <= after:
            self._number += 1
            found = self._responses[key] = Response(variant, type_url, offer, wanted, told, carried, self._number)
        return found

    def between(self, type_url: str, old: Offer, new: Offer, wanted: Subscription) -> tuple[Update, ...]:
        """What a client that holds `old`, as far as it wants it, lacks of `new`."""
        way = (type_url, old.version, new.version, wanted)
        known = self._get(way)
        if known is not None:
            return known
        found = []
        for before, after in _differing(old, new):
            key = (type_url, before.version, after.version)
            (update,) = self._get(key) or self._keep(key, (_difference(type_url, before, after),))
            if not wanted.wildcard:
                update = self._restricted(key, update, wanted.names)
            if update.changed or update.gone:
                found.append(update)
        return self._keep(way, tuple(found))

    def named(
        self, type_url: str, offer: Offer, names: frozenset[str], listed_only: frozenset[str] = NOTHING
    ) -> Update:
        """An answer for each of these names: the resource, what the offer gives otherwise, or gone.

        For the names in `listed_only` the offer's `otherwise` is not asked.
        """
        key = (type_url, offer.version, offer.otherwise, names, listed_only)
        kept = self._get(key)
        if kept is None:
            changed, gone = [], []
            for name in sorted(names):
                resource = offer.get(name)
                if resource is None and offer.otherwise is not None and name not in listed_only:
                    resource = offer.otherwise(name)
                if resource is None:
                    gone.append(name)
                else:
                    changed.append(resource)
            kept = self._keep(key, (Update(type_url, tuple(changed), tuple(gone)),))
        return kept[0]

    def whole(
        self,
        type_url: str,
        offer: Offer,
        wanted: Subscription,
        exceptions: frozenset[str],
        kept: tuple[Resource, ...],
    ) -> tuple[Update, ...]:
        """Everything that is wanted of an offer, except that of some names there is what the client has kept."""
        if wanted.wildcard:
            everything = self.between(type_url, EMPTY_OFFER, offer, wanted)
        else:
            everything = (self.named(type_url, offer, wanted.names),)
        if not exceptions:
            return everything
        key = (type_url, offer.version, wanted, exceptions, kept)
        found = self._get(key)
        if found is None:
            offered = tuple(r for update in everything for r in update.changed if r.name not in exceptions)
            found = self._keep(key, (Update(type_url, offered + kept),))
        return found

    def versions(self, offer: Offer) -> Mapping[str, str]:
        """The version of every listed resource by name, as written in requests; for clients that come back."""
        found = self._versions.get(offer.version)
        if found is None:
            found = {name: version_text(resource.version) for name, resource in offer.by_name().items()}
            self._versions[offer.version] = found
            if len(self._versions) > _OFFERS_LISTED:
                self._versions.popitem(last=False)
        return found

    def shared(self, subscription: Subscription) -> Subscription:
        """An equal subscription that other streams may hold too."""
        found = self._subscriptions.setdefault(subscription, subscription)
        self._subscriptions.move_to_end(found)
        if len(self._subscriptions) > 1024:
            self._subscriptions.popitem(last=False)
        return found

    @property
    def kept_bytes(self) -> int:
        """About how much is kept."""
        return self._used

    def _restricted(self, key: Hashable, update: Update, names: frozenset[str]) -> Update:
        if len(update.changed) <= 8:  # cheaper to do again than to look up
            return update.only(names)
        key = (key, names)
        return (self._get(key) or self._keep(key, (update.only(names),)))[0]

    def _get(self, key: Hashable) -> tuple[Update, ...] | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def _keep(self, key: Hashable, updates: tuple[Update, ...]) -> tuple[Update, ...]:
        size = 256 + sum(update.size() for update in updates)
        self._kept[key] = updates, size
        self._used += size
        while self._used > self._capacity and len(self._kept) > 1:
            _, (_, freed) = self._kept.popitem(last=False)
            self._used -= freed
        return updates


def _difference(type_url: str, old: Offer, new: Offer) -> Update:
    found = difference(old, new)
    return Update(type_url, found.changed, found.removed)


def _differing(old: Offer, new: Offer) -> Iterator[tuple[Offer, Offer]]:
    """Pairs of offers that differ, as far down as both are joins of equally many offers (or the old one is empty)."""
    if old.version == new.version:
        return
    if _is_join(new) and (not old.parts or (_is_join(old) and len(old.parts) == len(new.parts))):
        for before, after in zip(old.parts or (EMPTY_OFFER,) * len(new.parts), new.parts, strict=True):
            assert isinstance(before, Offer)
            assert isinstance(after, Offer)
            yield from _differing(before, after)
    else:
        yield old, new


def _is_join(offer: Offer) -> bool:
    return 0 < len(offer.parts) <= _WIDEST_JOIN and all(isinstance(part, Offer) for part in offer.parts)
