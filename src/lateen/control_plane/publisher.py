"""From changes to streams: commit facts, settle what is watched, offer what changed. The loop fits in the head:

    changes -> mesh.commit -> settle in short steps -> all settled? -> each stream whose answers changed: offer

A connected proxy is a fact like any other. Its views are an answer that is watched; they name the questions whose
answers it may be sent, and those are watched too, once for all proxies that ask them.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

from envoy.config.core.v3.base_pb2 import Node as XdsNode
from google.protobuf.json_format import MessageToDict

from lateen.config.store import Change as ObjectChange
from lateen.control_plane.refusals import Refusals
from lateen.incremental.nodes import Node
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh
from lateen.model.proxy import InvalidNode, Proxy, parse_node
from lateen.model.views import Views, views
from lateen.model.workloads import Locality
from lateen.translate.catalogue import questions
from lateen.xds.ads import AdsConnection
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import EMPTY_OFFER, Offer
from lateen.xds.stream import Accepted, Refused

STEP_S = 0.002
"""How long settling may keep the event loop from everything else."""

SWEEP_AFTER_S = 5.0
"""How long nothing must have happened before answers that nobody asks for are looked for."""

SWEEP_AT_LEAST_EVERY_S = 60.0
"""When they are looked for all the same, while something always happens."""

_log = logging.getLogger(__name__)


class Subscriber:
    """A connected proxy: its stream, its views, and the answers that it is offered, by type URL."""

    __slots__ = ("asked", "connection", "proxy", "views")

    def __init__(self, connection: AdsConnection, proxy: Proxy, views_node: Node) -> None:
        self.connection = connection
        self.proxy = proxy
        self.views = views_node
        self.asked: dict[str, tuple[Node, ...]] = {}

    def nodes(self) -> list[Node]:
        return [node for nodes in self.asked.values() for node in nodes]


class Publisher:
    """Serves every connected proxy what the mesh means for it, and keeps it so. An `AdsService`."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.refusals = Refusals(mesh)
        self.ready = False
        """Whether the configuration is known; until then no proxy is answered."""
        self._subscribers: dict[AdsConnection, Subscriber] = {}
        self._audience: defaultdict[Node, set[Subscriber]] = defaultdict(set)
        self._due: dict[Subscriber, None] = {}
        self._failed: set[Node] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._swept_at = time.monotonic()
        self._litter = False
        """Answers may be kept that nobody is asked for any more."""

    # From sources

    def apply(self, changes: Iterable[ObjectChange]) -> None:
        """Take a batch of changed objects as one revision."""
        self.mesh.apply(changes)
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
        subscriber = Subscriber(connection, proxy, self.mesh.watch(views, proxy.id))
        self._subscribers[connection] = subscriber
        self._audience[subscriber.views].add(subscriber)
        # What was answered before, to another stream or an earlier one of this proxy: settling tells only what differs.
        self._move(subscriber)
        self._stir()

    def subscribed(self, connection: AdsConnection, _type_url: str) -> None:
        self._due[self._subscribers[connection]] = None
        self._stir()

    def answered(self, connection: AdsConnection, answer: Accepted | Refused) -> None:
        subscriber = self._subscribers[connection]
        self.refusals.answered(subscriber.proxy.id, answer, subscriber.asked.get(answer.type_url, ()))

    def closed(self, connection: AdsConnection) -> None:
        subscriber = self._subscribers.pop(connection)
        self._due.pop(subscriber, None)
        self._release(subscriber, [subscriber.views, *subscriber.nodes()])
        gone = subscriber.proxy.id
        if all(other.proxy.id != gone for other in self._subscribers.values()):
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
            self._publish()
            self._report_failures()
            if self._litter and time.monotonic() > self._swept_at + SWEEP_AT_LEAST_EVERY_S:
                self._sweep()

    async def settled(self) -> None:
        """Return once everything taken so far has been worked out and offered."""
        await self._idle.wait()

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
        for subscriber in tuple(self._audience.get(node, ())):
            if node is subscriber.views:
                self._move(subscriber)
            self._due[subscriber] = None

    def _publish(self) -> None:
        """Offer what changed: only when all is settled, so that a stream can make before it breaks."""
        due, self._due = self._due, {}
        for subscriber in due:
            if subscriber.asked:
                unserved = dict.fromkeys(subscriber.connection.status().keys() - subscriber.asked.keys(), EMPTY_OFFER)
                offers = {type_url: _joined(nodes) for type_url, nodes in subscriber.asked.items()}
                subscriber.connection.offer(offers | unserved)

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
        for node in subscriber.nodes():
            self._audience[node].add(subscriber)
        self._due[subscriber] = None

    def _release(self, subscriber: Subscriber, nodes: Iterable[Node]) -> None:
        self._litter = True
        for node in nodes:
            self.mesh.unwatch(node)
            self._audience[node].discard(subscriber)
            if not self._audience[node]:
                del self._audience[node]

    def _report_failures(self) -> None:
        """A bug costs one resource; say so once."""
        failed = set(self.mesh.failures())
        for node in failed - self._failed:
            _log.error("cannot build %r; its last good version stays in force", node, exc_info=node.failure)
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
    parts = tuple(node.value for node in nodes if isinstance(node.value, Offer))
    return parts[0] if len(parts) == 1 else Offer(parts)


def _proxy(node: XdsNode) -> Proxy:
    place = node.locality
    return parse_node(node.id, MessageToDict(node.metadata), Locality(place.region, place.zone, place.sub_zone))
