"""`pods/NAME:PORT/proxy/PATH`: one HTTP request to 127.0.0.1:PORT inside a pod's network namespace."""

import socket
from io import BytesIO
from typing import Any, Final

import aiohttp
from aiohttp import web
from yarl import URL

from lateen.config.objects import ObjectRef
from lateen.local_runtime.api import statuses
from lateen.local_runtime.api.pod_access import PodAccess

Json = dict[str, Any]

_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "host",
    }
)


def split_name(text: str) -> tuple[str, int | None]:
    """`NAME`, `NAME:PORT` or `http:NAME:PORT` as name and port. Raises `ApiError`."""
    parts = text.split(":")
    if len(parts) == 3:
        if parts[0] not in ("", "http"):
            raise statuses.bad_request(f"only http can be proxied, not {parts[0]}")
        parts = parts[1:]
    if len(parts) == 1 or not parts[1]:
        return parts[0], None
    if len(parts) > 2 or not parts[1].isdecimal() or not 0 < int(parts[1]) < 65536:
        raise statuses.bad_request(f"{text!r} is not NAME:PORT")
    return parts[0], int(parts[1])


async def handle(request: web.Request, pods: PodAccess, ref: ObjectRef, port: int) -> web.StreamResponse:
    """Pass the request on and stream the answer back."""
    path = request.rel_url.raw_path.partition("/proxy")[2] or "/"
    url = URL(f"http://127.0.0.1:{port}{path}", encoded=True)
    if request.query_string:
        url = URL(f"{url}?{request.rel_url.raw_query_string}", encoded=True)

    def within_the_pod(address: Any) -> socket.socket:
        return pods.socket(ref, address[0], address[1])

    connector = aiohttp.TCPConnector(socket_factory=within_the_pod, force_close=True)
    headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
    body = BytesIO(await request.read()) if request.body_exists else None
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        try:
            async with session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as upstream:
                return await _relay(request, upstream)
        except aiohttp.ClientError as error:
            message = f"error trying to reach pod {ref.name} on port {port}: {error}"
            raise statuses.ApiError(503, "ServiceUnavailable", message) from error


async def _relay(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = [(key, value) for key, value in upstream.headers.items() if key.lower() not in _HOP_BY_HOP]
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
    for key, value in headers:
        response.headers.add(key, value)
    await response.prepare(request)
    async for chunk in upstream.content.iter_any():
        await response.write(chunk)
    return response
