"""A mesh of an ordinary user: with subordinate ids as with root, without them with one user for all processes."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.leftovers import alive, descendants, host_network, namespaces, namespaces_of, wait_until_gone
from support.local_mesh import LocalMesh, eventually, write_manifest
from support.ordinary_user import OrdinaryUser, ordinary_user

from lateen.local_runtime.user_namespace import HELPERS

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="making users needs root"),
    pytest.mark.skipif(not all(map(shutil.which, HELPERS)), reason="needs newuidmap of Debian's package uidmap"),
]

Json = dict[str, Any]

PROGRAM = Path(__file__).parents[1] / "support" / "echo_service.py"
PORT = 8080
SUBORDINATE, ONE = "subordinate", "one"
ASKED = {"runAsUser": 2001, "runAsGroup": 2002}


def workload(name: str, **security: Any) -> list[Json]:
    app = {"name": "app", "image": "python:3", "args": ["/srv/echo/echo_service.py", str(PORT)]}
    app |= {"volumeMounts": [{"name": "program", "mountPath": "/srv/echo"}], "securityContext": security}
    volume = {"name": "program", "configMap": {"name": "program"}}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [app], "volumes": [volume]}}
    labels = {"matchLabels": {"app": name}}
    ports = [{"name": "http", "port": 80, "targetPort": PORT}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": ports},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"selector": labels, "template": template},
        },
    ]


def manifests() -> list[Json]:
    networking = "networking.istio.io/v1"
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    route = {"headers": {"request": {"set": {"x-routed": "yes"}}}, "route": [{"destination": {"host": "front"}}]}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "program"},
            "data": {PROGRAM.name: PROGRAM.read_text()},
        },
        *workload("front"),
        *workload("back", **ASKED),
        {
            "apiVersion": networking,
            "kind": "Gateway",
            "metadata": {"name": "edge"},
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
        },
        {
            "apiVersion": networking,
            "kind": "VirtualService",
            "metadata": {"name": "front"},
            "spec": {"hosts": ["*"], "gateways": ["edge"], "http": [route]},
        },
    ]


@pytest.fixture(scope="module", params=[SUBORDINATE, ONE])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def user(mode: str) -> Iterator[OrdinaryUser]:
    with ordinary_user(f"lateen-{mode[:3]}-{os.getpid()}", subordinate=mode == SUBORDINATE) as made:
        yield made


def started(user: OrdinaryUser, name: str) -> LocalMesh:
    """A mesh in a directory of its own; with the name of an earlier one, in the same."""
    directory = user.directory / name if (user.directory / name).exists() else user.room(name)
    mesh = LocalMesh(directory, write_manifest(directory / "mesh.yaml", *manifests()), program=user.program)
    try:
        mesh.await_start()
    except BaseException:
        mesh.stop()
        raise
    return mesh


@pytest.fixture(scope="module")
def mesh(user: OrdinaryUser) -> Iterator[LocalMesh]:
    running = started(user, "shared")
    yield running
    running.stop()


def logged(mesh: LocalMesh, pod: str, *words: str) -> str:
    """The line with these words in the access log of a pod."""

    def found() -> str:
        lines = mesh.log(pod, "istio-proxy").splitlines()
        return next((line for line in lines if all(word in line for word in words)), "")

    return eventually(found)


def called(mesh: LocalMesh, url: str) -> Json:
    """What the echo service sees of a call that `front` makes."""
    got = mesh.inside("front", PORT, "/call", url=url)
    assert got["status"] == 200, got
    return dict(json.loads(got["text"]))


def test_the_mode_is_told_with_what_it_cannot_do(mesh: LocalMesh, mode: str) -> None:
    shown, told = mesh.shown(), mesh.api.get("/lateen/v1/info")["mode"]
    if mode == SUBORDINATE:
        assert told == "rootless"
        assert "runs without root, with users up to 65536 in pods" in shown
        assert mesh.problems() == []
    else:
        assert told == "rootless, one user"
        assert "runs without root, with one user for all processes of a pod" in shown
        assert re.search(r"usermod --add-subuids \d+-\d+ --add-subgids", shown)


def test_a_request_goes_through_the_gateway_and_the_sidecar(mesh: LocalMesh) -> None:
    answer = mesh.request("/edge")
    assert answer.status == 200
    seen = json.loads(answer.text)
    assert seen["headers"]["x-routed"] == "yes", "the gateway follows the route"
    assert seen["client"] == "127.0.0.6", "the sidecar's address for what it delivers"
    assert "inbound|8080||" in logged(mesh, "front", seen["headers"]["x-request-id"])


def test_a_call_between_pods_is_captured_on_both_sides(mesh: LocalMesh) -> None:
    seen = called(mesh, "http://back/between")
    assert seen["client"] == "127.0.0.6"
    request_id = seen["headers"]["x-request-id"]
    assert "outbound|80||back.default.svc.cluster.local" in logged(mesh, "front", request_id)
    assert "inbound|8080||" in logged(mesh, "back", request_id)


def test_what_the_proxy_sends_to_its_own_pod_passes_the_inbound_side(mesh: LocalMesh) -> None:
    request_id = called(mesh, "http://front/myself")["headers"]["x-request-id"]
    logged(mesh, "front", request_id, "outbound|80||front")
    logged(mesh, "front", request_id, "inbound|8080||")


def test_an_application_calls_its_own_pod_past_the_proxy(mesh: LocalMesh) -> None:
    address = mesh.pod_ip("front")
    assert called(mesh, f"http://{address}:{PORT}/direct")["client"] == address


def test_a_program_is_executed_as_its_container_is(mesh: LocalMesh, mode: str) -> None:
    script = "id -u; id -g; grep CapEff /proc/self/status"
    users = "2001\n2002\n" if mode == SUBORDINATE else "0\n0\n"
    assert mesh.told("exec", "deploy/back", "--", "sh", "-c", script) == f"{users}CapEff:\t{0:016x}\n"
    users = "1000\n1000\n" if mode == SUBORDINATE else "0\n0\n"
    assert mesh.told("exec", "deploy/front", "--", "sh", "-c", script) == f"{users}CapEff:\t{0:016x}\n"


def test_fields_that_ask_for_users_are_warned_of_where_there_is_one(mesh: LocalMesh, mode: str) -> None:
    pod = f"Pod default/{mesh.pod_name('back')}: spec.containers[0].securityContext"
    told = "has no effect, since without root this mesh has one user"
    assert mesh.problems() == ([] if mode == SUBORDINATE else [f"{pod}.{field} {told}" for field in ASKED])


def test_an_application_cannot_pass_for_the_proxy(mesh: LocalMesh) -> None:
    mark = "import socket; socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1339)"
    done = mesh.run("exec", "deploy/front", "--", "python3", "-c", mark)
    assert "PermissionError" in done.stderr
    look = 'for p in /proc/[0-9]*; do grep -q "^Name:.envoy" $p/status && ls $p/root; done'
    done = mesh.run("exec", "deploy/front", "--", "sh", "-c", look)
    assert "Permission denied" in done.stderr, "it cannot see the files of the proxy's container either"


def test_commands_of_the_user_find_the_mesh(mesh: LocalMesh) -> None:
    assert "SYNCED" in mesh.told("ps")
    assert "listening on" in mesh.told("logs", "deploy/back")
    assert "front" in mesh.told("proxy-config", "cluster", "deploy/back")


@pytest.mark.parametrize("end", ["down", "SIGKILL"])
def test_nothing_is_left_however_it_ends(user: OrdinaryUser, end: str) -> None:
    before, network = namespaces(), host_network()
    mesh = started(user, end)
    try:
        supervisor = mesh.supervisor()
        pids = descendants(supervisor)
        own = {each for pid in pids if alive(pid) for each in namespaces_of(pid)} - before
        assert {kind for kind, _ in own} == {"net", "mnt", "pid", "uts", "ipc", "user"}
        assert host_network() == network
        if end == "down":
            mesh.told("down")
        else:
            os.kill(supervisor, signal.SIGKILL)
        assert wait_until_gone(pids, own) == (set(), set())
        assert host_network() == network
    finally:
        mesh.stop()
    if end == "SIGKILL":  # files of its pods stay, and belong to ids that only a user namespace may touch
        assert (mesh.state / "pods").exists()
        started(user, end).stop()
    assert {path.name for path in mesh.state.iterdir()} == {"lock", "supervisor.log"}


def test_a_port_for_root_alone_is_refused_with_a_way_out(user: OrdinaryUser) -> None:
    room = user.room("low-port")
    argv = ("up", "--detach", "--state-dir", str(room / "state"), "--publish", "81", "/etc/hosts")
    done = user.run(user.python, "-P", "-m", "lateen.cli", *argv)
    assert done.returncode == 1
    assert "127.0.0.1:81: only root may listen on ports below" in done.stderr
    assert "--publish" in done.stderr


@pytest.mark.parametrize("mode", [SUBORDINATE], indirect=True, scope="module")
@pytest.mark.parametrize("broken", HELPERS)
def test_a_helper_that_fails_costs_users_and_is_named(user: OrdinaryUser, broken: str) -> None:
    tools = user.room(f"with-broken-{broken}")
    (tools / broken).write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    (tools / broken).chmod(0o755)
    code = "import os; from lateen.local_runtime.user_namespace import enter; users = enter(); "
    code += "print(users.count, os.getuid(), users.hint)"
    done = user.run(user.python, "-P", "-c", code, PATH=f"{tools}:{os.environ['PATH']}")
    assert done.stdout == f"1 0 let {broken} do its work, which says: not today\n", done.stderr
