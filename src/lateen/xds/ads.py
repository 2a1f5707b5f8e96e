"""One aggregated discovery stream as the control plane sees it: who is there, what to offer, what came of it.

    publisher (AdsService)  <-  opened, subscribed, answered, closed  -  AdsConnection  <-  gRPC call
    publisher               -   offer({type: Offer})  ->                 AdsConnection  ->  gRPC call

Everything happens on the event loop; the callbacks are plain functions that return at once. `offer` may be called at
any time after `opened`, also from inside a callback, and as often as one likes: a stream is level-triggered, so only
the latest offer of a type counts, and what differs from what the client holds is sent as soon as the client can take
it. A type that was never offered is not answered, so offer `EMPTY_OFFER` for a type that is asked for but not served.
"""

import logging
import time
from asyncio import TimerHandle, get_running_loop
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec
from envoy.config.core.v3.base_pb2 import Node

from lateen.common.histogram import Histogram
from lateen.xds.grpc.call import Call, HandlerFactory, Peer
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.rate import NEW_STREAMS, Bucket, Rate
from lateen.xds.resource import PUSH_ORDER, Offer
from lateen.xds.stream import Accepted, AdsStream, Event, Refused, Subscribed
from lateen.xds.subscription import Subscription
from lateen.xds.update import Response, Updates
from lateen.xds.variant import VARIANTS, Variant
from lateen.xds.watch import TypeStatus

