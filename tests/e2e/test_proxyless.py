"""gRPC clients without a proxy in the local mesh: a pod with no sidecar that asks the control plane itself."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import grpc_echo
from support.local_mesh import LocalMesh, eventually, write_manifest

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

BOOTSTRAP = {
    "xds_servers": [
        {
            "server_uri": "dns:///istiod.istio-system.svc:15010",
            "channel_creds": [{"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
    ],
    "node": {
        "id": "sidecar~127.0.0.1~client.default~default.svc.cluster.local",
        "metadata": {"GENERATOR": "grpc"},
    },
}
PROGRAM = {"name": "program", "configMap": {"name": "grpc"}}
SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
"""


def deployment(name: str, labels: dict[str, str], *arguments: str, replicas: int = 1, **env: str) -> Json:
    """Pods that run the gRPC program of the tests, with its bootstrap file beside it."""
    container = {
        "name": "app",
        "image": "python:3",
        "args": ["/srv/grpc/grpc_echo.py", *arguments],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "volumeMounts": [{"name": "program", "mountPath": "/srv/grpc"}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": [PROGRAM]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def echo(version: str, replicas: int = 1) -> Json:
    labels = {"app": "echo", "version": version}
    return deployment(f"echo-{version}", labels, "serve", "=0.0.0.0:7070", replicas=replicas)


def service(name: str) -> Json:
    spec = {"selector": {"app": "echo"}, "ports": [{"name": "grpc", "port": 7070}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def weights(v1: int, v2: int) -> Json:
    route = [{"destination": {"host": "echo", "subset": s}, "weight": w} for s, w in (("v1", v1), ("v2", v2))]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "echo"},
        "spec": {"hosts": ["echo"], "http": [{"route": route}]},
    }


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Two versions of the echo service with sidecars, and a client without one."""
    directory = tmp_path_factory.mktemp("proxyless")
    files = {"grpc_echo.py": Path(grpc_echo.__file__).read_text(), "bootstrap.json": json.dumps(BOOTSTRAP)}
    client = {"app": "client", "sidecar.istio.io/inject": "false"}
    manifests = write_manifest(
        directory / "mesh.yaml",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "grpc"}, "data": files},
        *(echo(version) for version in ("v1", "v2")),
        service("echo"),
        SUBSETS,
        deployment("client", client, "client", "127.0.0.1:8080", GRPC_XDS_BOOTSTRAP="/srv/grpc/bootstrap.json"),
    )
    running = LocalMesh(directory, manifests)
    try:
        running.await_start()
        yield running
    finally:
        running.stop()


def apply(mesh: LocalMesh, *objects: Json) -> None:
    mesh.told("apply", "-f", "-", given=yaml.safe_dump_all(objects))


def call(mesh: LocalMesh, service: str = "echo", count: int = 20) -> Counter[str]:
    """How often each pod answered, or each status came."""
    target = f"xds:///{service}.default.svc.cluster.local:7070"
    found = mesh.inside("client", 8080, "/call", target=target, count=str(count))
    return Counter(found["answers"])


def by_version(answers: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for pod, number in answers.items():
        found["-".join(pod.split("-")[:2])] += number
    return found


def test_the_client_has_no_sidecar_and_the_servers_have(mesh: LocalMesh) -> None:
    assert [each["name"] for each in mesh.pod("client")["spec"]["containers"]] == ["app"]
    assert set(by_version(call(mesh))) == {"echo-v1", "echo-v2"}
    eventually(lambda: "inbound|7070||" in mesh.log("echo-v1", "istio-proxy"))


def test_calls_follow_weights_as_they_are_applied(mesh: LocalMesh) -> None:
    apply(mesh, weights(0, 100))
    eventually(lambda: by_version(call(mesh)) == {"echo-v2": 20})
    apply(mesh, weights(75, 25))
    eventually(lambda: "echo-v1" in by_version(call(mesh)))
    assert 100 < by_version(call(mesh, count=200))["echo-v1"] < 190
    mesh.told("delete", "virtualservice", "echo")
    eventually(lambda: by_version(call(mesh)) == {"echo-v1": 10, "echo-v2": 10})


def test_endpoints_follow_scaling(mesh: LocalMesh) -> None:
    apply(mesh, echo("v1", replicas=3))
    eventually(lambda: sorted(call(mesh, count=40).values()) == [10] * 4)
    apply(mesh, echo("v1", replicas=1))
    eventually(lambda: sorted(call(mesh).values()) == [10] * 2)


def test_calls_to_a_service_that_is_deleted_fail_before_their_time_is_over(mesh: LocalMesh) -> None:
    apply(mesh, service("leaving"))
    eventually(lambda: "UNAVAILABLE" not in call(mesh, "leaving"))
    mesh.told("delete", "service", "leaving")
    eventually(lambda: call(mesh, "leaving", 1) == {"UNAVAILABLE": 1})
