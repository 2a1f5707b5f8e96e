"""The control plane put together: objects in, xDS out. The only file that knows every part."""

import asyncio
import gc
import logging
import ssl
import time
from collections.abc import Sequence

from lateen.config.objects import ConfigObject, ObjectRef
from lateen.config.store import ConfigStore
from lateen.control_plane import exposition
from lateen.control_plane.debug import pages
from lateen.control_plane.debug.over_xds import with_debug
from lateen.control_plane.debug.page import Known
from lateen.control_plane.injector import Injector
from lateen.control_plane.metrics import metrics
from lateen.control_plane.publisher import Publisher
from lateen.model.mesh import Diagnostic, Mesh
from lateen.sources.handover import Page
from lateen.xds.ads import Sent, ads_handlers
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.grpc.health import Health, Serving
from lateen.xds.grpc.reflection import reflection_handlers
from lateen.xds.listening import Address, Listener
from lateen.xds.server import GrpcServer
from lateen.xds.variant import ADS_SERVICE

_log = logging.getLogger(__name__)

_GC_THRESHOLDS = (10_000, 20, 100)
"""Nearly everything that is allocated stays: with the usual thresholds a cold build is looked through again and again.

More than this at once takes longer than a step of settling: 50,000 take up to 11 ms."""

_LAG_EVERY_S = 1.0


class ControlPlane:
    """Serves proxies over xDS from the objects that a source hands it. Lives on one event loop.

    The first batch of objects must be everything there is at the start: proxies are answered from then on. An injector
    is told of each batch.
    """

    def __init__(self, engine: EngineKind = EngineKind.NGH2, injector: Injector | None = None) -> None:
        self._injector = injector
        self._store = ConfigStore()
        self._publisher = Publisher(Mesh())
        self._health = Health()
        self._set_health(Serving.NOT_SERVING)
        self._sent = Sent()
        discovery = with_debug(ads_handlers(self._publisher, sent=self._sent), self.page)
        handlers = {**discovery, **self._health.handlers()}
        self._server = GrpcServer({**handlers, **reflection_handlers(handlers)}, engine=engine)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work out what proxies may be sent. Sets the process's garbage collection to what suits that."""
        gc.set_threshold(*_GC_THRESHOLDS)
        self._tasks = [
            asyncio.create_task(self._publisher.run(), name="publisher"),
            asyncio.create_task(self._spare_collection(), name="garbage collection"),
            asyncio.create_task(self._measure_lag(), name="event loop lag"),
        ]
        for task in self._tasks:
            task.add_done_callback(_say_if_failed)

    async def listen(self, address: Address, context: ssl.SSLContext | None = None) -> Listener:
        """Listen for proxies, over TLS if there is a context. Raises `OSError` where that is not possible."""
        return await self._server.listen(address, context)

    def apply(self, changed: Sequence[ConfigObject], deleted: Sequence[ObjectRef]) -> None:
        """Take a batch of objects as one change; proxies get what differs as soon as all of it is worked out."""
        changes = self._store.apply(changed, deleted)
        if self._injector is not None:
            self._injector.follow(self._store, changes)
        self._publisher.apply(changes)
        self._publisher.ready = True
        self._set_health(Serving.SERVING)

    @property
    def ready(self) -> bool:
        """Whether proxies are answered."""
        return self._publisher.ready

    async def settled(self) -> None:
        """Return once every change taken so far has been worked out and offered to the proxies it concerns."""
        await self._publisher.settled()

    def rejected(self, problems: int) -> None:
        """Count what a source could not use."""
        self._publisher.counts.rejected += problems

    async def page(self, path: str, query: str = "") -> Page:
        """What people may ask while it runs: `/metrics`, or a path under `/debug`. What there is not is a page too."""
        if path == "/metrics":
            injection = self._injector.counts if self._injector is not None else None
            found = metrics(self._publisher, self._server, self._sent.by_type(), injection)
            return Page(200, exposition.CONTENT_TYPE, exposition.exposed(found))
        return await pages.page(Known(self._publisher, self._store), path, query)

    def diagnostics(self) -> list[Diagnostic]:
        """What is wrong with objects that are in force, as far as it concerns connected proxies."""
        return self._publisher.mesh.diagnostics()

    @property
    def stamp(self) -> tuple[int, int]:
        """Another one whenever there may be other diagnostics or refusals."""
        return self._publisher.mesh.revision, self._publisher.refusals.count

    def refused(self) -> list[Diagnostic]:
        """What proxies refuse to take over, on the objects behind it."""
        return self._publisher.refusals.diagnostics()

    async def acknowledged(self, patience_s: float) -> None:
        """Return once every proxy has accepted or refused what it is offered, or patience is at its end."""
        await self._publisher.acknowledged(patience_s)

    async def close(self) -> None:
        """End every stream and stop."""
        self._publisher.ready = False
        self._set_health(Serving.NOT_SERVING)
        await self._server.close("the control plane is shutting down")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _set_health(self, serving: Serving) -> None:
        for service in ("", ADS_SERVICE):
            self._health.set(service, serving)

    async def _measure_lag(self) -> None:
        while True:
            due = time.monotonic() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self._publisher.counts.lag.observe(max(0.0, time.monotonic() - due))

    async def _spare_collection(self) -> None:
        """Leave what the first build made out of later collections, which stop everything: 14 ms for a mesh of 1,000
        services, 300 ms for 10,000."""
        await self._publisher.built.wait()
        gc.collect()
        gc.freeze()


def _say_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("%s has ended because of a bug in lateen", task.get_name(), exc_info=error)
