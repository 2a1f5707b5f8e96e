"""Every Envoy release that we support, live: bookinfo's gateway and a sidecar over ADS, in both variants.

One network namespace has them all, with every pod's address its own; one small server answers for all applications.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support import envoys
from support.worlds import typed, virtual_service

from lateen.control_plane.app import ControlPlane
from lateen.envoy.admin import parse_stats
from lateen.envoy.bootstrap import BootstrapSettings, Node, UnixSocket, bootstrap
from lateen.envoy.http1 import Target, fetch
from lateen.local_runtime.network.netlink import Netlink
from lateen.local_runtime.plan.planned import planned
from lateen.local_runtime.sandbox import syscalls
from lateen.sources.files import load
from lateen.xds.listening import UnixAddress

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

Json = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "examples" / "bookinfo" / "manifests"
GATEWAY_PORT = 8080
GATEWAY_PODS, SIDECAR_PODS = "istio-ingressgateway-", "productpage-"
EVERY_REJECTION = re.compile(r"update_rejected$")


@pytest.fixture
def network(version: str) -> Iterator[None]:
    """A network namespace for this thread in which every pod's address is local."""
    envoys.binary(version)  # which pip may have to fetch, and cannot from within
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    syscalls.unshare(syscalls.CLONE_NEWNET)
    try:
        netlink = Netlink()
        netlink.set_up("lo")
        netlink.add_local_network("198.18.0.0", 15)
        netlink.close()
        yield
    finally:
        syscalls.setns(own, syscalls.CLONE_NEWNET)
        os.close(own)


class Mesh:
    """Bookinfo, its pods where `planned` puts them; a control plane, and Envoys of one release."""

    def __init__(self, directory: Path, version: str, api_type: str) -> None:
        self.control_plane = ControlPlane()
        self.objects = planned([document.raw for document in load([MANIFESTS]).documents])
        self._directory = directory
        self._version = version
        self._api_type = api_type

    def pod(self, prefix: str) -> Json:
        (found,) = (
            each for each in self.objects if each["kind"] == "Pod" and each["metadata"]["name"].startswith(prefix)
        )
        return found

    @asynccontextmanager
    async def envoy(self, kind: str, prefix: str, ports: range) -> AsyncIterator["Envoy"]:
        """The Envoy of a pod, on ports of its own, once it has started its workers."""
        pod = self.pod(prefix)
        metadata, address = pod["metadata"], pod["status"]["podIP"]
        domain = f"{metadata['namespace']}.svc.cluster.local"
        node = Node(f"{kind}~{address}~{metadata['name']}.{metadata['namespace']}~{domain}", "bookinfo", {})
        admin, *others = ports
        settings = BootstrapSettings(UnixSocket(str(self._directory / "xds.sock")), admin_port=admin)
        settings = settings._replace(readiness_port=others[0], prometheus_port=others[1])
        config = bootstrap(node, settings)
        config["dynamic_resources"]["ads_config"]["api_type"] = self._api_type
        del config["stats_config"]  # which leaves most statistics out
        options = ("--disable-hot-restart", "--concurrency", "1", "-l", "error")
        command = (envoys.binary(self._version), "--config-yaml", json.dumps(config), *options)
        process = await asyncio.create_subprocess_exec(*command)
        try:
            found = Envoy(admin)
            await eventually(found.has_started)
            yield found
        finally:
            process.terminate()
            await process.wait()


