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
REPEATS = 6
"""Of which the first does not count."""
RATE, RATE_S = 20, 10
MUTE_SHARE = 20
ROUTES = ("9080",)


class Scopes(StrEnum):
    """How alike the proxies are: all of one namespace, of 20, or each of a namespace and a server side of its own."""

    ONE = "one"
    TWENTY = "twenty"
    DISTINCT = "distinct"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured in one run of the server. A `brief` one leaves out the events that take long."""

    proxies: int = 1000
    services: int = 1000
    scopes: Scopes = Scopes.ONE
    variant: str = "delta"
    engine: EngineKind = EngineKind.NGH2
    brief: bool = False

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
    """The control plane's process, obeying orders."""

    def __init__(self, socket: Path, engine: EngineKind) -> None:
        command = [sys.executable, Path(__file__).with_name("mesh_server.py"), socket, engine]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

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
    """One scenario, event by event."""

    def __init__(self, scenario: Scenario, server: ServerProcess, clients: Clients) -> None:
        self.scenario = scenario
        self.server = server
        self.clients = clients
        self.turn = 0

    def all(self) -> Json:
        """Every event of the scenario, in the order of happening."""
        events: Json = {"build": self.build(), "cold start": self.cold_start()}
        events["endpoint change"] = self.changes("endpoint", ENDPOINT)
        events["route change"] = self.changes("route", ROUTE)
        events["service added"] = self.changes("service", ENDPOINT)
        if not self.scenario.brief:
            events["20 changes a second"] = self.steady_changes()
            events["reconnect storm"] = self.reconnect_storm()
            events["endpoint change, 5 % never read"] = self.beside_mute_clients()
        return events

    def build(self) -> Json:
        """The mesh handed over, and one proxy that asks for all of it."""
        empty = self.server.order("look")
        built = self.server.order("build", self.scenario.services)
        before = self.server.order("look")
        self.clients.open(1)
        seen = self.clients.wait(ROUTE, 1)
        after = self._settled()
        commit_s = before["cpu_s"] - empty["cpu_s"] - built["decode_ms"] / 1000
        return {
            "decode_ms": built["decode_ms"],
            "cpu_ms": (after["cpu_s"] - before["cpu_s"] + commit_s) * 1000,
            "wall_ms": seen.last(built["at_ns"])[-1],
            "rss_mb": after["rss_mb"],
            "peak_mb": after["peak_mb"],
            "empty_rss_mb": empty["rss_mb"],
        }

    def cold_start(self) -> Json:
        """All other proxies connect at once."""
        before = self.server.order("look")
        self.clients.mark()
        at = time.monotonic_ns()
        others = self.scenario.proxies - 1
        self.clients.open(others)
        self.clients.wait(ROUTE, others)
        after = self._settled()
        return self._figures(self.clients.seen(), at, before, after) | {
            "cpu_s": after["cpu_s"] - before["cpu_s"],
            "rss_mb": after["rss_mb"],
            "peak_mb": after["peak_mb"],
            "kb_per_stream": (after["rss_mb"] - before["rss_mb"]) * 1024 / others,
        }

    def changes(self, order: str, type_url: str) -> Json:
        """The median of several changes, one by one."""
        found = [self._change(order, type_url) for _ in range(REPEATS)][1:]
        return {key: statistics.median(each[key] for each in found) for key in found[0]}

    def _change(self, order: str, type_url: str) -> Json:
        before = self.server.order("look")
        self.clients.mark()
        at = self.server.order(order, self.turn)["at_ns"]
        self.turn += 1
        waited = self.clients.wait(type_url, self.scenario.proxies, timeout_s=20)
        after = self._settled()
        return self._figures(self.clients.seen(), at, before, after) | {"timed_out": int(waited.timed_out)}

    def steady_changes(self) -> Json:
        """A change is two resources: so what a client has tells which changes it has, sent one by one or not."""
        before = self.server.order("look")
        self.clients.mark()
        times = self.server.order("endpoints", self.turn, RATE, RATE_S)["at_ns"]
        self.turn += len(times)
        after = self._settled()
        seen = self.clients.seen()
        turns = [
            sorted((came - at) / 1e6 for came in arrived)
            for at, arrived in zip(times, seen.nth_resources(2), strict=False)
        ]
        last = sorted(turn[-1] for turn in turns)
        all_of_them = sorted(late for turn in turns for late in turn)
        cpu_s = after["cpu_s"] - before["cpu_s"]
        changes = len(all_of_them)
        return {
            "cpu_percent": cpu_s / RATE_S * 100,
            "us_per_proxy": cpu_s * 1e6 / max(1, changes),
            "p50_ms": all_of_them[changes // 2],
            "p99_ms": all_of_them[changes * 99 // 100],
            "last_ms": last[len(last) // 2],
            "last_p99_ms": last[len(last) * 99 // 100],
            "arrived_percent": changes * 100 / (len(times) * self.scenario.proxies),
            "put_together_percent": 100 - seen.responses * 100 / max(1, changes),
            "client_cpu_ms": seen.cpu_us / 1000,
        }

    def reconnect_storm(self) -> Json:
        """Every proxy at once, as after a restart of the network, with what it holds."""
        before = self.server.order("look")
        self.clients.mark()
        at = time.monotonic_ns()
        self.clients.reconnect()
        self.clients.wait(CLUSTER, self.scenario.proxies)
        after = self._settled()
        return self._figures(self.clients.seen(), at, before, after) | {
            "cpu_s": after["cpu_s"] - before["cpu_s"],
            "peak_mb": after["peak_mb"],
        }

    def beside_mute_clients(self) -> Json:
        """More proxies come that ask for everything and never read."""
        mute = self.scenario.most_proxies - self.scenario.proxies
        alone = self.server.order("look")
        self.clients.open(mute, mute=True)
        joined = self._settled()
        figures = self.changes("endpoint", ENDPOINT)
        self.changes("route", ROUTE)
        after = self.server.order("look")
        return figures | {
            "kb_per_mute_stream": (joined["rss_mb"] - alone["rss_mb"]) * 1024 / mute,
            "kb_per_mute_stream_later": (after["rss_mb"] - alone["rss_mb"]) * 1024 / mute,
        }

    def _settled(self) -> Json:
        time.sleep(SETTLE_S)
        return self.server.order("look")

    def _figures(self, seen: Seen, at_ns: int, before: Json, after: Json) -> Json:
        late = seen.last(at_ns)
        return {
            "us_per_proxy": (after["cpu_s"] - before["cpu_s"]) * 1e6 / self.scenario.proxies,
            "p50_ms": late[len(late) // 2],
            "p99_ms": late[len(late) * 99 // 100],
            "last_ms": late[-1],
            "responses_per_proxy": seen.responses / len(late),
            "mb": seen.bytes / 1e6,
            "client_cpu_ms": seen.cpu_us / 1000,
            "ended": seen.ended,
        }


def run(scenario: Scenario) -> Json:
    """The figures of one scenario. Raises `NoCompiler`."""
    with tempfile.TemporaryDirectory(prefix="lateen-bench-") as directory:
        socket = Path(directory) / "xds.sock"
        with (
            ServerProcess(socket, scenario.engine) as server,
            Clients(socket, scenario.variant, scenario.groups, scenario.ids(), ROUTES) as clients,
        ):
            return {"scenario": msgspec.to_builtins(scenario), "events": Run(scenario, server, clients).all()}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--proxies", type=int, default=1000)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--scopes", type=Scopes, choices=list(Scopes), default=Scopes.ONE)
    parser.add_argument("--variant", choices=["delta", "sotw"], default="delta")
    parser.add_argument("--engine", type=EngineKind, choices=list(EngineKind), default=EngineKind.NGH2)
    parser.add_argument("--brief", action="store_true", help="leave out the events that take long")
    try:
        found = run(Scenario(**vars(parser.parse_args(argv))))
    except NoCompiler as missing:
        print(f"mesh-1k: skipped: {missing}", file=sys.stderr)
        return 1
    json.dump(found, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
