"""Injection: the command on one Deployment as a whole process, and the webhook under a steady stream over TLS.

The control plane is a process of its own, as this one is, which asks. No privilege is needed.
"""

import asyncio
import json
import math
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from startup import LATEEN

Json = dict[str, Any]

PER_S = 200
SECONDS = 20
WARM_UP = 200
CONNECTIONS = 16
"""Kept open, as an API server does; with a new one for each review that comes early, handshakes would be measured."""
PATIENCE_S = 20.0
TURNED_AWAY = 503
REVIEWS = {"pod": 1, "large_pod": 20_000}
"""How many variables the pod's container has: the second one's review has 1 MB."""


def run() -> Json:
    """Times in milliseconds. The large pod is asked for ten times, one after the other.

    `floor` is the same stream of requests that take no work: what the machine, TLS, HTTP and the client take.
    """
    with tempfile.TemporaryDirectory(prefix="lateen-bench-") as name:
        directory = Path(name)
        figures: Json = {"kube_inject_ms": round(statistics.median(_kube_inject_ms(directory)), 1)}
        with Webhook(directory) as webhook:
            figures |= asyncio.run(_webhook(webhook))
        return figures


def _kube_inject_ms(directory: Path, times: int = 10) -> list[float]:
    manifest = directory / "deployment.json"
    manifest.write_text(json.dumps(_deployment()))
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        words = (*LATEEN, "kube-inject", "-f", str(manifest))
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        found.append((time.perf_counter() - begun) * 1000)
    return found


class Webhook:
    """A control plane that serves the webhook on a port of loopback, until the end of the block."""

    def __init__(self, directory: Path) -> None:
        self.certificate, key = directory / "server.pem", directory / "server.key"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", str(key), "-out", str(self.certificate), "-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost"),
            ],
            check=True,
            capture_output=True,
        )
        self._log = directory / "log"
        (directory / "conf").mkdir()
        addresses = ("--grpcAddr=", "--secureGRPCAddr=", "--httpAddr=", "--monitoringAddr=", "--httpsAddr=127.0.0.1:0")
        files = (f"--configDir={directory / 'conf'}", f"--tlsCertFile={self.certificate}", f"--tlsKeyFile={key}")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen((*LATEEN, "control-plane", *files, *addresses), stderr=log)

    def __enter__(self) -> "Webhook":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    async def port(self) -> int:
        for _ in range(int(PATIENCE_S * 50)):
            if found := re.search(r"127\.0\.0\.1:(\d+): listening for the injection", self._log.read_text()):
                return int(found[1])
            await asyncio.sleep(0.02)
        raise TimeoutError(self._log.read_text())


async def _webhook(webhook: Webhook) -> Json:
    trust = ssl.create_default_context(cafile=webhook.certificate)
    connector = aiohttp.TCPConnector(ssl=trust, limit=CONNECTIONS)
    async with aiohttp.ClientSession(f"https://localhost:{await webhook.port()}", connector=connector) as session:
        bodies = {name: json.dumps(_review(variables)).encode() for name, variables in REVIEWS.items()}
        await _stream(lambda due: _asked(session, bodies["pod"], due), WARM_UP)
        floor = await _stream(lambda due: _ready(session, due), PER_S * SECONDS)
        before = webhook.cpu_s
        found = await _stream(lambda due: _asked(session, bodies["pod"], due), PER_S * SECONDS)
        cpu_s = webhook.cpu_s - before
        large = [await _asked(session, bodies["large_pod"], time.perf_counter()) for _ in range(10)]
        beside = await _beside(session, bodies)
    answered = [took for took in found if took < math.inf]
    return {
        "reviews_per_s": PER_S,
        "turned_away": len(found) - len(answered),
        "p50_ms": _quantile(answered, 0.5),
        "p99_ms": _quantile(answered, 0.99),
        "max_ms": _quantile(answered, 1.0),
        "floor_p50_ms": _quantile(floor, 0.5),
        "floor_p99_ms": _quantile(floor, 0.99),
        "cpu_ms": round(cpu_s * 1000 / len(found), 2),
        "large_p50_ms": _quantile(large, 0.5),
        "ready_beside_large_max_ms": _quantile(beside, 1.0),
    }


async def _stream(ask: Callable[[float], Coroutine[Any, Any, float]], count: int) -> list[float]:
    """One question each 1/PER_S s, whether or not the ones before are answered; times from when each was due."""
    begun = time.perf_counter()
    tasks = []
    for number in range(count):
        due = begun + number / PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(due)))
    return await asyncio.gather(*tasks)


async def _beside(session: aiohttp.ClientSession, bodies: dict[str, bytes]) -> list[float]:
    """How long `/ready` takes while large pods are worked out, as a measure of what the event loop does for others."""
    large = asyncio.gather(*(_asked(session, bodies["large_pod"], 0.0) for _ in range(5)))
    found = []
    while not large.done():
        found.append(await _ready(session, time.perf_counter()))
        await asyncio.sleep(0.005)
    await large
    return found


async def _ready(session: aiohttp.ClientSession, since: float) -> float:
    """Milliseconds from a moment until the server has said that it is ready, which takes no work."""
    async with session.get("/ready") as answer:
        await answer.read()
    return (time.perf_counter() - since) * 1000


async def _asked(session: aiohttp.ClientSession, body: bytes, since: float) -> float:
    """Milliseconds from a moment until the answer is read; infinite for one that is turned away."""
    async with session.post("/inject", data=body, headers={"Content-Type": "application/json"}) as answer:
        text = await answer.read()
    took = (time.perf_counter() - since) * 1000
    assert answer.status == TURNED_AWAY or b'"patch"' in text, text[:1000]
    return took if answer.status == 200 else math.inf


def _quantile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)


def _deployment() -> Json:
    template = _pod(1)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    }


def _pod(variables: int) -> Json:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5}
    container = {
        "name": "app",
        "image": "example.org/web:1",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"VARIABLE_{number}", "value": f"value {number}"} for number in range(variables)],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "livenessProbe": probe,
        "readinessProbe": probe,
    }
    spec = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}], "serviceAccountName": "web"}
    return {"metadata": {"labels": {"app": "web", "version": "v1"}}, "spec": spec}


def _review(variables: int) -> Json:
    pod = _pod(variables)
    pod["metadata"]["generateName"] = "web-7d4b9-"
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {"uid": "1", "kind": kind, "operation": "CREATE", "namespace": "shop", "object": pod}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2), file=sys.stdout)
