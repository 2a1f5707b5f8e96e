"""The control plane put together: objects in, xDS out. The only file that knows every part."""

import asyncio
import gc
import ssl
from collections.abc import Sequence
from pathlib import Path

from lateen.config.objects import ConfigObject, ObjectRef
from lateen.config.store import ConfigStore
from lateen.control_plane.publisher import Publisher
from lateen.control_plane.status import Json, sync_status
from lateen.model.mesh import Diagnostic, Mesh
from lateen.xds.ads import ads_handlers
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.server import GrpcServer

_GC_THRESHOLDS = (10_000, 20, 100)
"""Nearly everything that is allocated stays: with the usual thresholds a cold build is looked through again and again.

More than this at once takes longer than a step of settling: 50,000 take up to 11 ms."""


class ControlPlane:
    """Serves proxies over xDS from the objects that a source hands it. Lives on one event loop.

    The first batch of objects must be everything there is at the start: proxies are answered from then on.
    """

    def __init__(self, engine: EngineKind = EngineKind.NGH2) -> None:
        self._store = ConfigStore()
        self._publisher = Publisher(Mesh())
        self._server = GrpcServer(ads_handlers(self._publisher), engine=engine)
        self._tasks: list[asyncio.Task[None]] = []

    async def serve(self, socket: Path) -> None:
        """Listen for proxies on a unix socket; returns once it accepts connections.

        Sets the process's garbage collection to what suits a control plane.
        """
        gc.set_threshold(*_GC_THRESHOLDS)
        self._tasks = [
            asyncio.create_task(self._publisher.run(), name="publisher"),
            asyncio.create_task(self._spare_collection(), name="garbage collection"),
        ]
        await self._server.listen_unix(socket)

    async def serve_tcp(self, host: str, port: int) -> int:
        """Listen for proxies in plain text as well; returns the port, which the system chooses if it was 0."""
        return await self._server.listen_tcp(host, port)

    async def serve_tls(self, host: str, port: int, context: ssl.SSLContext) -> int:
        """Listen for proxies over TLS as well, with the server's certificate in `context`; returns the port."""
        return await self._server.listen_tls(host, port, context)

    def apply(self, changed: Sequence[ConfigObject], deleted: Sequence[ObjectRef]) -> None:
        """Take a batch of objects as one change; proxies get what differs as soon as all of it is worked out."""
        self._publisher.apply(self._store.apply(changed, deleted))
        self._publisher.ready = True

    async def settled(self) -> None:
        """Return once every change taken so far has been worked out and offered to the proxies it concerns."""
        await self._publisher.settled()

    def sync_status(self) -> list[Json]:
        """How far each proxy is, in the shape of `/debug/syncz`."""
        return sync_status(self._publisher)

    def diagnostics(self) -> list[Diagnostic]:
        """What is wrong with objects that are in force, as far as it concerns connected proxies."""
        return self._publisher.mesh.diagnostics()

    def refused(self) -> list[Diagnostic]:
        """What proxies refuse to take over, on the objects behind it."""
        return self._publisher.refusals.diagnostics()

    async def acknowledged(self, patience_s: float) -> None:
        """Return once every proxy has accepted or refused what it is offered, or patience is at its end."""
        await self._publisher.acknowledged(patience_s)

    async def close(self) -> None:
        """End every stream and stop."""
        await self._server.close("the control plane is shutting down")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _spare_collection(self) -> None:
        """Leave what the first build made out of later collections, which stop everything: 14 ms for a mesh of 1,000
        services, 300 ms for 10,000."""
        await self._publisher.built.wait()
        gc.collect()
        gc.freeze()
