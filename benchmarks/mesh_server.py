"""The control plane in a process of its own, as the local mesh runs it, fed with generated objects instead of files.

Orders come on standard input, one line each: a name and numbers. Each is answered by one line of JSON. Times are those
of CLOCK_MONOTONIC in ns, which other processes share.
"""

import asyncio
import json
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from translation import NAMESPACES, Json, address, mesh_setting, objects, slice_of, typed, virtual_service

from lateen.control_plane.app import ControlPlane
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.listening import TcpAddress, UnixAddress


class Server:
    """The orders that there are. Each public method is one."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._services = 0

    def build(self, services: int) -> Json:
        """Hand over the whole mesh."""
        self._services = services
        started = time.perf_counter()
        found = [typed(raw) for raw in objects(services)]
        decode_ms = (time.perf_counter() - started) * 1000
        at = time.monotonic_ns()
        self._control_plane.apply(found, ())
        return {"at_ns": at, "decode_ms": decode_ms, "objects": len(found)}

    def endpoint(self, turn: int) -> Json:
        """Let one of two endpoints go, of another service each time; once all had their turn, let them come back.

        Two load assignments change: the service has two ports, and no DestinationRule with subsets.
        """
        again, place = divmod(turn, self._services * 4 // 5)
        number = place + place // 4 + 1
        name = f"s{number}"
        pods = [(f"{name}-{k}", address(2 * number + k)) for k in range(2)]
        return self._apply([slice_of(name, f"ns{number % NAMESPACES}", pods[: 1 + again % 2])])

    def route(self, turn: int) -> Json:
        """Change one VirtualService."""
        return self._apply([virtual_service("s7", "ns7", f"{turn + 2}s")])

    def service(self, _turn: int) -> Json:
        """Add a service with all that belongs to it."""
        self._services += 1
        return self._apply(objects(self._services, first=self._services - 1))

    def setting(self, turn: int) -> Json:
        """Change a setting of the mesh that nearly every resource depends on."""
        return self._apply(mesh_setting(turn))

    async def endpoints(self, first_turn: int, per_second: int, seconds: int) -> Json:
        """Change one endpoint after another at a steady rate."""
        times = []
        start = time.monotonic() + 0.05
        for turn in range(per_second * seconds):
            await asyncio.sleep(start + turn / per_second - time.monotonic())
            times.append(self.endpoint(first_turn + turn)["at_ns"])
        return {"at_ns": times}

    def look(self) -> Json:
        """What the process has used so far."""
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return {
            "cpu_s": time.process_time(),
            "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
            "peak_mb": int(status["VmHWM"].split()[0]) / 1024,
        }

    async def synced(self) -> Json:
        """How many proxies have accepted everything that they are offered."""
        proxies = json.loads((await self._control_plane.page("/debug/syncz")).text)
        return {"synced": sum(all(report["synced"] for report in proxy["resources"].values()) for proxy in proxies)}

    async def lag(self, milliseconds: int) -> Json:
        """How late the event loop is for those who wait 1 ms, in ms."""
        late, end = [], time.monotonic() + milliseconds / 1000
        while (now := time.monotonic()) < end:
            await asyncio.sleep(0.001)
            late.append((time.monotonic() - now) * 1000 - 1)
        late.sort()
        return {"lag_p99_ms": late[len(late) * 99 // 100], "lag_max_ms": late[-1]}

    def _apply(self, raw: list[Json]) -> Json:
        changed = [typed(each) for each in raw]
        at = time.monotonic_ns()
        self._control_plane.apply(changed, ())
        return {"at_ns": at}


async def _obey(server: Server, orders: asyncio.StreamReader) -> None:
    """Answer every order; several may be under way. Ends with the orders."""
    async with asyncio.TaskGroup() as group:
        async for line in orders:
            name, *numbers = line.decode().split()
            order: Callable[..., Any] = getattr(server, name)
            group.create_task(_answer(order(*map(int, numbers))))


async def _answer(found: Json | Awaitable[Json]) -> None:
    json.dump(found if isinstance(found, dict) else await found, sys.stdout)
    sys.stdout.write("\n")
    sys.stdout.flush()


async def _serve(directory: Path, transport: str, engine: EngineKind) -> None:
    """Says the address of that transport, then obeys. The directory is for a socket and a certificate."""
    control_plane = ControlPlane(engine=engine)
    control_plane.start()
    if transport == "unix":
        await control_plane.listen(UnixAddress(directory / "xds.sock"))
        address = f"unix:{directory / 'xds.sock'}"
    else:
        context = _tls(directory) if transport == "tls" else None
        address = f"{transport}:{(await control_plane.listen(TcpAddress('127.0.0.1', 0), context)).port}"
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print(json.dumps({"address": address}), flush=True)
    await _obey(Server(control_plane), orders)
    await control_plane.close()


def _tls(directory: Path) -> ssl.SSLContext:
    """TLS 1.3 with a self-signed certificate for a key on P-256."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    return context


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_serve(Path(sys.argv[1]), sys.argv[2], EngineKind(sys.argv[3])))
