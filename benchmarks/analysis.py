"""What analysis of 1,000 objects costs, as `lateen analyze` and `lateen up` do it."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lateen.analysis.analyzer import Message, analyze
from lateen.analysis.registry import DEFAULT
from lateen.analysis.resources import Resource, of_files
from lateen.analysis.view import Surroundings, View
from lateen.sources.files import load

APPLICATIONS = 250
RUNS = 7

_APPLICATION = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{n}, namespace: team-{team}}}
spec:
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: {app}, version: v1}}}}
    spec:
      containers:
      - {{name: app, image: app:1, ports: [{{containerPort: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: app-{n}, namespace: team-{team}}}
spec:
  selector: {{app: app-{n}}}
  ports: [{{name: {port}, port: 80, targetPort: 8080}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app-{n}, namespace: team-{team}}}
spec:
  hosts: [app-{n}]
  http: [{{route: [{{destination: {{host: app-{n}, subset: v1}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: app-{n}, namespace: team-{team}}}
spec:
  host: app-{n}
  subsets: [{{name: v1, labels: {{version: v1}}}}]
"""


def _application(n: int) -> str:
    wrong = n % 10 == 0
    return _APPLICATION.format(n=n, team=n % 10, app="app" if wrong else f"app-{n}", port="web" if wrong else "http")


def _analyzed(resources: list[Resource]) -> list[Message]:
    return analyze(View(resources, Surroundings(inject_by_default=True)), DEFAULT)


def _times(resources: list[Resource]) -> Iterator[float]:
    for _ in range(RUNS):
        start = time.perf_counter()
        _analyzed(resources)
        yield time.perf_counter() - start


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "mesh.yaml")
        path.write_text("---\n".join(_application(n) for n in range(APPLICATIONS)))
        start = time.perf_counter()
        resources = list(of_files(load([path]).files.written(), "default", lambda _: True))
        reading = time.perf_counter() - start
        found = _analyzed(resources)
        start = time.perf_counter()
        places = [message.origin for message in found]
        placing = time.perf_counter() - start
    return {
        "objects": len(resources),
        "analyzers": len(DEFAULT),
        "messages": len(places),
        "read_ms": round(reading * 1000, 1),
        "analyze_ms": round(statistics.median(_times(resources)) * 1000, 1),
        "places_ms": round(placing * 1000, 1),
    }
