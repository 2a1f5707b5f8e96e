"""The local mesh honours every way in which a pod may ask for interception: what is captured, and who sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support import ways
from support.lab import PORT, TCP_PORT, UNDECLARED_PORT
from support.local_mesh import LocalMesh, eventually, write_manifest
from support.ways import NAMESPACE

from lateen.local_runtime.network.address_plan import GATEWAY, has_ipv6

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


def test_a_client_without_a_sidecar_is_seen_where_its_endpoint_was_chosen(mesh: LocalMesh) -> None:
    assert call(mesh, "bare", "http://transparent/by-name")["client"] == GATEWAY
    assert call(mesh, "bare", f"http://{ip(mesh, 'transparent')}:{PORT}/by-address")["client"] == ip(mesh, "bare")


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


# DNS

NO_ERROR, NO_NAME = 0, 3


def ask(mesh: LocalMesh, pod: str, name: str, **query: str) -> Json:
    return mesh.inside(pod, PORT, "/ask", NAMESPACE, name=name, **query)


def vip(mesh: LocalMesh, service: str) -> str:
    return str(mesh.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{service}")["spec"]["clusterIP"])


def answered(mesh: LocalMesh, pod: str, where: str) -> int:
    """How many A records a sidecar had in its table (`local`), or got from the name servers (`external`)."""
    return counter(mesh, pod, f"dns_filter.dns.{where}_a_record_answers")


def counter(mesh: LocalMesh, pod: str, name: str) -> int:
    found = mesh.envoy(pod, f"/stats?format=json&filter=^{name}$", NAMESPACE)["stats"]
    return sum(each["value"] for each in found if each.get("name") == name)


@pytest.mark.parametrize("pod", ["asking", "never-asking"])
def test_a_sidecar_answers_for_the_hosts_of_services(mesh: LocalMesh, pod: str) -> None:
    for name in ("echo", "echo.ways", "echo.ways.svc.cluster.local"):
        before = answered(mesh, pod, "local")
        assert mesh.inside(pod, PORT, "/resolve", NAMESPACE, name=name) == {"addresses": [vip(mesh, "echo")]}
        assert answered(mesh, pod, "local") == before + 1, name
    assert passed_its_sidecar(call(mesh, pod, "http://echo/by-name"))
    assert ask(mesh, pod, "headless.ways.svc.cluster.local")["addresses"] == [ip(mesh, "echo")]


def test_a_sidecar_asks_the_name_servers_for_what_it_does_not_know(mesh: LocalMesh) -> None:
    before = answered(mesh, "asking", "external")
    assert ask(mesh, "asking", "alias.ways.svc.cluster.local")["addresses"] == [vip(mesh, "echo")]
    assert answered(mesh, "asking", "external") == before + 1
    for name in ("no-such-service.ways.svc.cluster.local", "example.com"):
        assert ask(mesh, "asking", name) == {"code": NO_NAME, "records": 0, "addresses": []}


def test_dns_over_tcp_goes_to_the_name_servers(mesh: LocalMesh) -> None:
    assert ask(mesh, "asking", "echo.ways.svc.cluster.local", tcp="yes")["addresses"] == [vip(mesh, "echo")]
    assert ask(mesh, "asking", "_http._tcp.echo.ways.svc.cluster.local", kind="SRV", tcp="yes")["records"] == 1
    assert "198.19.0.10:53" in logged(mesh, "asking", "NameServersCluster")


def test_a_new_service_is_answered_for(mesh: LocalMesh) -> None:
    name = f"late.{NAMESPACE}.svc.cluster.local"
    assert ask(mesh, "asking", name)["code"] == NO_NAME
    mesh.told("apply", "-f", "-", given=yaml.safe_dump(ways.service("late", "echo")))
    before = answered(mesh, "asking", "local")
    eventually(lambda: ask(mesh, "asking", name)["addresses"] == [vip(mesh, "late")])
    eventually(lambda: ask(mesh, "asking", name)["addresses"] and answered(mesh, "asking", "local") > before)


# Dual stack

PREFIX = "fd6c:6174:6565::"

dual_stack = pytest.mark.skipif(not has_ipv6(), reason="this kernel has no IPv6")


def vips(mesh: LocalMesh, service: str) -> list[str]:
    return list(mesh.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{service}")["spec"]["clusterIPs"])


def ips(mesh: LocalMesh, pod: str) -> list[str]:
    return [each["ip"] for each in mesh.pod(pod, NAMESPACE)["status"]["podIPs"]]


@dual_stack
def test_every_pod_has_an_address_of_each_family_and_a_service_those_that_it_asks_for(mesh: LocalMesh) -> None:
    for pod in ("echo", "dual"):
        first, second = ips(mesh, pod)
        assert first.startswith("198.18.")
        assert second.startswith(PREFIX)
        assert second in mesh.told("exec", "-n", NAMESPACE, pod, "-c", "app", "--", "ip", "-6", "address")
    assert [":" in address for address in vips(mesh, "echo")] == [False]
    assert [":" in address for address in vips(mesh, "dual")] == [False, True]
    assert [":" in address for address in vips(mesh, "six")] == [True]
    slices = mesh.api.get(f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices")["items"]
    found = {
        (piece["metadata"]["labels"]["kubernetes.io/service-name"], piece["addressType"]): piece["endpoints"]
        for piece in slices
    }
    assert {family for name, family in found if name == "echo"} == {"IPv4"}
    assert {family for name, family in found if name == "six"} == {"IPv6"}
    assert [found["dual", family][0]["addresses"] for family in ("IPv4", "IPv6")] == [
        [each] for each in ips(mesh, "dual")
    ]


@dual_stack
@pytest.mark.parametrize("pod", ["bare", "asking"])
def test_names_have_addresses_of_each_family(mesh: LocalMesh, pod: str) -> None:
    for name, addresses in (
        ("dual", vips(mesh, "dual")),
        ("dual-headless", ips(mesh, "dual")),
        ("six", vips(mesh, "six")),
    ):
        for kind, ipv6 in (("A", False), ("AAAA", True)):
            found = ask(mesh, pod, f"{name}.{NAMESPACE}.svc.cluster.local", kind=kind)["addresses"]
            assert found == [address for address in addresses if (":" in address) == ipv6], (name, kind)


@dual_stack
@pytest.mark.parametrize("caller", ["dual", "both-transparent"])
def test_ipv6_goes_through_both_sidecars(mesh: LocalMesh, caller: str) -> None:
    _, vip6 = vips(mesh, "dual")
    seen = call(mesh, caller, f"http://[{vip6}]/six-{caller}", host="dual")
    assert passed_its_sidecar(seen)
    assert seen["client"] == BEHIND_ENVOY, "between sidecars IPv4 is preferred"
    assert f"[{vip6}]:80" in logged(mesh, caller, f"/six-{caller}", "outbound|80||dual.ways.svc.cluster.local")
    seen = call(mesh, caller, f"http://[{vip6}]:9000/")
    assert seen["port"] == TCP_PORT
    assert f"[{vip6}]:9000" in logged(mesh, caller, "outbound|9000||dual.ways.svc.cluster.local", vip6)


@dual_stack
def test_ipv6_that_arrives_is_captured(mesh: LocalMesh) -> None:
    address = ips(mesh, "dual")[1]
    for port, cluster in (
        (PORT, "inbound|8080||"),
        (TCP_PORT, "inbound|8082||"),
        (UNDECLARED_PORT, "InboundPassthroughCluster"),
    ):
        assert call(mesh, "bare", f"http://[{address}]:{port}/")["client"] == "::6"
        assert "[::6]:" in logged(mesh, "dual", cluster, f"[{address}]:{port}")


@dual_stack
def test_a_sidecar_that_was_not_told_of_ipv6_lets_none_past_it(mesh: LocalMesh) -> None:
    """nft's rules are those of both families, and nobody listens there for IPv6 without ISTIO_DUAL_STACK."""
    for caller, address in (("bare", ips(mesh, "echo")[1]), ("echo", ips(mesh, "bare")[1])):
        got = mesh.inside(caller, PORT, "/call", NAMESPACE, url=f"http://[{address}]:{PORT}/")
        assert "refused" in got["error"].lower(), got


