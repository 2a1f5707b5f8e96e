"""Debug pages over xDS, as istioctl asks for them: a stream whose first request is of a debug type.

    istio.io/debug               the resource's name is a path under /debug, the resource is the page
    istio.io/debug/syncz         a `ClientConfig` for each proxy
    istio.io/debug/config_dump   the resource's name is a proxy, the resources are the parts of its dump

For callers on this machine only. Source of the types: Istio.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final
from urllib.parse import quote

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse, Resource
from google.protobuf.any_pb2 import Any

import lateen
from lateen.common.addresses import is_local
from lateen.control_plane.debug.pages import ROOT
from lateen.sources.handover import Page
from lateen.xds.grpc.call import Call, Handler, HandlerFactory, Peer
from lateen.xds.grpc.message import Message
from lateen.xds.grpc.status import CallError, Status
from lateen.xds.subscription import Ask, Names
from lateen.xds.variant import DELTA, VARIANTS, Request, Variant

_log = logging.getLogger(__name__)

PAGE: Final = "istio.io/debug"
SYNC_STATUS: Final = f"{PAGE}/syncz"
CONFIG_DUMP: Final = f"{PAGE}/config_dump"
_MARK: Final = PAGE.encode()

Pages = Callable[[str, str], Awaitable[Page]]
"""Path and query to a page."""


def with_debug(handlers: Mapping[str, HandlerFactory], pages: Pages) -> dict[str, HandlerFactory]:
    """The methods of discovery, by path, answering requests of debug types besides."""

    def factory(variant: Variant) -> HandlerFactory:
        return lambda call: _FirstMessage(call, variant, handlers[variant.path], pages)

    return {**handlers, **{variant.path: factory(variant) for variant in VARIANTS}}


class _FirstMessage:
    """Hands the call to whom its first message is for."""

    def __init__(self, call: Call, variant: Variant, discovery: HandlerFactory, pages: Pages) -> None:
        self._call = call
        self._variant = variant
        self._discovery = discovery
        self._pages = pages

    def received(self, message: bytes) -> None:
        self._call.handler = handler = self._handler(message)
        handler.received(message)

    def ended(self) -> None:
        self._call.finish()

    def lost(self) -> None:
        pass

    def _handler(self, message: bytes) -> Handler:
        # Looked for in the bytes first: a proxy's first message is 60 kB, and is parsed once.
        if _MARK in message and self._variant.request(message).type_url.startswith(PAGE):
            return _DebugStream(self._call, self._variant, self._pages)
        return self._discovery(self._call)


class _DebugStream:
    """Answers each request that names something; nothing is watched."""

    def __init__(self, call: Call, variant: Variant, pages: Pages) -> None:
        if not may_debug(call.peer):
            raise CallError(Status.PERMISSION_DENIED, "debug types are for callers on this machine")
        self._call = call
        self._variant = variant
        self._pages = pages
        self._tasks: set[asyncio.Task[None]] = set()
        self._nonces = 0
        self._ended = False

    def received(self, message: bytes) -> None:
        request = self._variant.request(message)
        if request.nonce:
            return  # an acknowledgement
        task = asyncio.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._answered)

    def ended(self) -> None:
        self._ended = True
        if not self._tasks:
            self._call.finish()

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._ended and not self._tasks:
            self._call.finish()

    def lost(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _answer(self, request: Request) -> None:
        try:
            self._call.send(Message(self._response(request.type_url, await self._resources(request))))
        except CallError as error:
            self._call.finish(error.status, error.message)
        except Exception:
            _log.exception("cannot answer a request of type %s", request.type_url)
            self._call.finish(Status.INTERNAL, "internal error")

    async def _resources(self, request: Request) -> list[tuple[str, Any]]:
        from lateen.control_plane.debug.client_config import client_config, dump_parts

        if request.type_url == PAGE:
            path, _, query = _one_name(request.ask).partition("?")
            page = await self._page(path, query)
            return [(path, Any(type_url=PAGE, value=page.encode()))]
        if request.type_url == SYNC_STATUS:
            found = json.loads(await self._page("syncz"))
            return [(each["proxy"], client_config(each)) for each in found]
        if request.type_url == CONFIG_DUMP:
            name = _one_name(request.ask)
            page = await self._page("config_dump", f"include_eds&proxyID={quote(name)}")
            return [(name, part) for part in await asyncio.to_thread(dump_parts, page)]
        known = ", ".join((PAGE, SYNC_STATUS, CONFIG_DUMP))
        raise CallError(Status.INVALID_ARGUMENT, f"type {request.type_url!r} is not one of {known}")

    async def _page(self, path: str, query: str = "") -> str:
        page = await self._pages(f"{ROOT}/{path}", query)
        if page.status != 200:
            status = Status.NOT_FOUND if page.status == 404 else Status.INVALID_ARGUMENT
            raise CallError(status, page.text.strip())
        return page.text

    def _response(self, type_url: str, resources: Iterable[tuple[str, Any]]) -> bytes:
        self._nonces += 1
        nonce = str(self._nonces)
        response: DeltaDiscoveryResponse | DiscoveryResponse
        if self._variant is DELTA:
            listed = [Resource(name=name, resource=packed) for name, packed in resources]
            response = DeltaDiscoveryResponse(type_url=type_url, nonce=nonce, resources=listed)
        else:
            response = DiscoveryResponse(type_url=type_url, nonce=nonce, resources=[each for _, each in resources])
        response.control_plane.identifier = json.dumps(
            {"Component": "lateen", "ID": "lateen", "Info": {"version": lateen.__version__}}
        )
        return response.SerializeToString()


def _one_name(ask: Ask) -> str:
    names = ask.names if isinstance(ask, Names) else ask.subscribe
    if len(names) != 1:
        raise CallError(Status.INVALID_ARGUMENT, f"a request of this type names one resource, not {len(names)}")
    return next(iter(names))


def may_debug(peer: Peer) -> bool:
    """A process of this user or of root on a unix socket, which pods have too; or a caller through the loopback."""
    if peer.pid is not None:
        return peer.uid in (0, os.geteuid())
    return is_local(peer.address.rpartition(":")[0].strip("[]"))
