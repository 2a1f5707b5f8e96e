"""`/stats/prometheus` of the agent: its own metrics, Envoy's and, where asked for, the application's, as one text.

Everything is passed on as it arrives, never held whole.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

from lateen.envoy.errors import HttpError
from lateen.envoy.http1 import Target, opened
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.log import Log

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PASSED_ON = ("accept", "user-agent", "x-prometheus-scrape-timeout-seconds")
_SCRAPE_SECONDS = 10.0


class Scrape(NamedTuple):
    """One place of an application's metrics."""

    port: int
    path: str


def application_scrapes(annotations: str) -> tuple[Scrape, ...]:
    """The scrapes that `ISTIO_PROMETHEUS_ANNOTATIONS` asks for; none for empty text. Raises `AgentError`."""
    if not annotations:
        return ()
    try:
        value = json.loads(annotations)
        if str(value.get("scrape", "")).lower() not in ("true", "1"):
            return ()
        targets = value.get("targets") or [value]
        return tuple(Scrape(int(t.get("port") or 80), _rooted(t.get("path") or "/metrics")) for t in targets)
    except (ValueError, TypeError, AttributeError) as error:
        raise AgentError(f"ISTIO_PROMETHEUS_ANNOTATIONS: {error}: {annotations}") from error


class Metrics:
    """Counts the agent's own, and merges. `started` is a reading of the monotonic clock, taken as the agent began."""

    def __init__(self, envoy: Target, scrapes: tuple[Scrape, ...], host: str, started: float, log: Log) -> None:
        self._envoy = envoy
        self._applications = [(Target(host, scrape.port), scrape.path) for scrape in scrapes]
        self._started = started
        self._startup_seconds: float | None = None
        self._scrapes = 0
        self._failures = {"envoy": 0, "application": 0}
        self._log = log

    def ready(self) -> float:
        """To be told when the proxy became ready: the seconds it took."""
        self._startup_seconds = time.monotonic() - self._started
        return self._startup_seconds

    async def merged(self, headers: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """The text of one scrape. A source that fails is left out and counted."""
        self._scrapes += 1
        forwarded = {name: headers[name] for name in _PASSED_ON if name in headers}
        yield self._own().encode()
        async for chunk in self._source("envoy", self._envoy, "/stats/prometheus", {}):
            yield chunk
        for target, path in self._applications:
            async for chunk in self._source("application", target, path, forwarded):
                yield chunk

    async def _source(self, kind: str, target: Target, path: str, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        last = b"\n"
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(_SCRAPE_SECONDS):
                    answer = await stack.enter_async_context(opened(target, path, headers=headers))
                if answer.status != 200:
                    raise HttpError(f"port {target.port} {path}: status {answer.status}")
                chunks = without_prefix(answer.chunks) if kind == "envoy" else answer.chunks
                # The time is the source's: while a chunk is handed on, nothing is counted.
                while (chunk := await _next(chunks)) is not None:
                    last = chunk
                    yield chunk
        except (HttpError, TimeoutError) as error:
            self._failures[kind] += 1
            self._log.warn(f"metrics of the {kind} are missing in a scrape: {error or 'too slow'}")
        if not last.endswith(b"\n"):
            yield b"\n"

    def _own(self) -> str:
        lines = ["# TYPE istio_agent_scrapes_total counter", f"istio_agent_scrapes_total {self._scrapes}"]
        lines.append("# TYPE istio_agent_scrape_failures_total counter")
        lines += [f'istio_agent_scrape_failures_total{{type="{k}"}} {count}' for k, count in self._failures.items()]
        if self._startup_seconds is not None:
            lines.append("# TYPE istio_agent_startup_duration_seconds gauge")
            lines.append(f"istio_agent_startup_duration_seconds {self._startup_seconds:.3f}")
        return "\n".join(lines) + "\n"


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    async with asyncio.timeout(_SCRAPE_SECONDS):
        return await anext(chunks, None)


async def without_prefix(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Renames `envoy_istio_…` to `istio_…`: stock Envoy puts its own name before every metric."""
    rest = b""
    async for chunk in chunks:
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield lines.replace(b"envoy_istio_", b"istio_") + newline
    if rest:
        yield rest.replace(b"envoy_istio_", b"istio_")


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
