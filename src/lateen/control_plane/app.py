"""The control plane put together: objects in, xDS out. The only file that knows every part."""

import asyncio
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


class ControlPlane:
    """Serves proxies over xDS from the objects that a source hands it. Lives on one event loop.

    The first batch of objects must be everything there is at the start: proxies are answered from then on.
    """

    def __init__(self, engine: EngineKind = EngineKind.NGH2) -> None:
        self._store = ConfigStore()
        self._publisher = Publisher(Mesh())
        self._server = GrpcServer(ads_handlers(self._publisher), engine=engine)
        self._publishing: asyncio.Task[None] | None = None

    async def serve(self, socket: Path) -> None:
        """Listen for proxies on a unix socket; returns once it accepts connections."""
        self._publishing = asyncio.create_task(self._publisher.run(), name="publisher")
        await self._server.listen_unix(socket)

    async def serve_tcp(self, host: str, port: int) -> int:
        """Listen for proxies in plain text as well; returns the port, which the system chooses if it was 0."""
        return await self._server.listen_tcp(host, port)

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

    async def close(self) -> None:
        """End every stream and stop."""
        await self._server.close("the control plane is shutting down")
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)