_log = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds that changes wait for an answer of the client that they should come after."""


_SIZES: Final = tuple(4.0**power for power in range(5, 13))


class AdsService(Protocol):
    """What the control plane does for its clients. A `CallError` raised by a callback ends that stream."""

    @property
    def ready(self) -> bool:
        """False until the first build is done; a stream that is opened before is ended as unavailable."""

    def opened(self, connection: "AdsConnection") -> None:
        """The first message, which names the node, has come. Raise `CallError` to turn the client away."""

    def subscribed(self, connection: "AdsConnection", type_url: str) -> None:
        """The client asks for a type for the first time, or for names it did not ask for before."""

    def answered(self, connection: "AdsConnection", answer: Accepted | Refused) -> None:
        """The client has accepted or refused what it was sent."""

    def closed(self, connection: "AdsConnection") -> None:
        """The stream has ended, whoever ended it. Called once for every connection that `opened` let in."""


class Sent:
    """Sizes in bytes of the responses that streams were sent, by type URL."""

    def __init__(self) -> None:
        self._by_type = {type_url: Histogram(_SIZES) for type_url in PUSH_ORDER}
        self._others = Histogram(_SIZES)

    def note(self, response: Response) -> None:
        self._by_type.get(response.type_url, self._others).observe(response.message.size)

    def by_type(self) -> Mapping[str, Histogram]:
        """Types that nothing was sent of are left out; those that only clients know of are one, of no name."""
        return {url: found for url, found in (*self._by_type.items(), ("", self._others)) if any(found.counts)}


class TypeReport(msgspec.Struct, frozen=True):
    """Where one type of one stream stands; `sent_at` and `answered_at` are Unix time in seconds."""

    status: TypeStatus
    sent_at: float | None
    answered_at: float | None


class AdsConnection:
    """One ADS stream, as given to the service: `node` as in its first message, `peer` at the other end."""

    def __init__(self, call: Call, service: AdsService, variant: Variant, updates: Updates, sent: Sent) -> None:
        self.node = Node()
        self.peer: Peer = call.peer
        self.opened_at = time.time()
        self._call = call
        self._service = service
        self._variant = variant
        self._stream = AdsStream(variant, updates)
        self._sent = sent
        self._sent_at: dict[str, float] = {}
        self._answered_at: dict[str, float] = {}
        self._let_in = False
        self._patience: TimerHandle | None = None

    # for the service

    def offer(self, offers: Mapping[str, Offer]) -> bool:
        """Let the client have these, by type URL; types left out stay as they were offered before.

        Does nothing once the stream is over. Whether something of it is on its way now.
        """
        if not self._let_in:
            return False
        responses = self._stream.offer(offers)
        self._send(responses)
        return bool(responses)

    def status(self) -> dict[str, TypeReport]:
        """By type URL, every type the client has asked for, in the order of sending."""
        return {
            type_url: TypeReport(status, self._sent_at.get(type_url), self._answered_at.get(type_url))
            for type_url, status in self._stream.status().items()
        }

    @property
    def quiet(self) -> bool:
        """Whether the client owes no answer, and nothing waits to be sent."""
        return self._stream.quiet

    @property
    def offered(self) -> Mapping[str, Offer]:
        """What the client may have, by type URL."""
        return self._stream.offered

    def subscriptions(self) -> dict[str, Subscription]:
        """What the client asks for, by type URL, in the order of sending."""
        return self._stream.subscriptions()

    @property
    def types(self) -> frozenset[str]:
        """The type URLs that the client has asked for."""
        return self._stream.types

    def close(self, status: Status, message: str) -> None:
        """End the stream; the client will usually connect again."""
        self._call.finish(status, message)

    # for the call

    def received(self, message: bytes) -> None:
        """See `Handler`."""
        request = self._variant.request(message)
        if not self._let_in:
            self._open(request.node)
        responses = self._stream.receive(request)
        events = self._stream.take_events()
        self._send(responses)
        for event in events:
            self._tell(event)

    def ended(self) -> None:
        """See `Handler`."""
        self._call.finish()

    def lost(self) -> None:
        """See `Handler`."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._let_in:
            self._let_in = False
            self._service.closed(self)

    def _open(self, node: Node | None) -> None:
        if node is None or not node.id:
            raise CallError(Status.INVALID_ARGUMENT, "missing node information")
        if not self._service.ready:
            raise CallError(Status.UNAVAILABLE, "the control plane is not ready yet")
        self.node = _without_extensions(node)
        self._let_in = True
        try:
            self._service.opened(self)
        except BaseException:
            self._let_in = False
            raise

    def _tell(self, event: Event) -> None:
        if isinstance(event, Subscribed):
            self._service.subscribed(self, event.type_url)
        else:
            self._answered_at[event.type_url] = time.time()
            self._service.answered(self, event)

    def _send(self, responses: Iterable[Response]) -> None:
        for response in responses:
            self._sent_at[response.type_url] = time.time()
            self._sent.note(response)
            self._call.send(response.message)
        if self._patience is None and self._stream.waiting:
            self._wait()

    def _wait(self) -> None:
        self._patience = get_running_loop().call_later(PATIENCE, self._waited, self._stream.unanswered)

    def _waited(self, unanswered_before: frozenset[Response]) -> None:
        """Go on without what the client has not answered since, or not asked for; not if it has not even read it."""
        self._patience = None
        if self._call.finished or not self._stream.waiting:
            return
        unanswered = self._stream.unanswered
        overdue = unanswered & unanswered_before or not (unanswered or unanswered_before)
        if overdue and not self._call.unsent:
            _log.info("%s: no answer for %.0f s, going on without it", self.node.id, PATIENCE)
            self._send(self._stream.release())
        if self._patience is None and self._stream.waiting:
            self._wait()


def ads_handlers(
    service: AdsService,
    updates: Updates | None = None,
    new_streams: Rate = NEW_STREAMS,
    sent: Sent | None = None,
) -> Mapping[str, HandlerFactory]:
    """The gRPC methods of aggregated discovery, by path: both variants, which share what they send.

    More than `new_streams` are turned away for now. `sent` is told of every response.
    """
    shared = updates or Updates()
    noted = sent or Sent()
    bucket = Bucket(new_streams, time.monotonic)

    def factory(variant: Variant) -> HandlerFactory:
        def opened(call: Call) -> AdsConnection:
            if not bucket.take():
                raise CallError(Status.RESOURCE_EXHAUSTED, "too many new streams, try again later")
            return AdsConnection(call, service, variant, shared, noted)

        return opened

    return {variant.path: factory(variant) for variant in VARIANTS}


def _without_extensions(node: Node) -> Node:
    """The node without the list of what the client was compiled with: 60 of Envoy's 61 kB, 160 kB once parsed."""
    del node.extensions[:]
    kept = Node()
    kept.CopyFrom(node)  # a part of a parsed message keeps the memory of all of it
    return kept
