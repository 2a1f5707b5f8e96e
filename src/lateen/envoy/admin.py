"""What we ask of a running Envoy over its admin interface."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from lateen.envoy.errors import AdminError, HttpError
from lateen.envoy.http1 import Response, Target, fetch

_STARTUP_STATS = (
    r"^(cluster_manager\.cds|listener_manager\.lds)\.(update_success|update_rejected)$"
    r"|^listener_manager\.workers_started$"
)
_ACTIVE_STATS = r"downstream_cx_active$"


class Updates(NamedTuple):
    """How the updates of one discovery service went so far."""

    accepted: int = 0
    rejected: int = 0


class StartupState(NamedTuple):
    """How far Envoy has come."""

    live: bool
    workers_started: bool
    clusters: Updates
    listeners: Updates


class Admin:
    """Client of one Envoy's admin interface. Every method raises `AdminError` when Envoy does not do what is asked."""

    def __init__(self, host: str = "127.0.0.1", port: int = 15000, seconds: float = 5.0) -> None:
        self.target = Target(host, port)
        self._seconds = seconds

    async def startup_state(self) -> StartupState:
        # Not by the gauge `server.state`, which is set only when statistics are flushed, every 5 s.
        live = await self.is_live()
        return startup_state(live, await self._stats(_STARTUP_STATS))

    async def active_connections(self, ignored_ports: frozenset[int]) -> int:
        """Downstream connections open now on all listeners but the admin interface's and those of `ignored_ports`."""
        return active_connections(await self._stats(_ACTIVE_STATS), ignored_ports)

    async def is_live(self) -> bool:
        """Whether Envoy's state is LIVE, rather than initializing or draining."""
        return (await self._fetch("GET", "/ready")).status == 200

    async def server_info(self) -> Mapping[str, Any]:
        result: Mapping[str, Any] = json.loads((await self._ask("GET", "/server_info")).body)
        return result

    async def config_dump(self, query: str = "") -> Mapping[str, Any]:
        """Envoy's configuration; `query` as Envoy knows it, such as `include_eds`."""
        path = f"/config_dump?{query}" if query else "/config_dump"
        result: Mapping[str, Any] = json.loads((await self._ask("GET", path)).body)
        return result

    async def fail_healthcheck(self) -> None:
        """Makes Envoy say that it is draining to whoever asks for its health."""
        await self._ask("POST", "/healthcheck/fail")

    async def drain_listeners(self, *, inbound_only: bool, keep_listening: bool = False) -> None:
        """Starts a graceful drain: connections are asked to end, new ones are served until the drain time is over.

        `keep_listening` serves new ones beyond it, until Envoy is told to end.
        """
        query = ["graceful", *(["skip_exit"] if keep_listening else []), *(["inboundonly"] if inbound_only else [])]
        await self._ask("POST", "/drain_listeners?" + "&".join(query))

    async def _stats(self, regex: str) -> Mapping[str, int]:
        response = await self._ask("GET", f"/stats?usedonly&filter={quote(regex, safe='')}")
        return parse_stats(response.text)

    async def _ask(self, method: str, path: str) -> Response:
        response = await self._fetch(method, path)
        if response.status != 200:
            raise AdminError(
                f"Envoy's admin interface: {method} {path}: {response.status} {response.text.strip()[:200]}"
            )
        return response

    async def _fetch(self, method: str, path: str) -> Response:
        try:
            return await fetch(self.target, path, method=method, seconds=self._seconds)
        except HttpError as error:
            raise AdminError(f"Envoy's admin interface: {error}") from error


def parse_stats(text: str) -> dict[str, int]:
    """Counters and gauges of Envoy's text form, `name: value` a line; histograms and texts are left out."""
    result = {}
    for line in text.splitlines():
        name, separator, value = line.rpartition(": ")
        if separator and value.isdigit():
            result[name] = int(value)
    return result


def startup_state(live: bool, stats: Mapping[str, int]) -> StartupState:
    """Reads a start from its statistics; one that Envoy does not have yet counts as not reached."""
    return StartupState(
        live=live,
        workers_started=stats.get("listener_manager.workers_started") == 1,
        clusters=_updates(stats, "cluster_manager.cds"),
        listeners=_updates(stats, "listener_manager.lds"),
    )


def active_connections(stats: Mapping[str, int], ignored_ports: frozenset[int]) -> int:
    """Sums the listeners' own counts; those of the worker threads and of the codecs repeat the same connections."""
    endings = tuple(f"_{port}.downstream_cx_active" for port in ignored_ports)
    return sum(
        value
        for name, value in stats.items()
        if name.startswith("listener.")
        and not name.startswith("listener.admin.")
        and not name.endswith(endings)
        and ".worker_" not in name
        and ".http." not in name
    )


def _updates(stats: Mapping[str, int], prefix: str) -> Updates:
    return Updates(stats.get(f"{prefix}.update_success", 0), stats.get(f"{prefix}.update_rejected", 0))
