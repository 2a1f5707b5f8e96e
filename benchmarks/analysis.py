"""Analysis of a mesh of 1,000 objects, as `lateen up` and `lateen analyze` do it.

    .venv/bin/python benchmarks/analysis.py

Applications of four objects each (Deployment, Service, VirtualService, DestinationRule) in ten namespaces; every tenth
has something wrong.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "mesh.yaml")
        path.write_text("---\n".join(_application(n) for n in range(APPLICATIONS)))
        start = time.perf_counter()
        resources = list(of_files(load([path]).files.written(), "default", lambda _: True))
        reading = time.perf_counter() - start
        found = _analyzed(resources)
        start = time.perf_counter()
        places = [str(message.origin) for message in found]
        placing = time.perf_counter() - start
    print(f"{len(resources)} objects read in {reading * 1000:.0f} ms")
    print(f"{len(DEFAULT)} analyzers, {len(found)} messages: {statistics.median(_times(resources)) * 1000:.0f} ms")
    print(f"lines of {len(places)} messages found in {placing * 1000:.0f} ms")


if __name__ == "__main__":
    main()
