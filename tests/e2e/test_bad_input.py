"""What is wrong is said with its place, and disturbs nothing else; whatever ends a mesh, nothing of it is left."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.local_mesh import LATEEN, PATIENCE, LocalMesh, eventually, free_port, write_manifest
from support.traces import Traces, host, traces_of

pytestmark = pytest.mark.e2e

GOOD = """
apiVersion: v1
kind: Service
metadata: {name: good}
spec:
  selector: {app: good}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: good-0, labels: {app: good}}
spec:
  containers:
  - name: app
    image: python
    args: [-m, http.server, "8080", --directory, /etc]
    ports: [{containerPort: 8080}]
"""

MALFORMED = """\
apiVersion: v1
kind: Service
metadata: {name: x
spec: {}
"""

TYPES = """\
apiVersion: v1
kind: Service
metadata: {name: text-port}
spec: {ports: [{port: http}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: two-mistakes}
spec:
  hosts: good
  http:
  - rout:
    - destination: {host: good}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
"""

REFERENCES = """\
apiVersion: v1
kind: Service
metadata: {name: lonely}
spec:
  selector: {app: nobody}
  ports: [{name: http, port: 80}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: good}
spec:
  hosts: [good]
  http:
  - match: [{uri: {prefix: /subset}}]
    route: [{destination: {host: good, subset: v9}}]
  - match: [{uri: {prefix: /nowhere}}]
    route: [{destination: {host: nowhere}}]
  - route: [{destination: {host: good}}]
---
apiVersion: v1
kind: Service
metadata: {name: odd}
spec:
  selector: {app: good}
  ports: [{name: http2foo, port: 8080}]
"""

BROKEN = """\
apiVersion: v1
kind: Pod
metadata: {name: no-command, labels: {app: a, sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: app, image: busybox, command: [no-such-program]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-image, labels: {app: b, sidecar.istio.io/inject: "false"}}
spec: {containers: [{name: app, image: "registry.example.com/team/unheard-of:1.2"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: no-init, labels: {app: c}}
spec:
  initContainers:
  - {name: first, image: busybox, command: [sh, -c, "echo connecting; echo no database >&2; exit 7"]}
  - {name: second, image: busybox, command: [sh, -c, "echo never"]}
  containers: [{name: app, image: busybox, command: [sleep, infinity]}]
---
apiVersion: v1
kind: Pod
metadata: {name: no-settings, labels: {app: d, sidecar.istio.io/inject: "false"}}
spec:
  containers: [{name: app, image: busybox, command: [sleep, infinity], envFrom: [{configMapRef: {name: settings}}]}]
"""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """A mesh where next to everything is wrong, and one pod is not."""
    directory = tmp_path_factory.mktemp("wrong")
    texts = {"good": GOOD, "malformed": MALFORMED, "types": TYPES, "references": REFERENCES, "broken": BROKEN}
    for name, text in texts.items():
        write_manifest(directory / f"{name}.yaml", text)
    mesh = LocalMesh(directory, *(directory / f"{name}.yaml" for name in texts))
    try:
        mesh.await_start()
        yield mesh
    finally:
        mesh.stop()


@pytest.mark.parametrize(
    "told",
    [
        "malformed.yaml:4: column 5: not valid YAML: a `{` is not closed",
        'types.yaml:4: Service default/text-port: spec.ports[0].port: must be a whole number, not "http"',
        "types.yaml:10: VirtualService default/two-mistakes: spec.hosts: must be a list",
        "types.yaml:12: VirtualService default/two-mistakes: spec.http[0].rout: unknown field; did you mean `route`?",
        "types.yaml:15: Widget w: `Widget` of `example.com/v1` is not a kind the mesh reads",
        "references.yaml:1: Service default/lonely: spec.selector: no workload of the namespace has app=nobody",
        "references.yaml:8: VirtualService default/good: spec.http[0].route[0].destination.subset: "
        "no DestinationRule defines subset v9 of good.default.svc.cluster.local",
        "references.yaml:8: VirtualService default/good: spec.http[1].route[0].destination.host: "
        "there is no service nowhere.default.svc.cluster.local",
        "references.yaml:20: Service default/odd: spec.ports[0].name: `http2foo` declares no protocol",
        "no-command, container app: CrashLoopBackOff: back-off 10s restarting failed container=app pod=no-command: "
        'exec: "no-such-program": executable file not found in $PATH',
        'no-image, container app: ErrImagePull: image "registry.example.com/team/unheard-of:1.2" is in no catalogue',
        "no-init, container first: CrashLoopBackOff: back-off 10s restarting failed container=first pod=no-init; "
        "exit code 7\n  | connecting\n  | no database\n",
        'no-settings, container app: CreateContainerConfigError: configmap "settings" not found in namespace "default"',
    ],
)
def test_each_mistake_is_told_with_its_place(wrong: LocalMesh, told: str) -> None:
    eventually(lambda: told in wrong.shown(), 5)


def test_everything_else_runs(wrong: LocalMesh) -> None:
    listing = eventually(lambda: wrong.told("exec", "good", "--", "curl", "-sS", "-m", "5", "http://good/os-release"))
    assert "PRETTY_NAME" in listing
    assert "default/no-command, default/no-image, default/no-init, default/no-settings; the rest runs" in wrong.shown()

    def code(path: str) -> str:
        return wrong.told(
            "exec", "good", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"http://{path}"
        )

    assert code("good/subset") == "503"
    assert code("good/nowhere") == "503"
    assert code("odd:8080/os-release") == "200"
    assert code("lonely/") == "503"


def test_a_failed_init_container_stops_its_pod(wrong: LocalMesh) -> None:
    first, second, *_ = wrong.pod("no-init")["status"]["initContainerStatuses"]
    assert first["name"] == "first"
    assert (first.get("lastState") or first["state"])["terminated"]["exitCode"] == 7
    assert "waiting" in second["state"]
    assert wrong.told("logs", "no-init", "-c", "first").startswith("connecting\nno database\n")
    never = wrong.run("logs", "no-init", "-c", "second")
    assert (never.returncode, never.stdout) == (1, "")
    assert "has not started" in never.stderr
    assert wrong.run("exec", "no-init", "--", "true").returncode == 1


def test_what_is_mended_starts(wrong: LocalMesh) -> None:
    settings = '{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {A: "1"}}'
    wrong.told("apply", "-f", "-", given=settings)
    eventually(lambda: wrong.pod("no-settings")["status"]["containerStatuses"][0]["ready"])
    assert wrong.told("exec", "no-settings", "--", "sh", "-c", "echo $A") == "1\n"
    write_manifest(wrong.directory / "malformed.yaml", MALFORMED.replace("{name: x\n", "{name: x}\n"))
    eventually(lambda: not any("malformed.yaml" in problem for problem in wrong.problems()))


def test_ps_shows_what_is_wrong(wrong: LocalMesh) -> None:
    shown = wrong.run("ps")
    rows = {line.split()[1]: line.split()[2:4] for line in shown.stdout.splitlines()[1:]}
    assert rows["good-0"] == ["2/2", "Running"]
    assert rows["no-image"][1] in ("ErrImagePull", "ImagePullBackOff")
    assert rows["no-init"][1].startswith("Init:")
    assert "Warning: " in shown.stderr
    assert "Service default/text-port: spec.ports[0].port" in shown.stderr


def test_a_second_mesh_is_refused_and_disturbs_nothing(wrong: LocalMesh) -> None:
    before = {pod["metadata"]["uid"] for pod in wrong.pods("")}
    second = wrong.run("up", "-d", str(wrong.directory / "good.yaml"), "--publish", str(free_port()))
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (
        f"Error: a mesh is already running (pid {wrong.supervisor()}, {wrong.state}); "
        "change it with `lateen apply`, or stop it with `lateen down`\n"
    )
    assert {pod["metadata"]["uid"] for pod in wrong.pods("")} == before


def up(directory: Path, *arguments: str, program: tuple[str, ...] = LATEEN) -> subprocess.CompletedProcess[str]:
    """A `lateen up` that is not expected to start anything."""
    argv = (*program, "up", "-d", str(write_manifest(directory / "good.yaml", GOOD)), *arguments)
    return subprocess.run(
        argv,
        env={**os.environ, "LATEEN_STATE_DIR": str(directory / "state")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd="/",
        check=False,
    )


def test_a_port_that_is_taken_names_its_owner(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = up(tmp_path, "--publish", str(port))
    name = Path("/proc/self/comm").read_text().strip()
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Error: 127.0.0.1:{port} is taken by {name} (pid {os.getpid()}); publish another port with --publish\n",
    )
    assert not (tmp_path / "state" / "api.sock").exists()


def as_another_user(*arguments: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A lateen command of an ordinary user."""
    # Another user may not be able to read this interpreter's files, so it has loaded what it needs before.
    script = """
import os, sys
from lateen.cli.__main__ import main
main([sys.argv[1], "--help"])
print(flush=True)
os.setgroups([]), os.setgid(1000), os.setuid(1000)
sys.exit(main(sys.argv[1:]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "LATEEN_STATE_DIR"}
    return subprocess.run(
        (sys.executable, "-P", "-c", script, *arguments),
        env=environment | ({"LATEEN_STATE_DIR": str(state)} if state else {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("command", ["ps", "down"])
def test_another_users_mesh_is_left_alone(wrong: LocalMesh, command: str) -> None:
    done = as_another_user(command, state=wrong.state)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {wrong.state}")
    assert done.stderr.endswith("by its owner: use the user (or sudo) that started the mesh\n")
    assert wrong.process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("/no/such/path",), 64, "Path '/no/such/path' does not exist"),
        (("--publish", "http"), 1, "'http' is not a port to publish; write 8080, 8443:8443 or 127.0.0.1:80:8080"),
        (("--publish", "70000"), 1, "a port is a number from 1 to 65535"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: tuple[str, ...], code: int, told: str) -> None:
    done = up(tmp_path, *arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [("ps",), ("logs", "x"), ("exec", "x", "--", "true"), ("proxy-config", "route", "x")]
)
def test_without_a_mesh_commands_say_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    environment = {**os.environ, "LATEEN_STATE_DIR": str(tmp_path)}
    done = subprocess.run([*LATEEN, *command], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: no mesh is running here ({tmp_path}/api.sock does not answer)")


# Ends


def test_a_supervisor_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    before = host(tmp_path)
    mesh = LocalMesh(tmp_path, write_manifest(tmp_path / "good.yaml", GOOD))
    try:
        mesh.await_start()
        traces = traces_of(mesh.supervisor())
        check_alive(traces)
        os.kill(mesh.supervisor(), signal.SIGKILL)
        assert mesh.process.wait(PATIENCE) == 1
        assert "Error: the mesh broke" in mesh.shown()
        eventually(lambda: traces.left() == [], 10)
        assert host(tmp_path) == before
    finally:
        mesh.stop()


def test_the_mesh_goes_with_the_process_that_started_it(tmp_path: Path) -> None:
    mesh = LocalMesh(tmp_path, write_manifest(tmp_path / "good.yaml", GOOD))
    try:
        mesh.await_start()
        traces = traces_of(mesh.supervisor())
        mesh.process.kill()
        eventually(lambda: traces.left() == [], 10)
    finally:
        mesh.stop()


def check_alive(traces: Traces) -> None:
    """That there is something to be left: a supervisor, a launcher, a pod with its Envoy; namespaces of a pod."""
    assert len(traces.processes) >= 5
    assert len([name for name in traces.namespaces if name.startswith("net:")]) >= 2


NOT_AT_RUN_TIME = ("_editable_impl", "lateen", "mypy", "grpc", "hypothesis", "pip", "ruff", "pytest", "_pytest")


@pytest.fixture
def private_clone(tmp_path: Path) -> Iterator[Path]:
    """A copy of the repository and its virtual environment below a directory that only root may enter."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    clone = home / "clone"
    shutil.copytree(Path(__file__).parents[2] / "src", clone / "src", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(clone / ".venv")], check=True)
    packages = Path("lib") / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    theirs = Path(sys.prefix) / packages

    def unneeded(directory: str, names: list[str]) -> list[str]:
        top = Path(directory) == theirs
        return [name for name in names if name == "__pycache__" or (top and name.startswith(NOT_AT_RUN_TIME))]

    shutil.copytree(theirs, clone / ".venv" / packages, ignore=unneeded, copy_function=link, dirs_exist_ok=True)
    (clone / ".venv" / packages / "clone.pth").write_text(f"{clone / 'src'}\n")
    yield clone
    shutil.rmtree(home)


def link(source: str, target: str) -> None:
    """A hard link, or a copy where the file systems differ."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_a_clone_that_only_its_owner_may_enter(private_clone: Path, tmp_path: Path) -> None:
    before = host(tmp_path)
    program = (str(private_clone / ".venv" / "bin" / "python"), "-P", "-m", "lateen.cli")
    mesh = LocalMesh(tmp_path, write_manifest(private_clone / "good.yaml", GOOD), program=program)
    try:
        mesh.await_start()
        assert "1 pod is ready" in mesh.shown()
        traces = traces_of(mesh.supervisor())
        check_alive(traces)
        fetch = "import os, urllib.request as u; print(os.getuid(), u.urlopen('http://good/os-release').status)"
        assert mesh.told("exec", "good", "--", program[0], "-c", fetch) == "1000 200\n"
        assert f"{private_clone}/.venv" in mesh.told("exec", "good", "-c", "istio-proxy", "--", "sh", "-c", PROGRAMS)
        assert mesh.told("down") == "the mesh is down\n"
        assert traces.left() == []
        assert host(tmp_path) == before
        assert {path.name for path in mesh.state.iterdir()} == {"lock", "supervisor.log"}
    finally:
        mesh.stop()


PROGRAMS = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done"
