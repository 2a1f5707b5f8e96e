"""The API server: routes requests to objects, watches, pods and the program's own pages, on a unix socket.

The socket is for its owner alone (mode 0600), which is all the authentication there is.
"""

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

import lateen
from lateen.config.objects import ObjectRef
from lateen.local_runtime.api import apply, bodies, discovery, exec, logs, proxy, resources, statuses, watches
from lateen.local_runtime.api.paths import Target, parse
from lateen.local_runtime.api.pod_access import PodAccess, PodUnavailable
from lateen.local_runtime.api.resources import Collection
from lateen.local_runtime.control_plane import NoAnswer
from lateen.local_runtime.objects.store import ObjectStore
from lateen.local_runtime.pods.containers import default_container
from lateen.sources.handover import Page

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SHUTDOWN_SECONDS: Final = 0.5
_log = logging.getLogger(__name__)


class Program(Protocol):
    """What the server asks of the program it is part of, where Kubernetes has no object for it."""

    async def info(self) -> Json:
        """`pid`, `controlPlane` (`pid`, null while it is away, and `restarts`), `version`, `started` (RFC 3339),
        `published` (URLs), and texts: `refused` (written and not in force), `problems` (in force, and not as its author
        will have meant it), `notices` (what keeps nothing from working).
        """
        ...

    async def settled(self) -> None:
        """Return once every write so far has been worked out, as far as that does not take pods to do something."""
        ...

    async def page(self, path: str, query: str) -> Page:
        """What the control plane has to say at a path under `/debug`, or at `/metrics`. Raises `NoAnswer`."""
        ...

    def shut_down(self) -> None:
        """Begin to take the mesh down; returns at once."""
        ...


class ApiServer:
    """Serves a store, and reaches into pods, until closed."""

    def __init__(self, store: ObjectStore, pods: PodAccess, program: Program) -> None:
        self._store = store
        self._pods = pods
        self._program = program
        self._runner: web.AppRunner | None = None

    async def serve(self, path: Path) -> None:
        """Listen on a unix socket; returns once it takes connections. A file left by a dead server is replaced."""
        runner = web.AppRunner(
            self.application(), access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        await web.SockSite(runner, _listen(path)).start()
        self._runner = runner

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def application(self) -> web.Application:
        app = web.Application(middlewares=[_refusals], client_max_size=bodies.MAX_BYTES)
        app.router.add_get("/version", self._version)
        app.router.add_get("/healthz", _healthy)
        app.router.add_get("/readyz", _healthy)
        for path in ("/metrics", "/debug", "/debug/{page:.*}"):
            app.router.add_get(path, self._page)
        app.router.add_get("/lateen/v1/info", self._info)
        app.router.add_post("/lateen/v1/apply", self._apply)
        app.router.add_post("/lateen/v1/shutdown", self._shutdown)
        app.router.add_route("*", "/{path:.*}", self._api)
        return app

    async def _api(self, request: web.Request) -> web.StreamResponse:
        target = parse(request.path)
        if target is None:
            return self._discovery(request)
        if (target.group, target.plural) == ("", "pods") and target.subresource in ("log", "exec", "proxy"):
            return await self._pod(request, target)
        collection = Collection(self._store, target)
        if watches.is_watch(request):
            return await watches.handle(request, collection)
        return await resources.handle(request, collection)

    def _discovery(self, request: web.Request) -> web.Response:
        types = self._store.types
        found: Json | None = None
        match request.path.strip("/").split("/"):
            case ["api"]:
                found = discovery.core_versions()
            case ["api", version]:
                found = discovery.resources(types, "", version)
            case ["apis"]:
                found = discovery.groups(types)
            case ["apis", group]:
                found = discovery.group(types, group)
            case ["apis", group, version]:
                found = discovery.resources(types, group, version)
        if found is None:
            raise statuses.no_such_path(request.path)
        if request.method not in ("GET", "HEAD"):
            raise statuses.method_not_allowed()
        return bodies.answer(found)

    async def _pod(self, request: web.Request, target: Target) -> web.StreamResponse:
        name, port = proxy.split_name(target.name or "") if target.subresource == "proxy" else (target.name or "", None)
        ref = ObjectRef("", "Pod", target.namespace or "", name)
        stored = self._store.get(ref)
        if stored is None:
            raise statuses.ApiError(404, "NotFound", f'pods "{name}" not found')
        try:
            container = default_container(stored.raw, request.query.get("container"))
        except ValueError as error:
            raise statuses.bad_request(str(error)) from error
        try:
            match target.subresource:
                case "log":
                    return await logs.handle(request, self._store, self._pods, ref, container)
                case "exec":
                    return await exec.handle(request, self._pods, ref, container)
                case _:
                    return await proxy.handle(request, self._pods, ref, port or _first_port(stored.raw))
        except PodUnavailable as error:
            raise statuses.bad_request(str(error)) from error

    async def _version(self, _: web.Request) -> web.Response:
        shown = {"major": "1", "minor": "32", "gitVersion": f"v1.32.0+lateen-{lateen.__version__}"}
        return bodies.answer(shown)

    async def _page(self, request: web.Request) -> web.Response:
        page = await self._program.page(request.path, request.query_string)
        if page.status >= 400:
            raise statuses.ApiError(page.status, "NotFound" if page.status == 404 else "BadRequest", page.text.strip())
        return web.Response(body=page.text.encode(), headers={"Content-Type": page.content_type})

    async def _info(self, _: web.Request) -> web.Response:
        return bodies.answer(await self._program.info())

    async def _apply(self, request: web.Request) -> web.Response:
        body = await bodies.read_object(request)
        before = await self._program.info()
        answer = apply.handle(self._store, body)
        await self._program.settled()
        after = await self._program.info()
        told = {kind: apply.told(answer, before[kind], after[kind]) for kind in ("refused", "problems")}
        return bodies.answer(answer | told)

    async def _shutdown(self, _: web.Request) -> web.Response:
        self._program.shut_down()
        return bodies.answer({"status": "Success"}, 202)


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers an `ApiError` with its Status, and a bug with a 500 that names it."""
    try:
        return await handler(request)
    except statuses.ApiError as error:
        return bodies.answer(error.status, error.code)
    except web.HTTPException as error:
        return bodies.answer(statuses.failure(error.status, error.reason, error.text or error.reason), error.status)
    except NoAnswer as error:
        return bodies.answer(statuses.failure(503, "ServiceUnavailable", str(error)), 503)
    except ConnectionResetError:
        raise
    except Exception as error:
        _log.exception("%s %s failed", request.method, request.path)
        return bodies.answer(statuses.failure(500, "InternalError", f"{type(error).__name__}: {error}"), 500)


def _first_port(pod: Json) -> int:
    for container in (pod.get("spec") or {}).get("containers") or []:
        for port in container.get("ports") or []:
            return int(port["containerPort"])
    return 80


def _listen(path: Path) -> socket.socket:
    """A listening unix socket that only its owner may connect to, from its first moment."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(128)
    listening.setblocking(False)
    return listening
