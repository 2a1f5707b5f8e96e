"""From changes to streams: commit facts, settle what is watched, offer what changed. The loop fits in the head:

    changes -> mesh.commit -> settle in short steps -> all settled? -> each stream whose answers changed: offer

A connected proxy is a fact like any other. Its views are an answer that is watched; they name the questions whose
answers it may be sent, and those are watched too, once for the audience of all proxies that are asked the same.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from envoy.config.core.v3.base_pb2 import Node as XdsNode
from google.protobuf.json_format import MessageToDict

from lateen.config.store import ChangeSet
from lateen.control_plane.audiences import Audience, Audiences, Subscriber
from lateen.control_plane.counts import Counts
from lateen.control_plane.refusals import Refusals
from lateen.incremental.nodes import MISSING, Node
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh
from lateen.model.proxy import InvalidNode, Proxy, ProxyId, parse_node
from lateen.model.views import views
from lateen.model.workloads import Locality
from lateen.xds.ads import AdsConnection
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import EMPTY_OFFER, Offer
from lateen.xds.stream import Accepted, Refused

STEP_S = 0.002
"""How long settling may keep the event loop from everything else."""

OFFERING_STEP_S = 0.001
"""The same for offering: no longer than writing has, or more streams are begun than finished."""

_LOOK_S = 0.005

SWEEP_AFTER_S = 5.0
"""How long nothing must have happened before answers that nobody asks for are looked for."""

SWEEP_AT_LEAST_EVERY_S = 60.0
"""When they are looked for all the same, while something always happens."""

_log = logging.getLogger(__name__)


class Publisher:
    """Serves every connected proxy what the mesh means for it, and keeps it so. An `AdsService`."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.refusals = Refusals(mesh)
        self.counts = Counts()
        self.ready = False
        """Whether the configuration is known; until then no proxy is answered."""
        self.built = asyncio.Event()
        """Set once there is a proxy and everything that it may be sent has been worked out."""
        self._subscribers: dict[AdsConnection, Subscriber] = {}
        self._streams: Counter[ProxyId] = Counter()
        self._audiences = Audiences(mesh)
        self._viewers: defaultdict[Node, set[Subscriber]] = defaultdict(set)
        """The streams of a proxy, by its views."""
        self._moved: dict[Subscriber, None] = {}
        """Who is to be offered everything."""
        self._renewed: defaultdict[Audience, set[str]] = defaultdict(set)
        """Types that have another answer than was offered."""
        self._failed: list[Node] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._swept_at = time.monotonic()
        self._litter = False
        """Answers may be kept that nobody is asked for any more."""
        self._numbers = count(1)
        self._changed_at: float | None = None
        """When the oldest of the changes was taken that are not offered yet."""

    # From sources

    def apply(self, changes: ChangeSet) -> None:
        """Take a batch of changed objects as one revision."""
        self.mesh.apply(changes)
        self.counts.took(changes)
        self._changed_at = self._changed_at or time.monotonic()
        self._litter = True
        self._stir()

    # From streams

    def opened(self, connection: AdsConnection) -> None:
        try:
            proxy = _proxy(connection.node)
        except InvalidNode as error:
            raise CallError(Status.INVALID_ARGUMENT, str(error)) from None
        self.mesh.commit([Change(Proxy, proxy.id, proxy)])
        with contextlib.suppress(Exception):  # the engine keeps it as the answer's failure, which is reported
            views(self.mesh, proxy.id)
        subscriber = Subscriber(connection, next(self._numbers), proxy, self.mesh.watch(views, proxy.id))
        self._subscribers[connection] = subscriber
        self._streams[proxy.id] += 1
        self._viewers[subscriber.views].add(subscriber)
        self._audiences.move(subscriber)
        if subscriber.audience.answered:
            # At once: a stream that knows what is offered need not keep what a client says it has.
            connection.offer(subscriber.offers())
        else:
            # Settling tells only what differs from what was answered before, to another stream or an earlier one.
            self._moved[subscriber] = None
        self._stir()

    def subscribed(self, connection: AdsConnection, type_url: str) -> None:
        asked = self._subscribers[connection].audience.asked
        if asked and type_url not in asked:
            connection.offer({type_url: EMPTY_OFFER})

    def answered(self, connection: AdsConnection, answer: Accepted | Refused) -> None:
        subscriber = self._subscribers[connection]
        if isinstance(answer, Accepted):
            if answer.clean:
                self.refusals.accepted(subscriber.proxy.id, answer.type_url)
        else:
            offered = (*subscriber.audience.asked.get(answer.type_url, ()), subscriber.views)
            self.refusals.refused(subscriber.proxy.id, answer, offered)
        if subscriber.behind_since is not None and connection.quiet:
            if isinstance(answer, Accepted):
                self.counts.convergence.observe(time.monotonic() - subscriber.behind_since)
            subscriber.behind_since = None

    def closed(self, connection: AdsConnection) -> None:
        subscriber = self._subscribers.pop(connection)
        self._moved.pop(subscriber, None)
        self._audiences.leave(subscriber)
        self._viewers[subscriber.views].discard(subscriber)
        self.mesh.unwatch(subscriber.views)
        self._litter = True
        gone = subscriber.proxy.id
        self._streams[gone] -= 1
        if not self._streams[gone]:
            del self._streams[gone], self._viewers[subscriber.views]
            self.mesh.commit([Change(Proxy, gone, None)])
            self.refusals.forget(gone)
        self._stir()

    # To streams

    async def run(self) -> None:
        """Publish for as long as the program runs; forget what nobody asks for when there is nothing else to do."""
        while True:
            if not self._wake.is_set():
                self._idle.set()
            try:
                async with asyncio.timeout(SWEEP_AFTER_S if self._litter else None):
                    await self._wake.wait()
            except TimeoutError:
                pass
            try:
                await self._turn()
            except Exception:  # proxies keep what they have; the next change is another chance
                _log.exception("cannot publish the configuration")

    async def _turn(self) -> None:
        if not self._wake.is_set():
            self._sweep()
            return
        self._wake.clear()
        await self._settle()
        if self._subscribers:
            self.built.set()
        await self._publish()
        self._report_failures()
        if self._litter and time.monotonic() > self._swept_at + SWEEP_AT_LEAST_EVERY_S:
            self._sweep()

    async def settled(self) -> None:
        """Return once everything taken so far has been worked out and offered."""
        await self._idle.wait()

    async def acknowledged(self, patience_s: float) -> None:
        """Return once no proxy owes an answer, or patience is at its end. For meshes of a size that people look at."""
        end = time.monotonic() + patience_s
        while self._owed_answers() and time.monotonic() < end:  # noqa: ASYNC110  streams do not tell when they are quiet
            await asyncio.sleep(_LOOK_S)

    def _owed_answers(self) -> bool:
        return any(
            not (report.status.synced or report.status.error)
            for subscriber in self._subscribers.values()
            for type_url, report in subscriber.connection.status().items()
            if type_url in subscriber.audience.asked
        )

    def _sweep(self) -> None:
        self.mesh.sweep()
        self._litter, self._swept_at = False, time.monotonic()

    def _stir(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _settle(self) -> None:
        """Bring every answer up to date, in steps that leave the event loop to others in between."""
        slice_ = _TimeSlice(STEP_S)
        while not self.mesh.settled:
            for node in self.mesh.settle(pause=slice_.over):
                if node is not None:
                    self._answered_anew(node)
                if slice_.over():
                    await asyncio.sleep(0)
                    slice_.restart()

    def _answered_anew(self, node: Node) -> None:
        for subscriber in self._viewers.get(node, ()):
            self._audiences.move(subscriber)
            self._moved[subscriber] = None
            self._litter = True
        for audience, type_url in self._audiences.asking(node):
            self._renewed[audience].add(type_url)

    async def _publish(self) -> None:
        """Offer what changed: only when all is settled, so that a stream can make before it breaks."""
        slice_ = _TimeSlice(OFFERING_STEP_S)
        changed_at, self._changed_at = self._changed_at, None
        for subscriber, offers in self._due():
            if _offered(subscriber.connection, offers):
                subscriber.behind_since = subscriber.behind_since or changed_at
            if slice_.over():
                await asyncio.sleep(0)
                slice_.restart()
        if changed_at is not None:
            self.counts.push.observe(time.monotonic() - changed_at)

    def _due(self) -> Iterator[tuple[Subscriber, Mapping[str, Offer]]]:
        """Who is to be offered what. Those who moved come first: what else they are due is then nothing new."""
        moved, self._moved = self._moved, {}
        renewed, self._renewed = self._renewed, defaultdict(set)
        for subscriber in moved:
            yield subscriber, subscriber.offers()
        for audience, type_urls in renewed.items():
            offers = audience.offers(type_urls)
            for subscriber in tuple(audience.members):
                yield subscriber, offers

    def _report_failures(self) -> None:
        """A bug costs one answer; say so once, on the answer where it happened and not on those that rest on it."""
        failed = self.mesh.failures()
        told = {id(node.failure) for node in self._failed}
        for node in failed:
            if id(node.failure) not in told:
                told.add(id(node.failure))
                kept = "it is left out" if node.value is MISSING else "its last good version stays in force"
                _log.error("cannot build %r; %s", node, kept, exc_info=node.failure)
        self._failed = failed

    # For whoever asks

    def subscribers(self) -> list[Subscriber]:
        """Every connected proxy, in the order of connection."""
        return list(self._subscribers.values())


class _TimeSlice:
    """How much longer the event loop may be kept busy."""

    def __init__(self, length_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._length_s = length_s
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        self._end = self._clock() + self._length_s

    def over(self) -> bool:
        return self._clock() >= self._end


def _offered(connection: AdsConnection, offers: Mapping[str, Offer]) -> bool:
    """Whether something was sent because of these offers. A bug costs one stream, whose client will come back."""
    try:
        return connection.offer(offers)
    except Exception:
        _log.exception("%s: cannot be offered what changed", connection.node.id)
        connection.close(Status.INTERNAL, "internal error")
        return False


def _proxy(node: XdsNode) -> Proxy:
    place = node.locality
    return parse_node(node.id, MessageToDict(node.metadata), Locality(place.region, place.zone, place.sub_zone))
