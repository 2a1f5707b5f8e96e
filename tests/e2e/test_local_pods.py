"""Pods of the local mesh as a user meets them: `lateen up` on real namespaces, without and with a sidecar."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.e2e

LATEEN = (sys.executable, "-m", "lateen.cli")
DEADLINE = 30

SERVER = "import http.server as h, sys; print('up', flush=True); h.test(h.SimpleHTTPRequestHandler, port=8000)"


def deployment(name, **spec):
    labels = {"app": name, "sidecar.istio.io/inject": "false"}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, **spec}}
    body = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def container(name, *command, **more):
    return {"name": name, "image": "busybox", "command": list(command), **more}


def web():
    """Two init containers that write their order, and a server that is ready when a file says so."""
    data = [{"name": "data", "mountPath": "/data"}]
    return deployment(
        "web",
        initContainers=[
            container("one", "sh", "-c", "sleep 0.3; echo one $(id -u) >> /data/order", volumeMounts=data),
            container("two", "sh", "-c", "echo two >> /data/order", volumeMounts=data),
        ],
        containers=[
            container(
                "web",
                "python3",
                "-c",
                SERVER,
                workingDir="/data",
                envFrom=[{"configMapRef": {"name": "settings"}}],
                env=[
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "URL", "value": "http://$(IP):8000"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "t"}}},
                ],
                readinessProbe={"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1},
                ports=[{"name": "http", "containerPort": 8000}],
                volumeMounts=[*data, {"name": "settings", "mountPath": "/etc/settings"}],
            )
        ],
        volumes=[{"name": "data", "emptyDir": {}}, {"name": "settings", "configMap": {"name": "settings"}}],
    )


MANIFESTS = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"GREETING": "hello"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"t": "s3cret"}},
    web(),
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "broken", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [container("fails", "sh", "-c", "echo no database; exit 3"), container("never", "true")],
            "containers": [container("main", "sleep", "1000")],
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "injected"},
        "spec": {"containers": [container("main", "sleep", "1000")]},
    },
)


class RunningMesh:
    def __init__(self, directory):
        self.state = directory / "state"
        self.manifests = directory / "manifests"
        self.manifests.mkdir()
        self.write(*MANIFESTS)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            (*LATEEN, "up", str(self.manifests), "--state-dir", str(self.state), "--publish", str(self.port)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
        )

    def write(self, *objects):
        fresh = self.manifests / "all.new"
        fresh.write_text(yaml.safe_dump_all(objects))
        fresh.rename(self.manifests / "all.yaml")

    def get(self, path):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.state / "api.sock"))
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        return json.loads(received.split(b"\r\n\r\n", 1)[1])

    def pods(self, prefix=""):
        found = self.get("/api/v1/namespaces/default/pods")["items"]
        return [p for p in found if p["metadata"]["name"].startswith(prefix)]

    def ready_endpoints(self, service):
        slices = self.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")["items"]
        mine = [s for s in slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == service]
        return [e["addresses"][0] for s in mine for e in s.get("endpoints") or () if e["conditions"]["ready"]]

    def shell(self, pod, script, container="web"):
        argv = (*LATEEN, "exec", "--state-dir", str(self.state), pod, "-c", container, "--", "sh", "-c", script)
        return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, cwd="/")

    def until(self, condition):
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except (OSError, LookupError, ValueError):
                pass
            time.sleep(0.05)
        log = self.state / "supervisor.log"
        raise AssertionError(f"it did not come about; the supervisor's log:\n{log.read_text() if log.exists() else ''}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=DEADLINE)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    running = RunningMesh(tmp_path_factory.mktemp("mesh"))
    yield running
    running.stop()


def is_running(pod):
    return any("running" in s["state"] for s in pod["status"].get("containerStatuses", []))


@pytest.fixture(scope="module")
def web_pod(mesh):
    (pod,) = mesh.until(lambda: [p for p in mesh.pods("web-") if is_running(p)])
    return pod


def test_init_containers_have_run_in_order_as_an_ordinary_user(mesh, web_pod):
    assert mesh.shell(web_pod["metadata"]["name"], "cat /data/order").stdout == "one 1000\ntwo\n"


def test_environment_and_volumes_are_there(mesh, web_pod):
    name, address = web_pod["metadata"]["name"], web_pod["status"]["podIP"]
    seen = mesh.shell(
        name, "echo $GREETING $TOKEN $URL; cat /etc/settings/GREETING; pwd; id -u; cat /proc/1/comm"
    ).stdout
    assert seen.splitlines()[:1] == [f"hello s3cret http://{address}:8000"]
    assert seen.splitlines()[1] == "hello/data"
    assert seen.splitlines()[2] == "1000"
    refused = mesh.shell(name, "echo x > /etc/settings/GREETING")
    assert refused.returncode != 0


def test_a_pod_is_an_endpoint_once_its_probe_succeeds(mesh, web_pod):
    name = web_pod["metadata"]["name"]
    assert mesh.ready_endpoints("web") == []
    assert mesh.shell(name, "echo yes > /data/ready").returncode == 0
    mesh.until(lambda: mesh.ready_endpoints("web") == [web_pod["status"]["podIP"]])
    fetched = mesh.shell(name, "python3 -c \"import urllib.request as u; print(u.urlopen('http://web/ready').read())\"")
    assert fetched.stdout == "b'yes\\n'\n", fetched.stderr


def test_a_failing_init_container_stops_its_pod_and_shows_its_log(mesh):
    (pod,) = mesh.until(lambda: [p for p in mesh.pods("broken") if p["status"].get("phase") == "Failed"])
    fails, never = pod["status"]["initContainerStatuses"]
    assert fails["state"]["terminated"]["exitCode"] == 3
    assert fails["state"]["terminated"]["message"] == "no database"
    assert "waiting" in never["state"]
    assert all("waiting" in s["state"] for s in pod["status"]["containerStatuses"])


def test_an_injected_pod_gets_a_sidecar_that_becomes_ready(mesh):
    def ready():
        (pod,) = mesh.pods("injected")
        return pod if all(s["ready"] for s in pod["status"]["containerStatuses"]) else None

    pod = mesh.until(ready)
    assert {s["name"] for s in pod["status"]["containerStatuses"]} == {"main", "istio-proxy"}
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["istio-init"]


def test_a_changed_template_replaces_the_pod_and_a_removed_deployment_ends_it(mesh, web_pod):
    changed = web()
    changed["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 8000}}
    others = [o for o in MANIFESTS if o["kind"] != "Deployment"]
    mesh.write(*others, changed)
    old = web_pod["metadata"]["name"]

    def replaced():
        names = [p["metadata"]["name"] for p in mesh.pods("web-")]
        return names if len(names) == 1 and names != [old] else None

    mesh.until(replaced)
    mesh.until(lambda: len(mesh.ready_endpoints("web")) == 1)
    mesh.write(*others)
    mesh.until(lambda: not mesh.pods("web-"))
    assert mesh.ready_endpoints("web") == []
    assert not list((mesh.state / "pods").glob("default_web-*"))


def processes_in(directory):
    """Processes that were started for the mesh of this state directory."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if str(directory) in line or "mesh-marker" in line:
                    found.append((int(process.name), line))
            except OSError:
                continue
    return found


def test_killing_the_supervisor_leaves_nothing(tmp_path):
    marked = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "marked"},
        "spec": {"containers": [container("main", "sh", "-c", "sleep 1000; echo mesh-marker")]},
    }
    mesh = RunningMesh(tmp_path)
    try:
        mesh.write(marked)
        mesh.until(lambda: mesh.pods("marked") and is_running(mesh.pods("marked")[0]))
        supervisor = mesh.get("/lateen/v1/info")["pid"]
        links = set(Path("/sys/class/net").iterdir())
        os.kill(supervisor, signal.SIGKILL)
        mesh.process.wait(DEADLINE)
        mesh.until(lambda: not processes_in(tmp_path))
        assert set(Path("/sys/class/net").iterdir()) == links
    finally:
        mesh.stop()