class Envoy:
    """A running Envoy's answers on its admin port."""

    def __init__(self, admin: int) -> None:
        self._admin = Target("127.0.0.1", admin)

    async def ask(self, path: str) -> str:
        return (await fetch(self._admin, path)).text

    async def stats(self) -> dict[str, int]:
        return parse_stats(await self.ask("/stats"))

    async def has_started(self) -> bool:
        return (await self.stats()).get("listener_manager.workers_started") == 1

    async def check(self, clusters: set[str]) -> None:
        """It has these clusters among others, all of them and all listeners are in use, and it has refused nothing."""
        stats = await self.stats()
        rejections = {name: count for name, count in stats.items() if EVERY_REJECTION.search(name)}
        # One for each cluster's endpoints and each route configuration, besides clusters and listeners.
        assert len(rejections) >= 2 + len(clusters)
        assert not any(rejections.values()), rejections
        assert stats["cluster_manager.warming_clusters"] == stats["listener_manager.total_listeners_warming"] == 0
        dump = json.loads(await self.ask("/config_dump?resource=dynamic_active_clusters"))
        assert clusters <= {each["cluster"]["name"] for each in dump["configs"]}


@pytest.fixture(params=envoys.VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["DELTA_GRPC", "GRPC"])
async def mesh(request: pytest.FixtureRequest, version: str, tmp_path: Path) -> AsyncIterator[Mesh]:
    found = Mesh(tmp_path, version, request.param)
    applications = await asyncio.start_server(_answer, "0.0.0.0", 9080)
    found.control_plane.apply([typed(raw) for raw in found.objects if raw["kind"] != "Deployment"], ())
    found.control_plane.start()
    await found.control_plane.listen(UnixAddress(tmp_path / "xds.sock"))
    yield found
    await found.control_plane.close()
    applications.close()
    await applications.wait_closed()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request with the address that it came to."""
    await reader.readuntil(b"\r\n\r\n")
    body = writer.get_extra_info("sockname")[0]
    writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """What cannot be asked yet does not hold yet."""
    trouble: Exception | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    if await holds():
                        return
                except Exception as error:
                    trouble = error
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it did not come about in {seconds:g} s; last: {trouble!r}") from None


async def reached(path: str = "/productpage") -> str:
    """The address of the pod that a request through the gateway came to."""
    answer = await fetch(Target("127.0.0.1", GATEWAY_PORT), path)
    assert answer.status == 200, answer
    return answer.text


@pytest.mark.usefixtures("network")
async def test_it_takes_all_of_bookinfo_follows_a_change_and_carries_traffic(mesh: Mesh, version: str) -> None:
    def cluster(service: str, subset: str = "") -> str:
        return f"outbound|9080|{subset}|{service}.default.svc.cluster.local"

    expected = {cluster(service) for service in ("productpage", "details", "reviews", "ratings")}
    expected |= {cluster("reviews", subset) for subset in ("v1", "v2", "v3")}
    gateway = mesh.envoy("router", GATEWAY_PODS, range(15100, 15103))
    sidecar = mesh.envoy("sidecar", SIDECAR_PODS, range(15200, 15203))
    async with gateway as router, sidecar as beside:
        for envoy in (router, beside):
            assert f"/{version}/" in json.loads(await envoy.ask("/server_info"))["version"]
        assert await reached() == mesh.pod("productpage-")["status"]["podIP"]

        to = {"destination": {"host": "reviews.default.svc.cluster.local", "subset": "v3"}}
        for name, more in (("bookinfo", {"hosts": ["*"], "gateways": ["bookinfo-gateway"]}), ("reviews", {})):
            mesh.control_plane.apply([typed(virtual_service(name, [{"route": [to]}], **more))], ())

        async def has_come() -> bool:
            routes = await beside.ask("/config_dump?resource=dynamic_route_configs")
            return await reached() == mesh.pod("reviews-v3-")["status"]["podIP"] and cluster("reviews", "v3") in routes

        await eventually(has_come)
        for envoy in (router, beside):
            await envoy.check(expected)
        await mesh.control_plane.acknowledged(10)
        statuses = json.loads((await mesh.control_plane.page("/debug/syncz")).text)
        assert len(statuses) == 2
        for report in (each for proxy in statuses for each in proxy["resources"].values()):
            assert report["synced"], report
            assert "lastError" not in report, report
