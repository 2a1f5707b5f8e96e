"""Watches: a stream of JSON lines, one for each change of the objects that a request chooses.

A watch holds no events: it remembers the version it has told and reads on in the store's history whenever something
changes, so a slow client costs nothing. Source: Kubernetes API Concepts, "Efficient detection of changes". A watch that
asks for changes no longer kept is answered 200 with one ERROR event of code 410, as the real server does.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from aiohttp import web

from lateen.local_runtime.api import bodies, statuses
from lateen.local_runtime.api.resources import Collection, selection
from lateen.local_runtime.api.selectors import Predicate
from lateen.local_runtime.objects.store import Event, EventType

Json = dict[str, Any]

_BOOKMARK_SECONDS: Final = 60.0
_INITIAL_END: Final = "k8s.io/initial-events-end"


def is_watch(request: web.Request) -> bool:
    return request.method == "GET" and _flag(request, "watch")


async def handle(request: web.Request, collection: Collection) -> web.StreamResponse:
    """Send what changes until the client leaves or its `timeoutSeconds` pass."""
    if collection.target.name is not None:
        raise statuses.bad_request("watch a collection, with fieldSelector=metadata.name=NAME for one object")
    try:
        seconds = float(request.query.get("timeoutSeconds") or 0) or None
    except ValueError as error:
        raise statuses.bad_request("timeoutSeconds must be a number") from error
    chooses = selection(request)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        async with asyncio.timeout(seconds):
            async for lines in _told(request, collection, chooses):
                await response.write(b"".join(bodies.encode(line) + b"\n" for line in lines))
    except (TimeoutError, ConnectionResetError):
        pass
    return response


async def _told(request: web.Request, collection: Collection, chooses: Predicate) -> AsyncIterator[Sequence[Json]]:
    """What the client is told, in batches: the first at once, later ones as changes happen."""
    store = collection.store
    initial = _flag(request, "sendInitialEvents")
    asked = request.query.get("resourceVersion", "")
    told = store.version
    if initial or asked in ("", "0"):
        yield [_line(EventType.ADDED, collection, stored.raw) for stored in collection.matching(request)[0]]
        if initial:
            yield [_bookmark(collection, told, {_INITIAL_END: "true"})]
    else:
        told = int(asked) if asked.isdecimal() else -1
    changed = asyncio.Event()
    leave = store.subscribe(lambda _: changed.set())
    try:
        while True:
            changed.clear()
            events = store.since(told)
            if events is None:
                yield [{"type": "ERROR", "object": statuses.expired(told, store.version)}]
                return
            told = events[-1].version if events else told
            if lines := list(_lines(collection, events, chooses)):
                yield lines
            try:
                async with asyncio.timeout(_BOOKMARK_SECONDS):
                    await changed.wait()
            except TimeoutError:
                if _flag(request, "allowWatchBookmarks"):
                    yield [_bookmark(collection, told)]
    finally:
        leave()


def _lines(collection: Collection, events: Sequence[Event], chooses: Predicate) -> Iterator[Json]:
    """Events as the selectors see them: an object that stops matching is deleted, one that starts is added."""
    for event in events:
        ref, target = event.ref, collection.target
        if (ref.group, ref.kind) != (collection.type.group, collection.type.kind):
            continue
        if target.namespace is not None and target.namespace != ref.namespace:
            continue
        before = event.old is not None and chooses(event.old)
        now = event.type is not EventType.DELETED and chooses(event.raw)
        if now:
            yield _line(EventType.MODIFIED if before else EventType.ADDED, collection, event.raw)
        elif before:
            yield _line(EventType.DELETED, collection, event.raw)


def _line(kind: EventType, collection: Collection, raw: Json) -> Json:
    return {"type": kind.value, "object": collection.shown(raw)}


def _bookmark(collection: Collection, version: int, annotations: dict[str, str] | None = None) -> Json:
    metadata: Json = {"resourceVersion": str(version), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    return {"type": "BOOKMARK", "object": collection.shown({"metadata": metadata})}


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("1", "true")
