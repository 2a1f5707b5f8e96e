"""The control plane's HTTPS: the injection webhook, as a cluster's API server calls it, and readiness.

Reviews are worked out one after the other in a thread of their own, so proxies are served meanwhile however large a pod
is. What comes when too many wait is turned away at once: its caller asks again, and may reach somebody else.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp import web

from lateen.control_plane.injector import Injector
from lateen.inject.admission import PATH, Outcome
from lateen.xds.listening import Address, Listener, listen

MOST_BYTES: Final = 4 * 1024 * 1024
"""Of a body. The API server takes objects of up to 3 MiB."""
MOST_REVIEWS: Final = 64
"""Requests under way at the same time."""
BODY_WITHIN_S: Final = 10.0

_JSON: Final = "application/json"
_SHUTDOWN_S: Final = 0.5
_TRY_AGAIN: Final = {"Retry-After": "1"}


class WebhookServer:
    """Serves reviews by an injector, until closed."""

    def __init__(self, injector: Injector, is_ready: Callable[[], bool], body_within_s: float = BODY_WITHIN_S) -> None:
        self._injector = injector
        self._is_ready = is_ready
        self._body_within_s = body_within_s
        self.under_way = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="injection")
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None

    async def listen(self, address: Address, context: ssl.SSLContext) -> Listener:
        """Returns once it takes connections. Raises `OSError`."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_get("/ready", self._ready)
        app.router.add_post(PATH, self._inject)
        app.router.add_post(PATH + "/{environment:.*}", self._inject)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        assert self._runner.server is not None  # setup has made it
        self._listener = await listen(address, self._runner.server, context)
        return self._listener

    async def close(self) -> None:
        """Stop listening, and end what is under way."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._listener is not None:
            await self._listener.closed()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _ready(self, _: web.Request) -> web.Response:
        if self._is_ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready: the configuration is not complete yet, or this is the end\n")

    async def _inject(self, request: web.Request) -> web.Response:
        if self.under_way >= MOST_REVIEWS:
            self._injector.counts.turned_away += 1
            return web.Response(status=503, headers=_TRY_AGAIN, text="too many pods at once; ask again\n")
        self.under_way += 1
        try:
            return await self._answered(request)
        finally:
            self.under_way -= 1

    async def _answered(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._body_within_s):
                body = await request.read()
        except TimeoutError:
            return self._refused(408, f"the body must be here within {self._body_within_s:g} s")
        except web.HTTPRequestEntityTooLarge:
            return self._refused(413, f"a body may have {MOST_BYTES} bytes")
        if not body:
            return self._refused(400, "no body found")
        if request.content_type != _JSON:
            return self._refused(415, f"invalid Content-Type, expect {_JSON}")
        loop = asyncio.get_running_loop()
        path, received = request.path, time.monotonic()
        answer = await loop.run_in_executor(self._thread, self._injector.review, body, path, received)
        return web.Response(body=answer, content_type=_JSON)

    def _refused(self, status: int, message: str) -> web.Response:
        self._injector.counts.answered(Outcome.FAILED)
        return web.Response(status=status, text=f"{message}\n")