@dual_stack
def test_tproxy_shows_ipv6_addresses_of_clients(mesh: LocalMesh) -> None:
    address, own = ips(mesh, "both-transparent")[1], ips(mesh, "bare")[1]
    for port in (PORT, TCP_PORT, UNDECLARED_PORT):
        assert call(mesh, "bare", f"http://[{address}]:{port}/")["client"] == own
    assert call(mesh, "both-transparent", f"http://[{address}]:{PORT}/")["client"] == address
    _, vip6 = vips(mesh, "both-transparent")
    assert passed_its_sidecar(call(mesh, "both-transparent", f"http://[{vip6}]/", host="both-transparent"))


@dual_stack
def test_a_service_without_ipv4_is_called_by_everyone(mesh: LocalMesh) -> None:
    (vip6,) = vips(mesh, "six")
    assert call(mesh, "bare", f"http://[{vip6}]/from-bare")["client"] == "::6"
    assert call(mesh, "bare", "http://six/by-name")["client"] == "::6"
    assert "/from-bare" in logged(mesh, "dual", "/from-bare", "inbound|8080||")
    seen = call(mesh, "dual", "http://six/own")
    assert passed_its_sidecar(seen)
    assert seen["client"] == "::6"


@dual_stack
def test_clients_of_one_family_see_one_address_of_an_endpoint(mesh: LocalMesh) -> None:
    def endpoints(pod: str) -> list[Json]:
        hosts = mesh.envoy(pod, "/clusters?format=json", NAMESPACE)["cluster_statuses"]
        (found,) = [each for each in hosts if each["name"] == "outbound|80||dual.ways.svc.cluster.local"]
        return [each["address"]["socket_address"]["address"] for each in found["host_statuses"]]

    assert endpoints("echo") == [ips(mesh, "dual")[0]]
    assert endpoints("dual") == [ips(mesh, "dual")[0]]
    assert passed_its_sidecar(call(mesh, "echo", "http://dual/four"))


@dual_stack
def test_an_unknown_ipv6_address_of_a_service_is_refused_at_once(mesh: LocalMesh) -> None:
    got = mesh.inside("bare", PORT, "/call", NAMESPACE, url=f"http://[{PREFIX}c613:fffe]/")
    assert "refused" in got["error"].lower()
