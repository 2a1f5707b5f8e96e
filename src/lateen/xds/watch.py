"""One type of one stream: what the client wants, what it has been sent, and what is still open. No IO, no other types.

The client is described by a reference to the offer it has been sent, shared with all who were sent the same, and by
exceptions, which are empty most of the time. What to send is always worked out from that and from what is offered now.
"""

import re
from collections.abc import Mapping, Set
from typing import Final, assert_never

import msgspec

from lateen.xds.resource import EMPTY_OFFER, Offer, Resource
from lateen.xds.rest import Rest
from lateen.xds.subscription import NOTHING, UNSUBSCRIBED, Ask, Change, Edit, Names, Subscription
from lateen.xds.update import Response, Update, Updates
from lateen.xds.variant import Removal, Variant
from lateen.xds.wire import version_text

_MOST_FLIGHTS = 4
"""Unanswered responses that are remembered for a client that answers late or never."""

_NAMING_ERRORS = re.compile(r"Error adding/updating (cluster|listener)\(s\) ")
"""How Envoy's delta CDS and LDS begin a refusal that lists the refused names; it has then applied all others."""


class TypeStatus(msgspec.Struct, frozen=True):
    """Where a type of a stream stands. Nonces are empty, and versions too, until there is one.

    `synced`: the client has accepted everything it asked for and is offered. `error` is the last refusal's message,
    until the client accepts again; `refused` are the names whose offered version it has refused.
    """

    wildcard: bool
    names: int
    nonce_sent: str
    nonce_accepted: str
    version_sent: str
    version_accepted: str
    synced: bool
    error: str
    refused: tuple[str, ...]


