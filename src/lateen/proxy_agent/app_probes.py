"""The application's own health checks, run by the agent on the kubelet's behalf.

The injector turned them into requests to the agent, since a probe through the mesh's interception would need mutual
TLS, and told the agent the originals in `ISTIO_KUBE_APP_PROBERS`.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, assert_never

from lateen.envoy.errors import HttpError
from lateen.envoy.http1 import Target, fetch
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.http_server import Reply

_PATH = re.compile(r"^/(app-health|app-lifecycle)/[^/]+/(livez|readyz|startupz|prestopz|poststartz)$")
_DEFAULT_SECONDS = 1.0
_LIFECYCLE_SECONDS = 30.0
_NOT_FORWARDED = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


class HttpProbe(NamedTuple):
    port: int
    path: str
    tls: bool
    headers: Mapping[str, str]


class TcpProbe(NamedTuple):
    port: int


class GrpcProbe(NamedTuple):
    """A call of grpc.health.v1 without TLS."""

    port: int
    service: str


class Probe(NamedTuple):
    action: HttpProbe | TcpProbe | GrpcProbe
    seconds: float


def decode_probes(text: str) -> dict[str, Probe]:
    """Probes by path, from the JSON of `ISTIO_KUBE_APP_PROBERS`. Raises `AgentError` naming the path."""
    try:
        entries = json.loads(text) if text else {}
    except ValueError as error:
        raise AgentError(f"ISTIO_KUBE_APP_PROBERS: not JSON: {error}") from error
    if not isinstance(entries, dict):
        raise AgentError("ISTIO_KUBE_APP_PROBERS: a JSON object is expected")
    result = {}
    for path, entry in entries.items():
        try:
            result[path] = _probe(path, entry)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise AgentError(f"ISTIO_KUBE_APP_PROBERS {path}: {error}") from error
    return result


async def run_probe(probe: Probe, host: str, source: str, headers: Mapping[str, str]) -> Reply:
    """The application's answer; 500 with the reason when there is none. A redirect counts as healthy."""
    match probe.action:
        case HttpProbe(port, path, tls, own):
            forwarded = {name: value for name, value in headers.items() if name not in _NOT_FORWARDED} | dict(own)
            target = Target(host, port, tls, source)
            try:
                answer = await fetch(target, path, headers=forwarded, seconds=probe.seconds, max_bytes=1 << 20)
            except HttpError as error:
                return Reply(500, f"{error}\n")
            status = 200 if 300 <= answer.status < 400 else answer.status
            return Reply(status, content_type=answer.headers.get("content-type", "text/plain"), content=answer.body)
        case TcpProbe(port):
            return await _connects(host, port, source, probe.seconds)
        case GrpcProbe(port, service):
            return await _serves(host, port, source, service, probe.seconds)
        case _:
            assert_never(probe.action)


async def _connects(host: str, port: int, source: str, seconds: float) -> Reply:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
    except (OSError, TimeoutError) as error:
        return Reply(500, f"{host}:{port}: {error or 'no connection in time'}\n")
    writer.close()
    return Reply(200)


async def _serves(host: str, port: int, source: str, service: str, seconds: float) -> Reply:
    # HTTP/2 is loaded by the agents of pods that have such a probe, and costs the others nothing.
    from lateen.xds.health_check import check_health

    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
            try:
                problem = await check_health(reader, writer, f"{host}:{port}", service)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError) as error:
        problem = str(error) or "no answer in time"
    return Reply(200) if problem is None else Reply(500, f"{host}:{port}: {problem}\n")


def _probe(path: str, entry: Mapping[str, Any]) -> Probe:
    if not _PATH.match(path):
        raise ValueError("the path is not one of /app-health/CONTAINER/readyz and its like")
    handlers = [name for name in ("httpGet", "tcpSocket", "grpc") if entry.get(name) is not None]
    if len(handlers) != 1:
        raise ValueError("exactly one of httpGet, tcpSocket and grpc is expected")
    handler = entry[handlers[0]]
    port = handler["port"]
    if isinstance(port, bool) or not isinstance(port, int):
        raise ValueError(f"port {port!r} is not a number")
    default = _LIFECYCLE_SECONDS if path.startswith("/app-lifecycle/") else _DEFAULT_SECONDS
    return Probe(_action(handlers[0], port, handler), float(entry.get("timeoutSeconds") or default))


def _action(kind: str, port: int, handler: Mapping[str, Any]) -> HttpProbe | TcpProbe | GrpcProbe:
    if kind == "tcpSocket":
        return TcpProbe(port)
    if kind == "grpc":
        return GrpcProbe(port, str(handler.get("service") or ""))
    path = handler.get("path") or "/"
    headers = {header["name"].lower(): header.get("value", "") for header in handler.get("httpHeaders") or ()}
    tls = str(handler.get("scheme", "")).upper() == "HTTPS"
    return HttpProbe(port, path if path.startswith("/") else f"/{path}", tls, headers)
