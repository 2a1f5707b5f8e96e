"""gRPC's own xDS client against the control plane, on loopback: it calls services with nothing between."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from support import grpc_echo
from support.local_mesh import eventually, free_port
from support.worlds import destination_rule, endpoint_slice, pod, service, typed, virtual_service

from lateen.control_plane.app import ControlPlane
from lateen.xds.listening import TcpAddress

Json = dict[str, Any]

FULL_NAME = "echo.default.svc.cluster.local"
ECHO = f"xds:///{FULL_NAME}:7070"
VERSIONS = {"v1": "127.0.0.2", "v2": "127.0.0.3"}
PODS = [(f"echo-{version}", address) for version, address in VERSIONS.items()]
SUBSETS = destination_rule("echo", subsets=VERSIONS, trafficPolicy={"loadBalancer": {"simple": "ROUND_ROBIN"}})
SERVICE = service("echo", ports=[{"name": "http", "port": 7070}])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where both versions of the echo service listen, each at its address."""
    number = free_port()
    with program("serve", *(f"{version}={address}:{number}" for version, address in VERSIONS.items())) as servers:
        assert servers.stdout is not None
        servers.stdout.readline()
        yield number
        servers.terminate()


def program(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The echo program in a process of its own: gRPC reads its bootstrap file once in a process."""
    return subprocess.Popen(
        (sys.executable, grpc_echo.__file__, *arguments),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def to(*weights: tuple[str, int], **rule: Any) -> Json:
    """A rule that sends calls to versions of the echo service."""
    route = [{"destination": {"host": "echo", "subset": v}, **({"weight": w} if w else {})} for v, w in weights]
    return {"route": route, **rule}


class Mesh:
    """A control plane with the echo service, and a client of it."""

    def __init__(self, port: int, http: int) -> None:
        self.plane = ControlPlane()
        self._port = port
        self._http = http
        self.apply(
            SERVICE,
            *(pod(f"echo-{version}", address, app="echo", version=version) for version, address in VERSIONS.items()),
            self.endpoints(*PODS),
            SUBSETS,
        )

    def endpoints(self, *pods: tuple[str, str]) -> Json:
        return endpoint_slice("echo", pods=pods, port=self._port)

    def apply(self, *objects: Json) -> None:
        self.plane.apply([typed(raw) for raw in objects], [])

    def delete(self, *objects: Json) -> None:
        self.plane.apply([], [typed(raw).ref for raw in objects])

    async def call(self, target: str = ECHO, **query: str | int | float) -> Json:
        def ask() -> Json:
            url = f"http://127.0.0.1:{self._http}/call?" + urlencode({"target": target, **query})
            with urlopen(url, timeout=60) as answer:
                found: Json = json.load(answer)
                return found

        return await asyncio.to_thread(eventually, ask)

    async def until(self, holds: Callable[[dict[str, int]], bool], **query: Any) -> dict[str, int]:
        """Call again and again until the answers are as wanted."""
        async with asyncio.timeout(20):
            while not holds(answers := (await self.call(**query))["answers"]):
                pass
        return answers


@pytest.fixture
async def mesh(port: int, tmp_path: Path) -> AsyncIterator[Mesh]:
    http = free_port()
    found = Mesh(port, http)
    found.plane.start()
    xds = (await found.plane.listen(TcpAddress("127.0.0.1", 0))).port
    bootstrap = tmp_path / "bootstrap.json"
    server = {"server_uri": f"127.0.0.1:{xds}", "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    node = {"id": "sidecar~127.0.0.1~client.default~default.svc.cluster.local", "metadata": {"GENERATOR": "grpc"}}
    bootstrap.write_text(json.dumps({"xds_servers": [server], "node": node}))
    with program("client", f"127.0.0.1:{http}", GRPC_XDS_BOOTSTRAP=str(bootstrap)) as client:
        yield found
        assert not found.plane.refused()
        client.terminate()
    await found.plane.close()


@pytest.mark.parametrize("name", ["echo", "echo.default", "echo.default.svc", FULL_NAME, SERVICE["spec"]["clusterIP"]])
async def test_a_service_is_called_by_each_of_its_names(mesh: Mesh, name: str) -> None:
    await mesh.until(lambda seen: seen == {"v1": 10, "v2": 10}, target=f"xds:///{name}:7070", count=20)


async def test_calls_follow_weights_and_their_change(mesh: Mesh) -> None:
    mesh.apply(virtual_service("echo", [to(("v1", 0))]))
    assert (await mesh.call(count=20))["answers"] == {"v1": 20}
    mesh.apply(virtual_service("echo", [to(("v1", 25), ("v2", 75))]))
    seen = await mesh.until(lambda seen: "v2" in seen, count=200)
    assert 20 < seen["v1"] < 90
    mesh.apply(virtual_service("echo", [to(("v2", 0))]))
    assert await mesh.until(lambda seen: "v1" not in seen, count=20) == {"v2": 20}


async def test_rules_are_chosen_by_header_and_method(mesh: Mesh) -> None:
    rules = [
        to(("v2", 0), match=[{"headers": {"user": {"exact": "jason"}}}, {"uri": {"exact": "/test.Echo/Other"}}]),
        to(("v2", 0), match=[{"headers": {"user": {"regex": "a.*z"}}}]),
        to(("v2", 0), match=[{"queryParams": {"v": {"exact": "2"}}}]),
        to(("v1", 0)),
    ]
    mesh.apply(virtual_service("echo", rules))
    assert (await mesh.call())["answers"] == {"v1": 1}
    assert (await mesh.call(header="user:jason"))["answers"] == {"v2": 1}
    assert (await mesh.call(header="user:abcz"))["answers"] == {"v2": 1}
    assert (await mesh.call(header="user:jasonx"))["answers"] == {"v1": 1}


async def test_a_header_that_is_not_there_has_no_unwanted_value(mesh: Mesh) -> None:
    rules = [to(("v2", 0), match=[{"withoutHeaders": {"user": {"exact": "jason"}}}]), to(("v1", 0))]
    mesh.apply(virtual_service("echo", rules))
    assert (await mesh.call())["answers"] == {"v2": 1}
    assert (await mesh.call(header="user:other"))["answers"] == {"v2": 1}
    assert (await mesh.call(header="user:jason"))["answers"] == {"v1": 1}


async def test_a_rule_limits_the_time_of_calls_that_would_wait_longer(mesh: Mesh) -> None:
    mesh.apply(virtual_service("echo", [to(("v1", 0), timeout="0.2s")]))
    assert (await mesh.call(method="Slow", timeout=600))["answers"] == {"DEADLINE_EXCEEDED": 1}


async def test_calls_are_tried_again_unless_the_rule_says_otherwise(mesh: Mesh) -> None:
    assert set((await mesh.call(method="Flaky", count=4))["answers"]) <= {"v1", "v2"}
    mesh.apply(virtual_service("echo", [to(("v1", 0), retries={"attempts": 0})]))
    assert await mesh.until(lambda seen: "v2" not in seen and "v1" not in seen, method="Flaky") == {"UNAVAILABLE": 1}


@pytest.mark.parametrize(
    "balancer",
    [
        {"simple": "LEAST_REQUEST"},
        {"simple": "RANDOM"},
        {"simple": "PASSTHROUGH"},
        {"consistentHash": {"httpHeaderName": "user"}},
        {"consistentHash": {"httpHeaderName": "user", "maglev": {"tableSize": 101}}},
    ],
    ids=str,
)
async def test_every_way_to_balance_is_accepted(mesh: Mesh, balancer: Json) -> None:
    mesh.apply(destination_rule("echo", subsets=VERSIONS, trafficPolicy={"loadBalancer": balancer}))
    seen = (await mesh.call(count=40, header="user:jason"))["answers"]
    assert set(seen) <= VERSIONS.keys()
    assert len(seen) == (1 if "consistentHash" in balancer else 2)


async def test_endpoints_come_and_go(mesh: Mesh) -> None:
    mesh.apply(mesh.endpoints(PODS[0]))
    assert (await mesh.call(count=10))["answers"] == {"v1": 10}
    mesh.apply(mesh.endpoints(*PODS))
    await mesh.until(lambda seen: seen.get("v2", 0) == 5, count=10)
    mesh.apply(mesh.endpoints(PODS[1]))
    await mesh.until(lambda seen: seen.get("v2", 0) == 10, count=10)
    mesh.apply(mesh.endpoints())
    await mesh.until(lambda seen: seen == {"UNAVAILABLE": 1})


async def test_a_service_may_leave_and_come_back(mesh: Mesh) -> None:
    assert (await mesh.call())["answers"].keys() <= VERSIONS.keys()
    mesh.delete(SERVICE)
    await mesh.until(lambda seen: seen == {"UNAVAILABLE": 1})
    mesh.apply(SERVICE)
    await mesh.until(lambda seen: seen.keys() <= VERSIONS.keys())


async def test_a_name_that_no_service_has_is_known_to_be_unknown(mesh: Mesh) -> None:
    """gRPC would wait 15 s for an answer, which is longer than the call may take."""
    late = "xds:///late.default:7070"
    unknown = await mesh.call(late, timeout=10)
    assert unknown["answers"] == {"UNAVAILABLE": 1}
    assert "late.default:7070" in unknown["details"]
    endpoints = mesh.endpoints(*PODS)
    endpoints["metadata"] = {**endpoints["metadata"], "name": "late", "labels": {"kubernetes.io/service-name": "late"}}
    mesh.apply(service("late", ports=[{"name": "http", "port": 7070}]), endpoints)
    await mesh.until(lambda seen: seen.keys() <= VERSIONS.keys(), target=late)


async def test_a_redirect_fails_the_calls_that_match_it_and_no_others(mesh: Mesh) -> None:
    redirect = {"match": [{"headers": {"user": {"exact": "jason"}}}], "redirect": {"uri": "/elsewhere"}}
    mesh.apply(virtual_service("echo", [redirect, to(("v1", 0))]))
    assert (await mesh.call())["answers"] == {"v1": 1}
    assert (await mesh.call(header="user:jason"))["answers"] == {"UNAVAILABLE": 1}
