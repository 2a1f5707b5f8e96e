"""Probes of containers: what is asked, how often, and what the answers count for. Pure; `asking.py` asks.

Until a startup or readiness probe has first succeeded it is asked much more often than its period says, since the
pod's start waits for it. A liveness probe is asked when its period says.
"""

from typing import Final

import msgspec

from lateen.local_runtime.plan.services import container_port
from lateen.local_runtime.plan.workloads import Json

_FIRST_DELAY: Final = 0.05
_GROWTH: Final = 1.25


class HttpGet(msgspec.Struct, frozen=True):
    """A GET; with `tls` the server's certificate is not checked."""

    port: int
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    tls: bool = False


class TcpConnect(msgspec.Struct, frozen=True):
    port: int
    host: str = ""


class GrpcCheck(msgspec.Struct, frozen=True):
    """A call of grpc.health.v1 without TLS."""

    port: int
    service: str = ""


class Execute(msgspec.Struct, frozen=True):
    command: tuple[str, ...]


class Assumed(msgspec.Struct, frozen=True):
    """A probe that is not asked and counts as passed; the reason is told to the user."""

    reason: str


Action = HttpGet | TcpConnect | GrpcCheck | Execute | Assumed


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds. `grace` is what a container has to end that is killed for this probe; None for the pod's."""

    action: Action
    initial_delay: float = 0
    period: float = 10
    timeout: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    grace: float | None = None

    def delay(self, attempts: int, succeeded: bool) -> float:
        """How long to wait after this many attempts: soon at first, then the period."""
        if succeeded:
            return self.period
        return min(self.period, _FIRST_DELAY * _GROWTH**attempts)

    @property
    def patience(self) -> float:
        """How long a container may take until a startup probe has succeeded."""
        return self.initial_delay + self.period * self.failure_threshold


class Probes(msgspec.Struct, frozen=True):
    """The probes of one container."""

    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None

    def __bool__(self) -> bool:
        return self != Probes()


class Tally(msgspec.Struct, frozen=True):
    """How a probe has gone: its verdict, and how many answers in a row speak for the other one.

    A readiness probe begins as not passed, a liveness probe as passed.
    """

    passed: bool = False
    against: int = 0

    def after(self, success: bool, probe: Probe) -> "Tally":
        """The tally with one more answer."""
        if success == self.passed:
            return Tally(self.passed)
        needed = probe.success_threshold if success else probe.failure_threshold
        return Tally(success) if self.against + 1 >= needed else Tally(self.passed, self.against + 1)


def probes_of(container: Json, pod: Json) -> Probes:
    """The probes of a container of the pod's spec."""
    return Probes(
        startup=parse_probe(container.get("startupProbe"), pod),
        readiness=parse_probe(container.get("readinessProbe"), pod),
        liveness=parse_probe(container.get("livenessProbe"), pod),
    )


def parse_probe(probe: Json | None, pod: Json) -> Probe | None:
    """A probe of the pod's spec; named ports are looked up in its containers. None where there is none."""
    if not probe:
        return None
    grace = probe.get("terminationGracePeriodSeconds")
    return Probe(
        action=action_of(probe, pod),
        initial_delay=float(probe.get("initialDelaySeconds") or 0),
        period=float(probe.get("periodSeconds") or 10),
        timeout=float(probe.get("timeoutSeconds") or 1),
        success_threshold=int(probe.get("successThreshold") or 1),
        failure_threshold=int(probe.get("failureThreshold") or 3),
        grace=None if grace is None else float(grace),
    )


def action_of(handler: Json, pod: Json) -> Action:
    """What a probe, or a lifecycle hook, does."""
    if handler.get("httpGet"):
        return _http_get(handler["httpGet"], pod)
    if handler.get("tcpSocket"):
        port = container_port(pod, handler["tcpSocket"].get("port", ""))
        host = str(handler["tcpSocket"].get("host") or "")
        return TcpConnect(port, host) if port else Assumed("tcpSocket.port names no container port")
    if handler.get("grpc"):
        return GrpcCheck(int(handler["grpc"]["port"]), str(handler["grpc"].get("service") or ""))
    if handler.get("exec"):
        return Execute(tuple(map(str, handler["exec"].get("command") or ())))
    return Assumed("it has none of httpGet, tcpSocket, grpc and exec")


def _http_get(get: Json, pod: Json) -> Action:
    port = container_port(pod, get.get("port", ""))
    if port is None:
        return Assumed("httpGet.port names no container port")
    headers = tuple((str(h["name"]), str(h.get("value") or "")) for h in get.get("httpHeaders") or ())
    tls = str(get.get("scheme") or "HTTP").upper() == "HTTPS"
    return HttpGet(port, str(get.get("path") or "/"), str(get.get("host") or ""), headers, tls)
