"""`pods/NAME/log`: what a container wrote, from the file it is kept in, optionally as it grows."""

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from aiohttp import web

from lateen.config.objects import ObjectRef
from lateen.local_runtime.api import statuses
from lateen.local_runtime.api.pod_access import PodAccess
from lateen.local_runtime.objects.store import ObjectStore

Json = dict[str, Any]

_CHUNK: Final = 64 * 1024
_POLL_SECONDS: Final = 0.1


async def handle(
    request: web.Request, store: ObjectStore, pods: PodAccess, ref: ObjectRef, container: str
) -> web.StreamResponse:
    """The log as text.

    Its lines carry no time, so `sinceSeconds` gives all of a log written to since then, and nothing of another.
    """
    previous, follow = _flag(request, "previous"), _flag(request, "follow")
    tail = _number(request, "tailLines")
    since = _number(request, "sinceSeconds")
    path = pods.log_path(ref, container, previous)
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    try:
        log = path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise statuses.bad_request(f'container "{container}" in pod "{ref.name}" has not written a log') from error
    with log:
        if since is not None and os.fstat(log.fileno()).st_mtime < time.time() - since:
            log.seek(0, os.SEEK_END)
        elif tail is not None:
            log.seek(_tail_offset(log, tail))
        await response.prepare(request)
        run = _run_of(store, ref, container)
        while True:
            # Asked before reading: what a container wrote last is read even when it ends in between.
            ended = previous or not follow or run is None or _run_of(store, ref, container) != run
            for chunk in _chunks(log):
                await response.write(chunk)
            if ended:
                return response
            await asyncio.sleep(_POLL_SECONDS)


def _chunks(log: BinaryIO) -> Iterator[bytes]:
    if os.fstat(log.fileno()).st_size < log.tell():
        log.seek(0)  # cut short since, as it had grown too large
    while chunk := log.read(_CHUNK):
        yield chunk


def _tail_offset(log: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines start; an unfinished last line counts as one."""
    end = log.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    position, wanted = end, lines + 1
    while position > 0 and wanted > 0:
        start = max(0, position - _CHUNK)
        log.seek(start)
        block = log.read(position - start)
        if position == end and not block.endswith(b"\n"):
            wanted -= 1
        at = len(block)
        while wanted > 0 and (at := block.rfind(b"\n", 0, at)) >= 0:
            wanted -= 1
        if wanted == 0:
            return start + at + 1 if at >= 0 else end
        position = start
    return 0


def _run_of(store: ObjectStore, ref: ObjectRef, container: str) -> Json | None:
    """What tells one run of a container from the next; None where it is not running and will not without a new pod."""
    stored = store.get(ref)
    if stored is None:
        return None
    status = stored.raw.get("status") or {}
    for kind in ("containerStatuses", "initContainerStatuses"):
        for each in status.get(kind) or []:
            if each.get("name") == container:
                ended = "terminated" in (each.get("state") or {})
                return None if ended else {"restarts": each.get("restartCount", 0)}
    return {}


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("1", "true")


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise statuses.bad_request(f"{name} must be a number of at least 0, not {text!r}")
    return int(text)
