"""mesh-1k: what the control plane costs with a thousand proxies connected, and how soon the last one has a change.

    this process -- orders --> mesh_server.py (the control plane)  <== xDS ==>  xds_clients.c (all proxies)

1,000 services of two ports and two endpoints each in 20 namespaces, each with a VirtualService, every fifth with a
DestinationRule.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from translation import NAMESPACES, address
from xds_clients import Clients, NoCompiler, Seen

from lateen.xds.grpc.engine import EngineKind
from lateen.xds.resource import CLUSTER, ENDPOINT, ROUTE

Json = dict[str, Any]

SETTLE_S = 0.35
"""What still has to be written and acknowledged after the last arrival counts, too."""
REPEATS, BRIEF_REPEATS = 6, 4
"""Of which the first does not count."""
RATE, RATE_S = 20, 10
PATIENCE_S, PATIENCE_S_A_PROXY = 60.0, 0.03
"""How long all proxies together may take for an event, whichever is more."""
MUTE_SHARE = 20
"""One mute client for so many that read."""
REBUILD_MS = 1500
ROUTES = ("9080",)


class Scopes(StrEnum):
    """How alike the proxies are: all of one namespace, of 20, or each of a namespace and a server side of its own."""

    ONE = "one"
    TWENTY = "twenty"
    DISTINCT = "distinct"


class Transport(StrEnum):
    """How proxies reach the control plane; the last is TLS 1.3 over loopback, as the one before without."""

    UNIX = "unix"
    TCP = "tcp"
    TLS = "tls"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured in one run of the server. A `brief` one leaves out the events that take long."""

    proxies: int = 1000
    services: int = 1000
    scopes: Scopes = Scopes.ONE
    variant: str = "delta"
    engine: EngineKind = EngineKind.NGH2
    transport: Transport = Transport.UNIX
    brief: bool = False

    def __str__(self) -> str:
        alike = {Scopes.ONE: "one scope", Scopes.TWENTY: "20 scopes", Scopes.DISTINCT: "all distinct"}[self.scopes]
        path = "" if self.transport is Transport.UNIX else f", {self.transport}"
        return f"{self.proxies} proxies, {self.services} services, {alike}, {self.variant}, {self.engine}{path}"

    @property
    def groups(self) -> int:
        return {Scopes.ONE: 1, Scopes.TWENTY: NAMESPACES, Scopes.DISTINCT: self.most_proxies}[self.scopes]

    @property
    def most_proxies(self) -> int:
        """With those that never read."""
        return self.proxies + -(-self.proxies // MUTE_SHARE)

    def ids(self) -> list[str]:
        return [self._id(i) for i in range(self.most_proxies)]

    def _id(self, i: int) -> str:
        own = self.scopes is Scopes.DISTINCT
        where = address(2 * (i % self.services)) if own else f"198.17.{i // 250}.{i % 250 + 1}"
        namespace = f"client{i}" if own else f"ns{i % self.groups}"
        return f"sidecar~{where}~client-{i}.{namespace}~{namespace}.svc.cluster.local"


class ServerProcess:
    """The control plane's process, obeying orders. It listens at `address`, and keeps files in the directory."""

    def __init__(self, directory: Path, transport: Transport, engine: EngineKind) -> None:
        command = [sys.executable, Path(__file__).with_name("mesh_server.py"), directory, transport, engine]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = str(self.answer()["address"])

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def order(self, *order: object) -> Json:
        self.send(*order)
        return self.answer()

    def send(self, *order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, order)) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the control plane has gone, exit code {self._process.wait()}")
        found: Json = json.loads(line)
        return found


