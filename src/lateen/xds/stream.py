"""The aggregated discovery protocol as a state machine without IO: requests and offers in, responses and events out.

    request -> receive -.                                   .-> responses, in the order in which they must be written
                         >  watches, one for each type  ---<
    offers  -> offer   -'                                   '-> events: Subscribed, Accepted, Refused

Both variants of the protocol run on it; `Variant` has all in which they differ.

Level-triggered: a watch compares what the client has been sent with what is offered now, with at most one unanswered
response for each type, so changes meanwhile coalesce.

**Make before break.** Additions go out in the order CDS, EDS, LDS, RDS, SDS. Changed listeners and routes wait until
the client has accepted the clusters sent before them; Envoy does that when the clusters are warm (measured: it keeps
the acknowledgement of a cluster update back until then). What is gone stays with the client until everything that may
use it has been accepted without it: `USERS`. A refused listener or route is still in force as it was, so what it uses
stays. A state-of-the-world client that comes back does not say what it has, so there it cannot be kept from losing it.

**Warming.** Envoy warms an updated EDS cluster like a new one and waits for its load assignment, but does not ask for
it again, since it is still subscribed to that name. So every sent cluster has its load assignment sent again.

**Patience.** A client may take long to answer (a cluster that never gets warm), so waiting is limited: whoever drives
the stream calls `release` when it has been `waiting` for long enough.
"""

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

import msgspec

from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, PUSH_ORDER, ROUTE, SECRET, Offer
from lateen.xds.subscription import Ask, Edit, Names, Subscription, first, later, limit
from lateen.xds.update import Response, Update, Updates
from lateen.xds.variant import Request, Variant
from lateen.xds.watch import TypeStatus, Watch

USERS: Final[Mapping[str, tuple[str, ...]]] = {
    CLUSTER: (LISTENER, ROUTE),
    ENDPOINT: (CLUSTER, LISTENER, ROUTE),
    ROUTE: (LISTENER,),
    SECRET: (CLUSTER, LISTENER, ROUTE),
}
"""For each type those whose resources may name one of its: what is gone is removed when they are settled."""

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {LISTENER: (CLUSTER,), ROUTE: (CLUSTER,)}
"""For each type those that must have been accepted before its changes are sent."""

MOST_TYPES = 32
"""Types that one stream may ask for."""

_ORDER: Final = {type_url: position for position, type_url in enumerate(PUSH_ORDER)}
_REMEMBERED_UPDATES = 4


class Subscribed(msgspec.Struct, frozen=True):
    """A type is asked for the first time, or names of it that were not asked for before."""

    type_url: str


class Accepted(msgspec.Struct, frozen=True):
    """The client has taken over a response; `version` is that of the offer it was made from.

    `clean`: it refuses nothing else of the type, nor is there anything that it refused once and is asked about again.
    """

    type_url: str
    version: str
    clean: bool = True


class Refused(msgspec.Struct, frozen=True):
    """The client keeps what it had of these names; `versions` are those it refused, name by name (empty: a removal)."""

    type_url: str
    names: tuple[str, ...]
    versions: tuple[bytes, ...]
    error: str


Event = Subscribed | Accepted | Refused


