"""From `lateen up` of bookinfo to the first page through the gateway, and down again; what the command line costs.

Needs root and Envoy. Only a mesh of its own is started: its state directory is a temporary one, its port a free one.
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

BOOKINFO = Path(__file__).resolve().parents[1] / "examples" / "bookinfo"
LATEEN = (sys.executable, "-P", "-m", "lateen.cli")
PAGE = "/productpage"
PATIENCE_S = 60.0
LOOK_S = 0.005


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """One life of bookinfo. Times are seconds since `lateen up` was called."""

    def __init__(self, directory: Path) -> None:
        self._environment = {**os.environ, "LATEEN_STATE_DIR": str(directory / "state")}
        self._lock = directory / "state" / "lock"
        self.api_socket = directory / "state" / "api.sock"
        self._log = directory / "up.log"
        self.port = free_port()
        self.begun = time.perf_counter()
        words = ("up", "-d", str(BOOKINFO / "manifests"), "--images", str(BOOKINFO / "images.yaml"))
        with self._log.open("wb") as log:
            self._up = subprocess.Popen(
                (*LATEEN, *words, "--publish", str(self.port)),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def first_page_s(self) -> float:
        """When the first 200 has come."""
        while time.perf_counter() < self.begun + PATIENCE_S:
            if self._page() == 200:
                return time.perf_counter() - self.begun
            time.sleep(LOOK_S)
        raise TimeoutError(f"no page within {PATIENCE_S:g} s:\n{self._log.read_text()}")

    def _page(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", PAGE)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def all_ready_s(self) -> float:
        """When `lateen up -d` has returned, which it does when every pod is ready."""
        if code := self._up.wait(PATIENCE_S):
            raise RuntimeError(f"lateen up ended with {code}:\n{self._log.read_text()}")
        return time.perf_counter() - self.begun

    def memory(self) -> dict[str, list[float]]:
        """Proportional memory in MB of the mesh's own processes: supervisor, control plane, agents, Envoys."""
        found: dict[str, list[float]] = {"supervisor": [], "control plane": [], "agents": [], "envoys": []}
        for pid in _descendants(int(self._lock.read_text())):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"supervise" in words:
                found["supervisor"].append(_pss_mb(pid))
            elif b"control-plane" in words:
                found["control plane"].append(_pss_mb(pid))
            elif b"agent" in words and b"proxy" in words:
                found["agents"].append(_pss_mb(pid))
            elif words[0].endswith(b"/envoy"):
                found["envoys"].append(_pss_mb(pid))
        return found

    def down_s(self) -> float:
        """How long `lateen down` takes."""
        begun = time.perf_counter()
        subprocess.run((*LATEEN, "down"), env=self._environment, stdout=subprocess.DEVNULL, check=False)
        self._up.wait(PATIENCE_S)
        return time.perf_counter() - begun


def _descendants(root: int) -> set[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (pss,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(pss) / 1024


def help_ms(times: int = 10) -> list[float]:
    def once() -> None:
        subprocess.run((*LATEEN, "--help"), stdout=subprocess.DEVNULL, check=True)

    return [_ms(once) for _ in range(times)]


def _ms(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def run(repeats: int = 5) -> Json:
    """Medians over some lives of bookinfo, every figure of `first_200_s`, and the memory of the last life."""
    pages, ready, downs = [], [], []
    memory: dict[str, list[float]] = {}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="lateen-bench-") as directory:
            life = Run(Path(directory))
            try:
                pages.append(life.first_page_s())
                ready.append(life.all_ready_s())
                memory = life.memory()
            finally:
                downs.append(life.down_s())
    return {
        "runs": repeats,
        "first_200_s": round(statistics.median(pages), 2),
        "first_200_each_s": [round(page, 2) for page in pages],
        "all_ready_s": round(statistics.median(ready), 2),
        "down_s": round(statistics.median(downs), 2),
        "help_ms": round(statistics.median(help_ms()), 1),
        "supervisor_pss_mb": round(sum(memory["supervisor"]), 1),
        "control_plane_pss_mb": round(sum(memory["control plane"]), 1),
        "agent_pss_mb": round(statistics.mean(memory["agents"]), 1),
        "agents": len(memory["agents"]),
        "envoy_pss_mb": round(statistics.mean(memory["envoys"]), 1),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