class Watch:
    """The state of one type. `sent` is the offer that has been sent, except for what the other fields say."""

    __slots__ = (
        "_held", "_number", "_refused", "_rest", "_retries", "_variant", "accepted", "error", "flights", "fresh",
        "lingering", "nonce_accepted", "offered", "overdue", "owed", "removal", "resumed", "sent", "subscription",
        "type_url",
    )  # fmt: skip

    def __init__(self, type_url: str, variant: Variant) -> None:
        self.type_url: Final = type_url
        self.removal: Final = variant.removal(type_url)
        self._variant = variant
        self.subscription: Subscription = UNSUBSCRIBED
        self.offered: Offer | None = None
        self.sent: Offer = EMPTY_OFFER
        self.owed: frozenset[str] = NOTHING
        """Names to be answered, whatever the client holds."""
        self.lingering: frozenset[str] = NOTHING
        """Names that are offered no more and that the client still has."""
        self.fresh = False
        """The wildcard is newly subscribed: an answer is due, if only an empty one."""
        self.flights: list[Response] = []
        """Responses on their way: sent, not yet answered."""
        self.overdue = False
        """What is on its way holds up nothing any more."""
        self.accepted = ""
        self.nonce_accepted = ""
        self.error = ""
        self.resumed = False
        """The client brought something from an earlier stream."""
        self._held: Mapping[str, str] = {}
        self._rest = Rest() if self.removal is Removal.BY_ABSENCE else None
        self._refused: dict[str, bytes] = {}
        self._retries: list[frozenset[str]] = []
        self._number = 0

    # what the client asks

    def subscribe(self, change: Change, updates: Updates) -> None:
        """Take over a changed subscription."""
        self.subscription = updates.shared(change.subscription)
        self.owed |= change.asked
        if self._rest is not None:
            self._rest.keep(change.asked)
        if change.everything:
            self.fresh = True
            self.sent = EMPTY_OFFER
            self._retries = []
        if not self.subscription.wildcard:
            names = self.subscription.names
            self.owed &= names
            self.lingering &= names
            if self._refused:
                self._refused = {name: self._refused[name] for name in names & self._refused.keys()}

    def resume(self, ask: Ask) -> None:
        """Take over what the first request says the client has from an earlier stream.

        The version in a state-of-the-world request says too little for that: of a response that it refused the client
        may have applied a part.
        """
        match ask:
            case Edit(held=held):
                self.resumed = bool(held)
                self._held = held
                self.owed = NOTHING if held else self.owed
            case Names(version=version):
                self.resumed = bool(version)
            case _:
                assert_never(ask)

    def distrust(self, names: frozenset[str]) -> None:
        """Answer these names again, as far as they are wanted: the client has forgotten what it had."""
        if not self.subscription.wildcard and not names <= self.subscription.names:
            names &= self.subscription.names
        self.owed = self.owed | names if self.owed else names  # often thousands of names: not copied if possible

    # what is open

    @property
    def busy(self) -> bool:
        """A response is on its way and may still be answered soon."""
        return bool(self.flights) and not self.overdue

    @property
    def due(self) -> bool:
        """There is something to find out or to send, apart from lingering names."""
        offered = self.offered
        if offered is None:
            return False
        if self.sent is not offered and self.sent.version != offered.version:
            return True
        return self.fresh or bool(self.owed) or bool(self._retries)

    @property
    def quiet(self) -> bool:
        """The client has what is offered and nothing that is gone, and has said so."""
        return not (self.busy or self.due or self.lingering or self._refused)

    @property
    def refuses(self) -> bool:
        """Something that is offered was refused, or is sent again in parts to find out what of it was."""
        return bool(self._refused or self._retries)

    @property
    def empty_handed(self) -> bool:
        """The client cannot have anything of this type."""
        return not (self._number or self.resumed)

    # what to send

    def collect(self, updates: Updates) -> tuple[Update, ...]:
        """What the client lacks, as from now on taken to be sent. Names that are gone go to `lingering`.

        The updates' own `gone` is to be sent only for names that were asked for, and is empty for all others.
        """
        offer = self.offered
        assert offer is not None
        if self._retries:
            names = self._retries.pop(0).difference(self._refused)
            wanted = names if self.subscription.wildcard else names & self.subscription.names
            self.owed = self.owed.difference(wanted)
            return self._named(updates, self.sent, wanted)
        if self._held:
            self._resume(offer, updates)
        found = updates.between(self.type_url, self.sent, offer, self.subscription)
        self.sent = offer
        if self.owed or self.lingering or self._refused or any(update.gone for update in found):
            return self._adjusted(found, offer, updates)
        return found

    def _adjusted(self, found: tuple[Update, ...], offer: Offer, updates: Updates) -> tuple[Update, ...]:
        """What was found, as it is for a client with exceptions, together with what the client is owed."""
        if self.lingering or any(update.gone for update in found):
            self._linger(found)
            found = tuple(Update(u.type_url, u.changed) if u.gone else u for u in found)
        if self._refused:
            found = self._without_refused(found, offer)
        if self.owed:
            owed = self.owed.difference(*(update.names for update in found)) if found else self.owed
            if self._rest is not None:
                owed = owed.difference(self._refused)
            found += self._named(updates, offer, owed)
            self.lingering -= owed
            self.owed = NOTHING
        return tuple(update for update in found if update.changed or update.gone)

    def collect_gone(self, updates: Updates) -> tuple[Update, ...]:
        """What takes the place of the lingering names, now that nothing uses them any more."""
        offer = self.offered
        assert offer is not None
        names, self.lingering = self.lingering, NOTHING
        return self._named(updates, offer, names)

    def dispatch(self, found: tuple[Update, ...], updates: Updates) -> Response:
        """The response that tells of what was found, from now on on its way.

        One that is everything carries again what earlier ones carried unanswered.
        """
        told = carried = found
        if self._rest is not None:
            told += tuple(update for flight in self.flights for update in flight.told)
            carried = self._everything(updates, self._rest)
        wanted = self.subscription if self._rest is not None else UNSUBSCRIBED
        response = updates.response(self._variant, self.type_url, self.sent, wanted, told, carried, self._number)
        self._number = response.number
        self.flights.append(response)
        del self.flights[:-_MOST_FLIGHTS]
        self.fresh = self.overdue = False
        return response

    def _everything(self, updates: Updates, rest: Rest) -> tuple[Update, ...]:
        """All that the client is to have. Of `exceptions` it has not, or is not to have yet, what was sent."""
        exceptions = self.lingering.union(self.owed, self._refused, *self._retries)
        return updates.whole(self.type_url, self.sent, self.subscription, exceptions, rest.of(exceptions))

    def _named(self, updates: Updates, offer: Offer, names: frozenset[str]) -> tuple[Update, ...]:
        if not names:
            return ()
        by_wildcard = names - self.subscription.names if self.subscription.wildcard else NOTHING
        update = updates.named(self.type_url, offer, names, by_wildcard)
        if self.removal is Removal.UNTOLD and update.gone:
            update = Update(self.type_url, update.changed)
        return (update,) if update.changed or update.gone else ()

    def _resume(self, offer: Offer, updates: Updates) -> None:
        """Go on from the versions that the client holds from an earlier stream."""
        held, self._held = self._held, {}
        self.sent = offer
        versions = updates.versions(offer)
        wanted: Set[str] = self.subscription.names
        if held == versions and wanted <= versions.keys():  # nearly always
            return
        if self.subscription.wildcard:
            wanted = wanted | versions.keys()
        self.lingering = frozenset(n for n in held if self.subscription.covers(n) and n not in versions)
        self.owed |= {name for name in wanted - self.lingering if not _holds(held, versions, offer, name)}

    def _linger(self, found: tuple[Update, ...]) -> None:
        """Note what is gone. A name may be gone from one part of the offer and be in another."""
        present = NOTHING.union(*(update.names for update in found))
        gone = NOTHING.union(*(update.gone for update in found)) - present
        self.lingering = (self.lingering | gone) - present
        if self._rest is not None:
            self._rest.keep(gone)

    def _without_refused(self, found: tuple[Update, ...], offer: Offer) -> tuple[Update, ...]:
        same = {
            n for n, version in self._refused.items() if (now := offer.get(n)) is not None and now.version == version
        }
        self._refused = {name: self._refused[name] for name in same}
        return tuple(update.without(frozenset(same)) for update in found) if same else found

    # what the client answers

    def answered(self, nonce: str) -> Response | None:
        """The response of that nonce, from now on answered; None if none is awaited."""
        for position, flight in enumerate(self.flights):
            if flight.nonce == nonce:
                del self.flights[: position + 1]
                return flight
        return None

    def accept(self, flight: Response) -> None:
        """The client has accepted a response."""
        self.accepted, self.nonce_accepted = flight.version, flight.nonce
        if self._rest is not None:
            self._rest.drop(flight.names().difference(self._refused))
            self._rest.answered(flight.offer, flight.wanted)
        if not self.refuses:
            self.error = ""

    def refuse(self, flight: Response, error: str) -> frozenset[str]:
        """The client has refused a response; the names that are to blame, empty as long as that is not known.

        A client refuses a response as a whole, and may not have applied its other resources either. Where it does not
        say which one is wrong, the response is sent again in halves until it is alone, or without what is known to be
        refused. Names that it has given up meanwhile are no longer of interest.
        """
        names = flight.names()
        wanted = frozenset(filter(self.subscription.covers, names))
        if self._rest is not None:
            self._rest.keep(names)
        named = _blamed(names, error)
        blamed = wanted & named if named else wanted
        if blamed:
            self.error = error or "refused without a reason"
        if self.fresh or (self._rest is not None and self.flights):
            return NOTHING  # a later response carries all of this again, so the answer to that counts
        if blamed and not named and len(names) > 1:
            known = frozenset(r.name for u in flight.told for r in u.changed if self._refused.get(r.name) == r.version)
            self._retries[:0] = filter(None, [wanted - known]) if known else _halves(wanted)
            self.owed -= known
            return NOTHING
        for update in flight.told:
            for resource in update.changed:
                if resource.name in blamed and _given(self.sent, resource.name) == resource:
                    self._refused[resource.name] = resource.version
        self.owed = self.owed.difference(self._refused)
        if self._rest is not None:
            self._rest.drop(names - blamed)
            self._rest.answered(flight.offer, flight.wanted)
        return blamed

    def status(self) -> TypeStatus:
        """For those who want to know how the stream is doing."""
        synced = self.quiet and not self.flights and self.offered is not None
        return TypeStatus(
            wildcard=self.subscription.wildcard,
            names=len(self.subscription.names),
            nonce_sent=str(self._number) if self._number else "",
            nonce_accepted=self.nonce_accepted,
            version_sent=version_text(self.sent.version) if self._number else "",
            version_accepted=self.accepted,
            synced=synced,
            error="" if synced else self.error,  # what was refused may be offered no more
            refused=tuple(sorted(self._refused)),
        )


def _given(offer: Offer, name: str) -> Resource | None:
    found = offer.get(name)
    return found if found is not None or offer.otherwise is None else offer.otherwise(name)


def _halves(names: frozenset[str]) -> list[frozenset[str]]:
    ordered = sorted(names)
    middle = len(ordered) // 2
    return [frozenset(half) for half in (ordered[:middle], ordered[middle:]) if half]


def _holds(held: Mapping[str, str], versions: Mapping[str, str], offer: Offer, name: str) -> bool:
    version = versions.get(name)
    if version is None and offer.otherwise is not None and name in held:
        version = version_text(offer.otherwise(name).version)
    return version is not None and held.get(name) == version


def _blamed(names: frozenset[str], error: str) -> frozenset[str]:
    listed = _NAMING_ERRORS.match(error)
    if listed is None:
        return NOTHING
    rest = error[listed.end() :]
    return frozenset(name for name in names if re.search(rf"(^|[\s,]){re.escape(name)}: ", rest))
