"""Startup and readiness probes: what the answer counts for (pure), and asking, from inside the mesh network (edge).

Until a probe has first succeeded it is asked much more often than its period says, since the pod's start waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, assert_never

import msgspec

from lateen.local_runtime.network.network import MeshNetwork
from lateen.local_runtime.plan.services import container_port
from lateen.local_runtime.plan.workloads import Json

_FIRST_DELAY: Final = 0.05
_GROWTH: Final = 1.25
_MAX_STATUS_LINE: Final = 4096


class HttpGet(msgspec.Struct, frozen=True):
    port: int
    path: str = "/"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class TcpConnect(msgspec.Struct, frozen=True):
    port: int
    host: str = ""


class Execute(msgspec.Struct, frozen=True):
    command: tuple[str, ...]


class Assumed(msgspec.Struct, frozen=True):
    """A probe that is not asked and counts as passed; the reason is told to the user."""

    reason: str


RunsCommand = Callable[[tuple[str, ...]], Awaitable[int]]

Action = HttpGet | TcpConnect | Execute | Assumed


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    action: Action
    initial_delay: float = 0
    period: float = 10
    timeout: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    def delay(self, attempts: int, succeeded: bool) -> float:
        """How long to wait after this many attempts: soon at first, then the period."""
        if succeeded:
            return self.period
        return min(self.period, _FIRST_DELAY * _GROWTH**attempts)

    @property
    def patience(self) -> float:
        """How long a container may take until a startup probe has succeeded."""
        return self.initial_delay + self.period * self.failure_threshold


class Tally(msgspec.Struct, frozen=True):
    """How a probe has gone: its verdict, and how many answers in a row speak for the other one."""

    passed: bool = False
    against: int = 0

    def after(self, success: bool, probe: Probe) -> "Tally":
        """The tally with one more answer."""
        if success == self.passed:
            return Tally(self.passed)
        needed = probe.success_threshold if success else probe.failure_threshold
        return Tally(success) if self.against + 1 >= needed else Tally(self.passed, self.against + 1)


def parse_probe(probe: Json | None, pod: Json) -> Probe | None:
    """A probe of the pod's spec; named ports are looked up in its containers. None where there is none."""
    if not probe:
        return None
    return Probe(
        action=_action(probe, pod),
        initial_delay=float(probe.get("initialDelaySeconds") or 0),
        period=float(probe.get("periodSeconds") or 10),
        timeout=float(probe.get("timeoutSeconds") or 1),
        success_threshold=int(probe.get("successThreshold") or 1),
        failure_threshold=int(probe.get("failureThreshold") or 3),
    )


def _action(probe: Json, pod: Json) -> Action:
    if probe.get("httpGet"):
        return _http_get(probe["httpGet"], pod)
    if probe.get("tcpSocket"):
        port = container_port(pod, probe["tcpSocket"].get("port", ""))
        host = str(probe["tcpSocket"].get("host") or "")
        return TcpConnect(port, host) if port else Assumed("tcpSocket.port names no container port")
    if probe.get("exec"):
        return Execute(tuple(map(str, probe["exec"].get("command") or ())))
    return Assumed("only httpGet, tcpSocket and exec probes are asked")


def _http_get(get: Json, pod: Json) -> Action:
    port = container_port(pod, get.get("port", ""))
    if port is None:
        return Assumed("httpGet.port names no container port")
    if str(get.get("scheme", "HTTP")).upper() == "HTTPS":
        # Whether something answers is asked without the handshake; certificates of a probed server are never checked.
        return TcpConnect(port, str(get.get("host") or ""))
    headers = tuple((str(h["name"]), str(h.get("value") or "")) for h in get.get("httpHeaders") or ())
    return HttpGet(port, str(get.get("path") or "/"), str(get.get("host") or ""), headers)


async def ask(probe: Probe, address: str, network: MeshNetwork, execute: RunsCommand) -> bool:
    """Ask once, within the probe's timeout; `execute` runs a command in the container and gives its exit code."""
    try:
        async with asyncio.timeout(probe.timeout):
            match probe.action:
                case HttpGet() as get:
                    return 200 <= await _http_status(get, address, network) < 400
                case TcpConnect(port=port, host=host):
                    (await network.connect(host or address, port)).close()
                    return True
                case Execute(command=command):
                    return await execute(command) == 0
                case Assumed():
                    return True
                case _:
                    assert_never(probe.action)
    except (OSError, TimeoutError, ValueError):
        return False


async def _http_status(get: HttpGet, address: str, network: MeshNetwork) -> int:
    connection = await network.connect(get.host or address, get.port)
    with connection:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, request_bytes(get, get.host or address))
        received = b""
        while b"\n" not in received and len(received) < _MAX_STATUS_LINE:
            chunk = await loop.sock_recv(connection, _MAX_STATUS_LINE)
            if not chunk:
                break
            received += chunk
        return status_code(received)


def request_bytes(get: HttpGet, authority: str) -> bytes:
    """The request of a probe, as a kubelet sends it."""
    headers: Mapping[str, str] = {
        "Host": f"{authority}:{get.port}",
        "User-Agent": "kube-probe/1.36",
        "Accept": "*/*",
        "Connection": "close",
    }
    chosen = {name.lower(): (name, value) for name, value in (*headers.items(), *get.headers)}
    path = get.path if get.path.startswith("/") else f"/{get.path}"
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in chosen.values()), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def status_code(received: bytes) -> int:
    """The status code of an HTTP/1 response. Raises `ValueError` for bytes that are none."""
    parts = received.split(b"\n", 1)[0].split()
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
        raise ValueError("not an HTTP response")
    return int(parts[1])
