"""What the paths of the agent's status port (15020) mean."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from lateen.proxy_agent.app_probes import Probe, run_probe
from lateen.proxy_agent.http_server import Reply, Request
from lateen.proxy_agent.metrics import CONTENT_TYPE, Metrics
from lateen.proxy_agent.readiness import Readiness

_METRICS_PATHS = ("/stats/prometheus", "/metrics")
_PROBE_PATHS = ("/app-health/", "/app-lifecycle/")


class ProbeSettings(NamedTuple):
    """Which probes of the application there are, and between which addresses they run."""

    probes: Mapping[str, Probe]
    host: str
    source: str
    """An address that the pod's interception leaves alone."""


class Status:
    """Answers requests. `drain` starts a drain, `quit` the end of the agent; both are for callers in the pod only."""

    def __init__(
        self,
        readiness: Readiness,
        metrics: Metrics,
        probes: ProbeSettings,
        drain: Callable[[], Awaitable[None]],
        quit: Callable[[], None],
        metrics_local_only: bool = False,
    ) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self._probes = probes
        self._drain = drain
        self._quit = quit
        self._metrics_local_only = metrics_local_only

    async def answer(self, request: Request) -> Reply:
        if request.path in ("/drain", "/quitquitquit"):
            return await self._command(request)
        if request.path == "/healthz/ready":
            problem = await self._readiness.problem()
            return Reply() if problem is None else Reply(HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n")
        if request.path in _METRICS_PATHS:
            if self._metrics_local_only and not request.local:
                return Reply(HTTPStatus.FORBIDDEN, "metrics are served inside the pod only\n")
            return Reply(content_type=CONTENT_TYPE, stream=self._metrics.merged(request.headers))
        if request.path.startswith(_PROBE_PATHS):
            probe = self._probes.probes.get(request.path)
            if probe is None:
                return Reply(HTTPStatus.BAD_REQUEST, f"the pod has no probe {request.path}\n")
            return await run_probe(probe, self._probes.host, self._probes.source, request.headers)
        return Reply(HTTPStatus.NOT_FOUND, "not found\n")

    async def _command(self, request: Request) -> Reply:
        if not request.local:
            return Reply(HTTPStatus.FORBIDDEN, "only requests from inside the pod are allowed\n")
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, "use POST\n")
        if request.path == "/drain":
            await self._drain()
        else:
            self._quit()
        return Reply(text="OK\n")
