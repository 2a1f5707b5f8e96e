"""From changes to streams: commit facts, settle what is watched, offer what changed. The loop fits in the head:

    changes -> mesh.commit -> settle in short steps -> all settled? -> each stream whose answers changed: offer

A connected proxy is a fact like any other. Its views are an answer that is watched; they name the questions whose
answers it may be sent, and those are watched too, once for all proxies that ask them.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import count

from envoy.config.core.v3.base_pb2 import Node as XdsNode
from google.protobuf.json_format import MessageToDict

from lateen.config.store import ChangeSet
from lateen.control_plane.counts import Counts
from lateen.control_plane.refusals import Refusals
from lateen.incremental.nodes import CLEAN, MISSING, Node
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh
from lateen.model.proxy import InvalidNode, Proxy, ProxyId, parse_node
from lateen.model.views import Views, views
from lateen.model.workloads import Locality
from lateen.translate.catalogue import questions
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


class Subscriber:
    """A connected proxy: its stream, its views, and the answers that it is offered, by type URL.

    `requested`: the types that it asked for. `due`: those of which its stream does not have the present offer. `number`
    counts connections. `behind_since`: when the change was taken of which it has not accepted everything, if there is.
    """

    __slots__ = ("asked", "behind_since", "connection", "due", "number", "proxy", "requested", "views")

    def __init__(self, connection: AdsConnection, number: int, proxy: Proxy, views_node: Node) -> None:
        self.connection = connection
        self.number = number
        self.behind_since: float | None = None
        self.proxy = proxy
        self.views = views_node
        self.asked: dict[str, tuple[Node, ...]] = {}
        self.requested: set[str] = set()
        self.due: set[str] = set()

    def nodes(self) -> list[Node]:
        return [node for nodes in self.asked.values() for node in nodes]


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
        self._audience: defaultdict[Node, dict[Subscriber, str]] = defaultdict(dict)
        """Who is offered an answer, and as part of which type; the type is empty for a proxy's views."""
        self._due: dict[Subscriber, None] = {}
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
        if not self.ready:
            raise CallError(Status.UNAVAILABLE, "the configuration is not complete yet")
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
        self._audience[subscriber.views][subscriber] = ""
        # What was answered before, to another stream or an earlier one of this proxy: settling tells only what differs.
        self._move(subscriber)
        if all(node.state == CLEAN for node in subscriber.nodes()):
            # At once: a stream that knows what is offered need not keep what a client says it has.
            self._offer(subscriber, {})
        self._stir()

    def subscribed(self, connection: AdsConnection, type_url: str) -> None:
        subscriber = self._subscribers[connection]
        subscriber.requested.add(type_url)
        if subscriber.asked and type_url not in subscriber.asked:
            self._owe(subscriber, (type_url,))
            self._stir()

    def answered(self, connection: AdsConnection, answer: Accepted | Refused) -> None:
        subscriber = self._subscribers[connection]
        if isinstance(answer, Accepted):
            self.refusals.accepted(subscriber.proxy.id, answer.type_url)
        else:
            offered = (*subscriber.asked.get(answer.type_url, ()), subscriber.views)
            self.refusals.refused(subscriber.proxy.id, answer, offered)
        if subscriber.behind_since is not None and connection.quiet:
            if isinstance(answer, Accepted):
                self.counts.convergence.observe(time.monotonic() - subscriber.behind_since)
            subscriber.behind_since = None

    def closed(self, connection: AdsConnection) -> None:
        subscriber = self._subscribers.pop(connection)
        self._due.pop(subscriber, None)
        self._release(subscriber, [subscriber.views, *subscriber.nodes()])
        gone = subscriber.proxy.id
        self._streams[gone] -= 1
        if not self._streams[gone]:
            del self._streams[gone]
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
                self._sweep()
                continue
            self._wake.clear()
            try:
                await self._settle()
            except Exception:  # proxies keep what they have; the next change is another chance
                _log.exception("cannot settle the configuration")
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
            if type_url in subscriber.asked
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
        for subscriber, type_url in tuple(self._audience.get(node, {}).items()):
            if node is subscriber.views:
                self._move(subscriber)
            else:
                self._owe(subscriber, (type_url,))

    def _owe(self, subscriber: Subscriber, type_urls: Iterable[str]) -> None:
        subscriber.due.update(type_urls)
        self._due[subscriber] = None

    async def _publish(self) -> None:
        """Offer what changed: only when all is settled, so that a stream can make before it breaks."""
        slice_ = _TimeSlice(OFFERING_STEP_S)
        due, self._due = self._due, {}
        changed_at, self._changed_at = self._changed_at, None
        joined: dict[tuple[Node, ...], Offer] = {}
        for subscriber in due:
            if subscriber.connection in self._subscribers and self._offer(subscriber, joined):
                subscriber.behind_since = subscriber.behind_since or changed_at
            if slice_.over():
                await asyncio.sleep(0)
                slice_.restart()
        if changed_at is not None:
            self.counts.push.observe(time.monotonic() - changed_at)

    def _offer(self, subscriber: Subscriber, joined: dict[tuple[Node, ...], Offer]) -> bool:
        """Let a stream have what it is due; whether it is sent something.

        `joined` keeps what others of the same answers are offered.
        """
        if not (subscriber.asked and subscriber.due):
            return False
        offers: dict[str, Offer] = {}
        for type_url in subscriber.due:
            nodes = subscriber.asked.get(type_url, ())
            if not all(isinstance(node.value, Offer) for node in nodes):
                continue  # not to be built: what the proxy has is better than a part of what it should have
            offer = joined.get(nodes)
            if offer is None:
                offer = joined[nodes] = _joined(nodes)
            offers[type_url] = offer
        subscriber.due.clear()
        return subscriber.connection.offer(offers)

    def _move(self, subscriber: Subscriber) -> None:
        """Watch what the proxy's present views ask, and no longer what only the former ones did."""
        value = subscriber.views.value
        wanted = questions(value) if isinstance(value, Views) else {}
        former = subscriber.nodes()
        subscriber.asked = {
            type_url: tuple(self.mesh.watch(function, *arguments) for function, arguments in asked)
            for type_url, asked in wanted.items()
        }
        self._release(subscriber, former)
        for type_url, nodes in subscriber.asked.items():
            for node in nodes:
                self._audience[node][subscriber] = type_url
        self._owe(subscriber, subscriber.asked.keys() | subscriber.requested)

    def _release(self, subscriber: Subscriber, nodes: Iterable[Node]) -> None:
        self._litter = True
        for node in nodes:
            self.mesh.unwatch(node)
            self._audience[node].pop(subscriber, None)
            if not self._audience[node]:
                del self._audience[node]

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


def _joined(nodes: tuple[Node, ...]) -> Offer:
    if not nodes:
        return EMPTY_OFFER
    parts: list[Offer] = [node.value for node in nodes]
    return parts[0] if len(parts) == 1 else Offer(parts)


def _proxy(node: XdsNode) -> Proxy:
    place = node.locality
    return parse_node(node.id, MessageToDict(node.metadata), Locality(place.region, place.zone, place.sub_zone))