class AdsStream:
    """One stream of discovery. `updates` is shared between streams; `take_events` gives what happened, once."""

    __slots__ = ("_clusters", "_complete", "_events", "_left", "_offers", "_updates", "_variant", "_watches", "waiting")

    def __init__(self, variant: Variant, updates: Updates) -> None:
        self._variant = variant
        self._updates = updates
        self._watches: dict[str, Watch] = {}
        """In the order of sending."""
        self._offers: dict[str, Offer] = {}
        self._events: list[Event] = []
        self.waiting = False
        """Something to be sent waits for the client's answer, or for what it may still ask for."""
        self._left = False
        """Something waits, or lingers with the client: an answer may let it go on."""
        self._complete = False
        """A type that has not been asked for by now is one that the client does not use."""
        self._clusters: tuple[Update, ...] | None = ()
        """Clusters sent before load assignments were first asked for; None when they are no longer of interest."""

    def receive(self, request: Request) -> list[Response]:
        """Take a request and return what is to be sent now. Raises `CallError` for one that must end the stream."""
        watch = self._watches.get(request.type_url)
        if watch is None:
            self._open(request)
        else:
            if request.nonce:
                self._answered(watch, request)
            self._resubscribe(watch, request.ask)
            if not (self._left or watch.due):  # as nearly always
                return []
        return self._advance()

    def offer(self, offers: Mapping[str, Offer]) -> list[Response]:
        """What is offered from now on, by type URL; types left out stay as they are."""
        self._offers.update(offers)
        for type_url, offer in offers.items():
            watch = self._watches.get(type_url)
            if watch is not None:
                watch.offered = offer
        return self._advance()

    def release(self) -> list[Response]:
        """Wait no longer for any answer or request that is missing; what waited for it is returned."""
        self._complete = True
        for watch in self._watches.values():
            watch.overdue = True
        return self._advance(patient=False)

    def take_events(self) -> list[Event]:
        """What has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    @property
    def quiet(self) -> bool:
        """Whether no answer is awaited, and nothing waits to be sent."""
        if self.waiting:
            return False
        for watch in self._watches.values():  # noqa: SIM110  asked at every acknowledgement, where a generator is felt
            if watch.flights:
                return False
        return True

    @property
    def unanswered(self) -> frozenset[Response]:
        """The responses on their way."""
        return frozenset(flight for watch in self._watches.values() for flight in watch.flights)

    @property
    def offered(self) -> Mapping[str, Offer]:
        """The latest offers, by type URL."""
        return self._offers

    def subscriptions(self) -> dict[str, Subscription]:
        """What is asked for, by type URL, in the order of sending."""
        return {type_url: watch.subscription for type_url, watch in self._watches.items()}

    @property
    def types(self) -> frozenset[str]:
        """The type URLs that have been asked for."""
        return frozenset(self._watches)

    def status(self) -> dict[str, TypeStatus]:
        """By type URL, for every type asked for, in the order of sending."""
        return {type_url: watch.status() for type_url, watch in self._watches.items()}

    # requests

    def _open(self, request: Request) -> None:
        """The first request of a type. Its nonce, if any, is that of an earlier stream."""
        type_url, ask = request.type_url, request.ask
        if not type_url:
            raise CallError(
                Status.INVALID_ARGUMENT, "type_url is missing: an aggregated stream needs one in each request"
            )
        if len(self._watches) >= MOST_TYPES:
            raise CallError(Status.RESOURCE_EXHAUSTED, f"more than {MOST_TYPES} types on one stream")
        _limit(type_url, ask)
        watch = Watch(type_url, self._variant)
        watch.subscribe(first(type_url, ask), self._updates)
        watch.resume(ask)
        watch.offered = self._offers.get(type_url)
        known = {**self._watches, type_url: watch}
        self._watches = dict(sorted(known.items(), key=lambda each: _ORDER.get(each[0], len(_ORDER))))
        if type_url == ENDPOINT:
            self._forget_assignments(watch)
        self._events.append(Subscribed(type_url))

    def _resubscribe(self, watch: Watch, ask: Ask) -> None:
        before = watch.subscription
        change = later(before, ask)
        after = change.subscription
        if after is before and not change.asked and not change.everything:
            return
        _limit(watch.type_url, ask, len(after.names))
        watch.subscribe(change, self._updates)
        if after is not before and (after.wildcard > before.wildcard or not after.names <= before.names):
            self._events.append(Subscribed(watch.type_url))

    def _answered(self, watch: Watch, request: Request) -> None:
        """An acknowledgement or refusal; one that is not awaited is ignored, unlike its subscriptions."""
        flight = watch.answered(request.nonce)
        if flight is None:
            return
        if request.error is not None:
            blamed = watch.refuse(flight, request.error)
            if blamed:
                self._events.append(_refusal(watch, flight, blamed))
        else:
            watch.accept(flight)
            self._events.append(Accepted(watch.type_url, flight.version, not watch.refuses))

    # responses

    def _advance(self, patient: bool = True) -> list[Response]:
        """Everything that may be sent now. Finding that there is nothing to send may settle a type others wait for."""
        responses: list[Response] = []
        progress = self._left = True
        while progress and self._left:
            progress = self.waiting = self._left = False
            for watch in self._watches.values():
                if watch.due:
                    if watch.busy or (patient and self._held_back(watch)):
                        self.waiting = self._left = True
                        continue
                    self._send(watch, responses)
                    progress = True
                elif not watch.lingering:
                    continue
                elif not watch.busy and self._unused(watch):
                    self._send_gone(watch, responses)
                    progress = True
                elif not (watch.busy or self._complete):
                    self.waiting = True
                self._left = self._left or watch.due or bool(watch.lingering)
        return responses

    def _held_back(self, watch: Watch) -> bool:
        """A first answer does not wait if the client has nothing yet that could break."""
        needs = NEEDS.get(watch.type_url)
        if needs is None or watch.empty_handed:
            return False
        return any(need is not None and need.busy for need in map(self._watches.get, needs))

    def _unused(self, watch: Watch) -> bool:
        """Nothing that the client has can use what it should have no more.

        A client that reconnects asks for one type after another, and has brought the users of what is gone with it.
        """
        absent_is_unused = self._complete or not watch.resumed
        users = map(self._watches.get, USERS.get(watch.type_url, ()))
        return all(absent_is_unused if user is None else user.quiet for user in users)

    def _send(self, watch: Watch, responses: list[Response]) -> None:
        found = watch.collect(self._updates)
        if watch.type_url == CLUSTER:
            self._rewarm(found)
        if watch.lingering and self._unused(watch):
            found += watch.collect_gone(self._updates)
        if found or watch.fresh:
            responses.append(watch.dispatch(found, self._updates))

    def _send_gone(self, watch: Watch, responses: list[Response]) -> None:
        found = watch.collect_gone(self._updates)
        if found:
            responses.append(watch.dispatch(found, self._updates))

    # warming

    def _rewarm(self, clusters: Iterable[Update]) -> None:
        """Send the load assignments of sent clusters again. Their names are those of the clusters."""
        endpoints = self._watches.get(ENDPOINT)
        if endpoints is not None:
            for update in clusters:
                endpoints.distrust(update.names)
        elif self._clusters is not None:
            self._clusters += tuple(clusters)
            if len(self._clusters) > _REMEMBERED_UPDATES:
                self._clusters = None

    def _forget_assignments(self, endpoints: Watch) -> None:
        """A client that reconnects may name load assignments that clusters sent since have made it forget.

        Envoy asks for clusters first, unless a cluster of the earlier stream is still warming; then it does not ask for
        clusters before that one has its load assignment, even if it had the same one before the cluster changed.
        """
        if self._clusters is None or CLUSTER not in self._watches:
            endpoints.distrust(endpoints.subscription.names)
        else:
            for update in self._clusters:
                endpoints.distrust(update.names)
        self._clusters = None


def _limit(type_url: str, ask: Ask, names: int = 0) -> None:
    match ask:
        case Edit():
            names = max(names, len(ask.subscribe) + len(ask.held))
        case Names():
            names = len(ask.names)
        case _:
            assert_never(ask)
    limit(type_url, names)


def _refusal(watch: Watch, flight: Response, blamed: frozenset[str]) -> Refused:
    versions = {r.name: r.version for update in flight.told for r in update.changed if r.name in blamed}
    names = tuple(sorted(blamed))
    return Refused(watch.type_url, names, tuple(versions.get(name, b"") for name in names), watch.error)
