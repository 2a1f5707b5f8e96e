"""The control plane's HTTP: readiness and version. Thin; may listen in several places."""

from typing import Final

from aiohttp import web

import lateen
from lateen.control_plane.app import ControlPlane
from lateen.xds.listening import Address, Listener, listen

_SHUTDOWN_SECONDS: Final = 0.5


class HttpServer:
    """Serves what a control plane has to say, until closed."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._runner: web.AppRunner | None = None
        self._listeners: list[Listener] = []

    async def listen(self, address: Address) -> Listener:
        """Returns once it takes connections. Raises `OSError`."""
        if self._runner is None:
            self._runner = web.AppRunner(
                self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
            )
            await self._runner.setup()
        assert self._runner.server is not None  # setup has made it
        listener = await listen(address, self._runner.server)
        self._listeners.append(listener)
        return listener

    async def close(self) -> None:
        """Stop listening, and end what is under way."""
        for listener in self._listeners:
            listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
        for listener in self._listeners:
            await listener.closed()

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/version", self._version)
        return app

    async def _ready(self, _: web.Request) -> web.Response:
        if self._control_plane.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready: the configuration is not complete yet, or this is the end\n")

    async def _version(self, _: web.Request) -> web.Response:
        return web.Response(text=f"lateen {lateen.__version__}\n")
