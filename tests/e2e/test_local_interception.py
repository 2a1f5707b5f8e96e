"""The local mesh honours every way in which a pod may ask for interception: what is captured, and who sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support import ways
from support.lab import PORT, TCP_PORT, UNDECLARED_PORT
from support.local_mesh import LocalMesh, eventually, write_manifest
from support.ways import NAMESPACE

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

BEHIND_ENVOY = "127.0.0.6"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    directory = tmp_path_factory.mktemp("ways")
    running = LocalMesh(directory, write_manifest(directory / "ways.yaml", *ways.manifests()))
    try:
        running.await_start()
        yield running
    finally:
        running.stop()


def call(mesh: LocalMesh, pod: str, url: str, **query: str) -> Json:
    """What a program in a pod gets for a URL: what the echo service has seen of the request."""
    got = mesh.inside(pod, PORT, "/call", NAMESPACE, url=url, **query)
    assert got["status"] == 200, got
    seen: Json = json.loads(got["text"])
    return seen


def logged(mesh: LocalMesh, pod: str, *words: str) -> str:
    """The last line with these words in the access log of a pod."""

    def found() -> str:
        lines = mesh.log(pod, "istio-proxy", NAMESPACE).splitlines()
        return next((line for line in reversed(lines) if all(word in line for word in words)), "")

    return eventually(found)


def passed_its_sidecar(seen: Json) -> bool:
    """Whether the sidecar of the caller had the request in its hands: it counts attempts."""
    return "x-envoy-attempt-count" in seen["headers"]


def ip(mesh: LocalMesh, pod: str) -> str:
    return mesh.pod_ip(pod, NAMESPACE)


def test_no_proxy_refuses_anything(mesh: LocalMesh) -> None:
    assert mesh.problems() == []


# TPROXY


@pytest.mark.parametrize("port", [80, 9000])
def test_tproxy_shows_the_address_of_the_client(mesh: LocalMesh, port: int) -> None:
    seen = call(mesh, "echo", f"http://transparent:{port}/from-echo-{port}")
    assert seen["client"] == ip(mesh, "echo")
    target = {80: PORT, 9000: TCP_PORT}[port]
    line = logged(mesh, "transparent", f"inbound|{target}||", f"{ip(mesh, 'transparent')}:{target}")
    to_application, _, from_client = line.split()[-5:-2]
    assert {each.partition(":")[0] for each in (to_application, from_client)} == {ip(mesh, "echo")}


def test_tproxy_shows_it_on_ports_that_nobody_declared(mesh: LocalMesh) -> None:
    address = ip(mesh, "transparent")
    seen = call(mesh, "echo", f"http://{address}:{UNDECLARED_PORT}/")
    assert (seen["client"], seen["port"]) == (ip(mesh, "echo"), UNDECLARED_PORT)
    assert "InboundPassthroughCluster" in logged(mesh, "transparent", f"{address}:{UNDECLARED_PORT}")


def test_with_tproxy_a_pod_calls_others_and_itself(mesh: LocalMesh) -> None:
    own = ip(mesh, "transparent")
    assert passed_its_sidecar(call(mesh, "transparent", "http://echo/from-transparent"))
    seen = call(mesh, "transparent", "http://transparent/own-service")
    assert passed_its_sidecar(seen)
    assert seen["client"] == own
    assert "inbound|8080||" in logged(mesh, "transparent", "/own-service", "inbound")
    for host in ("127.0.0.1", own):
        seen = call(mesh, "transparent", f"http://{host}:{PORT}/direct")
        assert seen["client"] == host
        assert not passed_its_sidecar(seen)
    assert "/direct" not in mesh.log("transparent", "istio-proxy", NAMESPACE)


def test_with_tproxy_an_envoy_has_no_other_capability(mesh: LocalMesh) -> None:
    script = ("sh", "-c", "grep -e ^CapEff -e ^CapBnd /proc/self/status; id -u; id -g")
    told = mesh.told("exec", "-n", NAMESPACE, "transparent", "-c", "istio-proxy", "--", *script).split()
    assert told == ["CapEff:", f"{1 << 12:016x}", "CapBnd:", f"{1 << 12:016x}", "0", "1337"]


# NONE


def test_without_interception_nothing_is_captured(mesh: LocalMesh) -> None:
    initial = mesh.pod("unintercepted", NAMESPACE)["spec"].get("initContainers") or []
    assert [each["name"] for each in initial] == []
    seen = call(mesh, "echo", "http://unintercepted/to-unintercepted")
    assert seen["client"] == ip(mesh, "echo"), "its application is called directly"
    seen = call(mesh, "unintercepted", "http://echo/past-the-sidecar")
    assert not passed_its_sidecar(seen)
    assert "past-the-sidecar" not in mesh.log("unintercepted", "istio-proxy", NAMESPACE)


def test_without_interception_the_sidecar_serves_on_the_loopback_address(mesh: LocalMesh) -> None:
    seen = call(mesh, "unintercepted", "http://127.0.0.1:80/by-host", host="echo")
    assert passed_its_sidecar(seen)
    assert seen["pod"] == mesh.pod_name("echo", NAMESPACE)
    assert "outbound|80||echo.ways.svc.cluster.local" in logged(mesh, "unintercepted", "/by-host")
    seen = call(mesh, "unintercepted", "http://127.0.0.1:9000/by-port")
    assert seen["port"] == TCP_PORT, "connections go to the oldest service of the port"
    assert "outbound|9000||" in logged(mesh, "unintercepted", "outbound|9000||")


# Annotations: what goes round the sidecar and what goes through it


def sent_to(mesh: LocalMesh, pod: str, since: int) -> set[str]:
    """To which clusters a sidecar has sent what its program sent; `/end` apart."""
    lines = mesh.log(pod, "istio-proxy", NAMESPACE).splitlines()[since:]
    return {line.split()[-6] for line in lines if "inbound|" not in line and "/end" not in line}


@pytest.mark.parametrize(
    ("pod", "url", "clusters"),
    [
        ("including", "http://echo/", {"outbound|80||echo.ways.svc.cluster.local"}),
        ("including", "http://{echo}:8080/", set()),
        ("including", "http://{echo}:8081/", {"PassthroughCluster"}),
        ("excluding", "http://echo/", {"outbound|80||echo.ways.svc.cluster.local"}),
        ("excluding", "http://echo:9000/", set()),
        ("excluding", "http://{echo}:8080/", set()),
        ("excluding", "http://{echo}:8081/", set()),
        ("echo", "http://{bare}:8081/", {"PassthroughCluster"}),
        ("echo", "http://bare:9000/", {"outbound|9000||bare.ways.svc.cluster.local"}),
    ],
)
def test_which_outbound_connections_are_captured(mesh: LocalMesh, pod: str, url: str, clusters: set[str]) -> None:
    before = len(mesh.log(pod, "istio-proxy", NAMESPACE).splitlines())
    call(mesh, pod, url.format(echo=ip(mesh, "echo"), bare=ip(mesh, "bare")))
    end = str(before)
    call(mesh, pod, f"http://bare/end-{end}")
    logged(mesh, pod, f"/end-{end}")  # what came before is logged too
    assert eventually(lambda: sent_to(mesh, pod, before) == clusters)


@pytest.mark.parametrize(
    ("pod", "port", "captured"),
    [
        ("including", PORT, True),
        ("including", UNDECLARED_PORT, False),
        ("including", TCP_PORT, False),
        ("excluding", PORT, True),
        ("excluding", UNDECLARED_PORT, False),
        ("excluding", TCP_PORT, True),
        ("unplugged", PORT, False),
        ("unplugged", TCP_PORT, False),
    ],
)
def test_which_inbound_ports_are_captured(mesh: LocalMesh, pod: str, port: int, captured: bool) -> None:
    client = call(mesh, "echo", f"http://{ip(mesh, pod)}:{port}/inbound")["client"]
    assert client == (BEHIND_ENVOY if captured else ip(mesh, "echo"))


def test_an_excluded_interface_is_not_captured_in_either_direction(mesh: LocalMesh) -> None:
    assert not passed_its_sidecar(call(mesh, "unplugged", "http://echo/unplugged"))
    assert "/unplugged" in logged(mesh, "echo", "/unplugged", "inbound")
    assert "/unplugged" not in mesh.log("unplugged", "istio-proxy", NAMESPACE)


def test_what_comes_from_a_virtual_machine_is_outbound(mesh: LocalMesh) -> None:
    vip = mesh.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/echo")["spec"]["clusterIP"]
    program = f"import urllib.request as u; print(u.urlopen('http://{vip}/from-guest', timeout=5).read().decode())"
    inside = f'exec nsenter --net=/proc/$(cat /tmp/guest)/ns/net /usr/bin/python3 -c "{program}"'
    told = mesh.told("exec", "-n", NAMESPACE, "host-of-guests", "-c", "guest", "--", "sh", "-c", inside)
    assert passed_its_sidecar(json.loads(told))
    assert logged(mesh, "host-of-guests", "/from-guest").split()[-3].startswith("192.0.2.2:")
