"""Bookinfo under load while its configuration changes 20 times a second: what is lost, and how much slower it is.

    wrk, keep-alive -> gateway -> productpage -> details, reviews, ratings
    edits of routes, weights, subsets and replicas -> the API of the same mesh

Needs root, Envoy and wrk. A mesh of its own is started, as for the benchmark `startup`.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any

from startup import Run

from lateen.local_runtime.api.client import ApiClient

Json = dict[str, Any]

EDITS_PER_S, EDITS_AT_ONCE = 20, 16
CONNECTIONS = 16
SCALED = ("details-v1", "reviews-v3", "ratings-v1")
"""Deployments that have one replica and two by turns, one change a second."""
SCRIPT = Path(__file__).with_name("edits.lua")
CONTROL_PLANE_AWAY_S = 20.0


class NoWrk(Exception):
    """The load cannot be made here; the message says what is missing."""


def object_of(kind: str, name: str, spec: Json, api: str = "networking.istio.io/v1") -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def to(subset: str, weight: int) -> Json:
    return {"destination": {"host": "reviews", "subset": subset}, "weight": weight}


def edits(replicas: Callable[[str, int], Json]) -> Iterator[list[Json]]:
    """Changes without end, each a few objects to be applied together; routes always with the subsets that they name.

    `replicas` gives a Deployment as it is but for its number of replicas.
    """
    turn = 0
    while True:
        turn += 1
        share, subset = turn * 7 % 101, f"s{turn % 5}"
        if turn % EDITS_PER_S == 0:
            second = turn // EDITS_PER_S
            yield [replicas(SCALED[second % len(SCALED)], 1 + second // len(SCALED) % 2)]
        elif turn % 4 == 0:
            yield [_subsets(), _rules([{"route": [to("v1", 100 - share), to("v2", share)]}])]
        elif turn % 4 == 1:
            match = [{"headers": {"end-user": {"exact": f"user-{turn}"}}}]
            rules = [{"match": match, "route": [to("v3", 100)]}, {"route": [to("v1", 100)], "timeout": "9s"}]
            yield [_subsets(), _rules(rules)]
        elif turn % 4 == 2:
            yield [_subsets(subset), _rules([{"route": [to(subset, share), to("v3", 100 - share)]}])]
        else:
            yield [_subsets(), _rules([{"route": [{"destination": {"host": "reviews"}}]}])]


def _rules(http: list[Json]) -> Json:
    return object_of("VirtualService", "reviews", {"hosts": ["reviews"], "http": http})


def _subsets(more: str = "") -> Json:
    found: list[Json] = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2", "v3")]
    if more:
        found.append({"name": more, "labels": {"app": "reviews"}})
    return object_of("DestinationRule", "reviews", {"host": "reviews", "subsets": found})


class Editor(Thread):
    """Edits at a steady rate until it is stopped; one that the mesh does not take ends it.

    An edit is answered when the proxies have it, so several are under way. `made` counts those that were taken.
    """

    def __init__(self, socket: Path) -> None:
        super().__init__(daemon=True)
        self.made = 0
        self._socket = socket
        self._over = Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        begun = time.monotonic()
        with ThreadPoolExecutor(EDITS_AT_ONCE) as pool:
            for turn, objects in enumerate(edits(self._replicas)):
                if self._over.wait(max(0.0, begun + turn / EDITS_PER_S - time.monotonic())):
                    return
                pool.submit(self._apply, objects).add_done_callback(self._done)

    def stop(self) -> int:
        """How many edits were made. Raises what ended them."""
        self._over.set()
        self.join()
        if self._failure is not None:
            raise self._failure
        return self.made

    def _done(self, edit: Future[None]) -> None:
        if (failure := edit.exception()) is None:
            self.made += 1
        else:
            self._failure = failure
            self._over.set()

    def _apply(self, objects: list[Json]) -> None:
        body = {"items": [{"object": each} for each in objects], "namespace": "default"}
        answer = self._ask("POST", "/lateen/v1/apply", body)
        wrong = [item["status"]["message"] for item in answer["items"] if "status" in item] + answer["refused"]
        if wrong:
            raise RuntimeError(f"the mesh does not take an edit: {wrong[0]}")

    def _replicas(self, name: str, count: int) -> Json:
        deployment = self._ask("GET", f"/apis/apps/v1/namespaces/default/deployments/{name}")
        kept = {key: deployment["metadata"][key] for key in ("name", "namespace", "labels")}
        spec = {**deployment["spec"], "replicas": count}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": kept, "spec": spec}

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        api = ApiClient(self._socket)
        try:
            return api.request(method, path, body=body)
        finally:
            api.close()


def load(port: int, seconds: int) -> "subprocess.Popen[str]":
    """wrk, running. Raises `NoWrk`."""
    program = shutil.which("wrk")
    if program is None:
        raise NoWrk("no load generator: install wrk (Debian: apt-get install wrk)")
    command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
    return subprocess.Popen([*command, f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)


def figures(wrk: "subprocess.Popen[str]", seconds: int) -> Json:
    """What wrk found, once it has ended."""
    shown, _ = wrk.communicate()
    if wrk.returncode or not shown.strip():
        raise RuntimeError(f"wrk ended with {wrk.returncode}: {shown}")
    found: Json = json.loads(shown.splitlines()[-1])
    times = {name.replace("_us", "_ms"): round(found.pop(name) / 1000, 1) for name in ("p50_us", "p99_us", "max_us")}
    return {**found, "per_s": round(found["requests"] / seconds), **times}


def kill_control_plane(api: ApiClient) -> float:
    """Kill it, and wait until there is another; how long that took, in seconds."""
    pid = api.get("/lateen/v1/info")["controlPlane"]["pid"]
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while time.monotonic() < begun + CONTROL_PLANE_AWAY_S:
        time.sleep(0.02)
        now = api.get("/lateen/v1/info")["controlPlane"]
        if now["pid"] not in (None, pid):
            return time.monotonic() - begun
    raise RuntimeError(f"no new control plane within {CONTROL_PLANE_AWAY_S:g} s")


def measured(port: int, socket: Path, seconds: int, kills: int = 0, *, edited: bool = True) -> Json:
    """The figures of so many seconds of load on a port of a mesh with bookinfo, with edits over its API or without."""
    wrk = load(port, seconds)
    editor = Editor(socket)
    api = ApiClient(socket)
    away = []
    try:
        if edited:
            editor.start()
        for _ in range(kills):
            time.sleep(seconds / (kills + 1))
            away.append(kill_control_plane(api))
        found = figures(wrk, seconds)
        made = editor.stop() if edited else 0
    finally:
        api.close()
        wrk.kill()
        wrk.wait()
    more = {"kills": kills, "away_s": round(max(away), 2)} if kills else {}
    return {**found, "edits": made, **more}


def run(seconds: int = 30, kills: int = 3) -> Json:
    """The figures by kind of load: without edits, with, and with the control plane killed so many times meanwhile.

    Without wrk only the reason why there are none.
    """
    rows: Json = {}
    with tempfile.TemporaryDirectory(prefix="lateen-bench-") as directory:
        life = Run(Path(directory))
        try:
            life.first_page_s()
            life.all_ready_s()
            rows["without edits"] = measured(life.port, life.api_socket, seconds, edited=False)
            rows["with edits"] = measured(life.port, life.api_socket, seconds)
            rows["with edits and kills"] = measured(life.port, life.api_socket, seconds, kills)
        except NoWrk as missing:
            return {"skipped": str(missing)}
        finally:
            life.down_s()
    return {f"bookinfo for {seconds} s, {CONNECTIONS} connections": rows}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--kill", dest="kills", type=int, default=3, help="how many times the control plane is killed")
    print(json.dumps(run(**vars(parser.parse_args(argv))), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
