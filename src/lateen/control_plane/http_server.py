"""The control plane's HTTP: readiness, version, metrics, and debug pages for callers on this machine.

Thin: what pages say is in `debug`. May listen in several places.
"""

from typing import Final

from aiohttp import web

import lateen
from lateen.common.addresses import is_local
from lateen.control_plane.app import ControlPlane
from lateen.control_plane.debug import pages
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
        app.router.add_get("/metrics", self._page)
        app.router.add_get(pages.ROOT, self._debug)
        app.router.add_get(pages.ROOT + "/{page:.*}", self._debug)
        return app

    async def _ready(self, _: web.Request) -> web.Response:
        if self._control_plane.ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready: the configuration is not complete yet, or this is the end\n")

    async def _version(self, _: web.Request) -> web.Response:
        return web.Response(text=f"lateen {lateen.__version__}\n")

    async def _page(self, request: web.Request) -> web.Response:
        page = await self._control_plane.page(request.path, request.query_string)
        return web.Response(status=page.status, body=page.text.encode(), headers={"Content-Type": page.content_type})

    async def _debug(self, request: web.Request) -> web.Response:
        if not may_debug(request):
            return web.Response(status=401, text="debug pages are for callers on this machine, through its loopback\n")
        return await self._page(request)


def may_debug(request: web.Request) -> bool:
    """From this machine, and for it: a browser that is led here by a name of somebody else's says so in `Host`."""
    if request.transport is None:
        return False  # gone already
    peer = request.transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return True  # a unix socket; who may open it may ask
    return is_local(peer[0]) and (is_local(request.url.host or "") or request.url.host == "localhost")
