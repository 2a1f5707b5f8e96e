"""The command line in front of a real mesh: up, what it shows, down, and what it leaves."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 9080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: python
        args: ["-u", "-m", "http.server", "9080", "--directory", "/etc"]
        ports: [{containerPort: 9080}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{route: [{destination: {host: web}}]}]
"""

BROKEN = """
apiVersion: v1
kind: Pod
metadata: {name: crash, labels: {app: crash}}
spec: {containers: [{name: app, image: busybox, command: [sh, -c, "echo this is why; exit 3"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: unknown, labels: {app: unknown}}
spec: {containers: [{name: app, image: "nobody/knows:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: wrong}
spec: {ports: [{port: http}]}
"""


class Lateen:
    """Commands on one state directory, and a port for its gateway."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.environment = {**os.environ, "LATEEN_STATE_DIR": str(self.state)}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "lateen.cli", *arguments]

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            input=given,
            timeout=120,
            check=False,
        )

    def up(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("up", str(self.manifest(text)), "--publish", str(self.port), "-d", *options)

    def manifest(self, text: str) -> Path:
        file = self.directory / "mesh.yaml"
        file.write_text(text)
        return file

    def supervisor(self) -> int:
        return int((self.state / "lock").read_text())

    def is_up(self) -> bool:
        return (self.state / "api.sock").exists()

    def get(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return int(answer.status)


@pytest.fixture
def lateen(tmp_path: Path) -> Iterator[Lateen]:
    made = Lateen(tmp_path)
    yield made
    made.run("down")


def eventually(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_a_mesh_comes_up_serves_changes_and_goes(lateen: Lateen) -> None:
    up = lateen.up(WEB)
    assert up.returncode == 0, up.stderr
    assert up.stdout.splitlines()[-3:] == [
        "2 pods are ready",
        f"  published: http://127.0.0.1:{lateen.port}",
        "  stop it with: lateen down",
    ]
    assert lateen.get("/hostname") == 200

    rows = [line.split() for line in lateen.run("ps").stdout.splitlines()[1:]]
    assert {(row[0], row[2], row[3], row[6]) for row in rows} == {
        ("default", "2/2", "Running", "SYNCED"),
        ("istio-system", "1/1", "Running", "SYNCED"),
    }
    assert '"GET /hostname HTTP/1.1" 200' in lateen.run("logs", "deploy/web").stdout
    assert "/hostname" in lateen.run("logs", "web", "-c", "istio-proxy", "--tail", "5").stdout

    told = lateen.run("exec", "web", "--", "sh", "-c", "id -u; exit 9")
    assert (told.returncode, told.stdout) == (9, "1000\n")
    assert lateen.run("exec", "-i", "web", "--", "cat", given="hello").stdout == "hello"

    second = lateen.up(WEB)
    assert (second.returncode, second.stdout) == (1, "")
    assert f"Error: a mesh is already running (pid {lateen.supervisor()}" in second.stderr
    assert lateen.get("/hostname") == 200

    moved = WEB[WEB.index("apiVersion: networking.istio.io/v1\nkind: VirtualService") :].replace(
        "http: [{", "http: [{match: [{uri: {prefix: /old}}], redirect: {uri: /hostname}}, {"
    )
    assert lateen.run("apply", "-f", "-", given=moved).stdout == "virtualservice.networking.istio.io/web configured\n"
    eventually(lambda: _answers(lateen, "/old", 200))
    assert lateen.run("delete", "virtualservice", "web").returncode == 0
    eventually(lambda: _answers(lateen, "/hostname", 404))

    supervisor = lateen.supervisor()
    down = lateen.run("down")
    assert (down.returncode, down.stdout) == (0, "the mesh is down\n")
    eventually(lambda: gone(supervisor))
    assert sorted(path.name for path in lateen.state.iterdir() if path.is_socket()) == []


def _answers(lateen: Lateen, path: str, code: int) -> bool:
    try:
        return lateen.get(path) == code
    except urllib.error.HTTPError as error:
        with error:
            return error.code == code


def test_what_fails_is_shown_with_its_reason_and_its_log_and_the_rest_runs(lateen: Lateen) -> None:
    up = lateen.up(WEB + "---" + BROKEN)
    assert up.returncode == 1
    assert "default/crash, container app: CrashLoopBackOff" in up.stderr
    assert "  | this is why" in up.stderr
    assert 'image "nobody/knows:1" is in no catalogue' in up.stderr
    assert f"{lateen.directory}/mesh.yaml:" in up.stderr
    assert "Service default/wrong: spec.ports[0].port: " in up.stderr
    assert "failed: default/crash, default/unknown; the rest runs" in up.stderr
    assert lateen.get("/hostname") == 200


def test_a_port_that_is_taken_is_an_error_and_nothing_is_left(lateen: Lateen) -> None:
    with socket.create_server(("127.0.0.1", lateen.port)):
        up = lateen.up(WEB)
    assert up.returncode == 1
    assert up.stderr.startswith(f"Error: 127.0.0.1:{lateen.port} is taken")
    assert not lateen.is_up()
    assert lateen.up(WEB).returncode == 0


def test_a_wrong_catalogue_is_an_error_with_its_line(lateen: Lateen) -> None:
    images = lateen.directory / "images.yaml"
    images.write_text("images:\n  web:\n    entrypiont: [x]\n")
    up = lateen.up(WEB, "--images", str(images))
    assert up.returncode == 1
    assert f"{images}:3" in up.stderr


@pytest.fixture
def in_front(lateen: Lateen) -> Iterator[subprocess.Popen[str]]:
    argv = lateen.argv("up", str(lateen.manifest(WEB)), "--publish", str(lateen.port))
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=lateen.environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        while "stop it with: Ctrl-C" not in (line := process.stdout.readline()):
            assert line, process.stderr and process.stderr.read()
        yield process
        process.kill()


def test_ctrl_c_takes_the_mesh_down(lateen: Lateen, in_front: subprocess.Popen[str]) -> None:
    supervisor = lateen.supervisor()
    in_front.send_signal(signal.SIGINT)
    assert in_front.wait(30) == 0
    eventually(lambda: gone(supervisor))
    assert not lateen.is_up()


def test_down_ends_a_mesh_in_front(lateen: Lateen, in_front: subprocess.Popen[str]) -> None:
    assert lateen.run("down").returncode == 0
    assert in_front.wait(30) == 0


def test_the_mesh_goes_with_the_command_in_front_of_it(lateen: Lateen, in_front: subprocess.Popen[str]) -> None:
    supervisor = lateen.supervisor()
    in_front.kill()
    eventually(lambda: gone(supervisor))
    assert not lateen.is_up()


def test_a_mesh_that_breaks_is_told(lateen: Lateen, in_front: subprocess.Popen[str]) -> None:
    os.kill(lateen.supervisor(), signal.SIGKILL)
    assert in_front.wait(30) == 1
    assert in_front.stderr is not None
    assert "Error: the mesh broke" in in_front.stderr.read()
    assert lateen.up(WEB).returncode == 0