class Run:
    """One scenario, event by event. The figures of all events have the same names: see README.md."""

    def __init__(self, scenario: Scenario, server: ServerProcess, clients: Clients) -> None:
        self.scenario = scenario
        self.server = server
        self.clients = clients
        self.turn = 0
        self.patience_s = max(PATIENCE_S, PATIENCE_S_A_PROXY * scenario.proxies)

    def all(self) -> Json:
        """Every event of the scenario, in the order of happening."""
        events: Json = {"build, and the first proxy": self.build(), "rebuild, 1 proxy": self.rebuild(1)}
        events["cold start of all others"] = self.cold_start()
        events["endpoint change"] = self.changes("endpoint", ENDPOINT)
        events["route change"] = self.changes("route", ROUTE)
        events["service added"] = self.changes("service", ENDPOINT)
        if not self.scenario.brief:
            events[f"{RATE} endpoint changes/s, {RATE_S} s"] = self.steady_changes()
            events["rebuild"] = self.rebuild(self.scenario.proxies)
            events |= self.beside_mute_clients()
            events["reconnect storm"] = self.reconnect_storm()
        return events

    def build(self) -> Json:
        """The mesh handed over, and one proxy that asks for all of it."""
        empty = self.server.order("look")
        built = self.server.order("build", self.scenario.services)
        self.clients.open(1)
        seen = self.clients.wait(ROUTE, 1)
        after = self._settled()
        return self._figures(seen, built["at_ns"], empty, after) | {
            "cpu_ms": (after["cpu_s"] - empty["cpu_s"]) * 1000 - built["decode_ms"]
        }

    def cold_start(self) -> Json:
        """All other proxies connect at once."""
        before, at = self._begun()
        others = self.scenario.proxies - 1
        self.clients.open(others)
        self._arrived(self.clients.wait(ROUTE, others, self.patience_s))
        after = self._settled()
        kb_stream = (after["rss_mb"] - before["rss_mb"]) * 1024 / others
        return self._figures(self.clients.seen(), at, before, after) | {"kb_stream": kb_stream}

    def changes(self, order: str, type_url: str) -> Json:
        """The median of several changes, one by one."""
        times = BRIEF_REPEATS if self.scenario.brief else REPEATS
        found = [self._change(order, type_url) for _ in range(times)][1:]
        return {key: statistics.median(each[key] for each in found) for key in found[0]}

    def _change(self, order: str, type_url: str) -> Json:
        before, _ = self._begun()
        at = self.server.order(order, self.turn)["at_ns"]
        self.turn += 1
        self._arrived(self.clients.wait(type_url, self.scenario.proxies, self.patience_s))
        after = self._settled()
        return self._figures(self.clients.seen(), at, before, after)

    def rebuild(self, proxies: int) -> Json:
        """A setting changes that every cluster depends on, while something else needs the event loop."""
        before, _ = self._begun()
        self.server.send("lag", REBUILD_MS)
        at = self.server.order("setting", self.turn)["at_ns"]
        self.turn += 1
        self._arrived(self.clients.wait(CLUSTER, proxies, self.patience_s))
        lag = self.server.answer()
        after = self._settled()
        return self._figures(self.clients.seen(), at, before, after) | lag

    def steady_changes(self) -> Json:
        """A change is two resources: so what a client has tells which changes it has, sent one by one or not."""
        before, _ = self._begun()
        times = self.server.order("endpoints", self.turn, RATE, RATE_S)["at_ns"]
        self.turn += len(times)
        after = self._settled()
        seen = self.clients.seen()
        arrived = seen.nth_resources(2)
        late = [[(came - at) / 1e6 for came in each] for at, each in zip(times, arrived, strict=True)]
        if any(len(each) < self.scenario.proxies for each in late):
            raise RuntimeError("not every proxy had every change")
        every = sorted(ms for each in late for ms in each)
        figures = self._figures(seen, times[0], before, after)
        return figures | {
            "cpu_us": figures["cpu_ms"] * 1000 / len(every),
            "p50_ms": every[len(every) // 2],
            "p99_ms": every[len(every) * 99 // 100],
            "last_ms": statistics.median(max(each) for each in late),
            "joined_%": 100 - seen.responses * 100 / len(every),
        }

    def reconnect_storm(self) -> Json:
        """Every proxy at once, as after a restart of the network, with what it holds."""
        before, at = self._begun()
        self.clients.reconnect()
        self._arrived(self.clients.wait(CLUSTER, self.scenario.proxies, self.patience_s))
        after = self._settled()
        return self._figures(self.clients.seen(), at, before, after)

    def beside_mute_clients(self) -> Json:
        """More proxies come that ask for everything and never read."""
        mute = self.scenario.most_proxies - self.scenario.proxies
        alone = self.server.order("look")
        self.clients.open(mute, mute=True)
        self._settled()
        endpoint, route = self.changes("endpoint", ENDPOINT), self.changes("route", ROUTE)
        after = self.server.order("look")
        kb_stream = (after["rss_mb"] - alone["rss_mb"]) * 1024 / mute
        share = 100 // MUTE_SHARE
        return {
            f"endpoint change, {share} % more never read": endpoint,
            f"route change, {share} % more never read": route | {"kb_stream": kb_stream},
        }

    def _begun(self) -> tuple[Json, int]:
        """Where the server stands, and the time."""
        before = self.server.order("look")
        self.clients.mark()
        return before, time.monotonic_ns()

    def _settled(self) -> Json:
        time.sleep(SETTLE_S)
        return self.server.order("look")

    def _arrived(self, seen: Seen) -> None:
        if seen.timed_out or seen.ended:
            missing = "some proxies got nothing" if seen.timed_out else f"{seen.ended} connections were closed"
            raise RuntimeError(f"{missing}; last seen: {seen.responses} responses")

    def _figures(self, seen: Seen, at_ns: int, before: Json, after: Json) -> Json:
        late = seen.last(at_ns)
        cpu_s = after["cpu_s"] - before["cpu_s"]
        return {
            "cpu_ms": cpu_s * 1000,
            "cpu_us": cpu_s * 1e6 / len(late),
            "p50_ms": late[len(late) // 2],
            "p99_ms": late[len(late) * 99 // 100],
            "last_ms": late[-1],
            "sent_mb": seen.bytes / 1e6,
            "rss_mb": after["rss_mb"],
            "peak_mb": after["peak_mb"],
            "client_ms": seen.cpu_us / 1000,
        }


def measured(scenario: Scenario) -> Json:
    """The figures of one scenario, by event. Raises `NoCompiler`."""
    with (
        tempfile.TemporaryDirectory(prefix="lateen-bench-") as directory,
        ServerProcess(Path(directory), scenario.transport, scenario.engine) as server,
        Clients(server.address, scenario.variant, scenario.groups, scenario.ids(), ROUTES) as clients,
    ):
        events = Run(scenario, server, clients).all()
    return {event: {name: _rounded(value) for name, value in figures.items()} for event, figures in events.items()}


def _rounded(value: float) -> float:
    return round(value, 1) if value < 100 else round(value)


DEFAULTS = (
    Scenario(proxies=100),
    Scenario(),
    Scenario(scopes=Scopes.TWENTY, brief=True),
    Scenario(scopes=Scopes.DISTINCT, brief=True),
    Scenario(variant="sotw", brief=True),
    Scenario(engine=EngineKind.H2, brief=True),
    Scenario(transport=Transport.TCP, brief=True),
    Scenario(transport=Transport.TLS),
)


def run(scenarios: Sequence[Scenario] = DEFAULTS) -> Json:
    """The figures of each scenario, by event; without a C compiler only the reason why there are none."""
    try:
        return {str(scenario): measured(scenario) for scenario in scenarios}
    except NoCompiler as missing:
        return {"skipped": str(missing)}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--proxies", type=int, default=1000)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--scopes", type=Scopes, choices=list(Scopes), default=Scopes.ONE)
    parser.add_argument("--variant", choices=["delta", "sotw"], default="delta")
    parser.add_argument("--engine", type=EngineKind, choices=list(EngineKind), default=EngineKind.NGH2)
    parser.add_argument("--transport", type=Transport, choices=list(Transport), default=Transport.UNIX)
    parser.add_argument("--brief", action="store_true", help="leave out the events that take long")
    print(json.dumps(run([Scenario(**vars(parser.parse_args(argv)))]), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
