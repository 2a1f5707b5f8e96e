"""`lateen control-plane` as it is run: a proxy that asks, edits of its directory, signals, wrong flags."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import yaml
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from support.admission_reviews import admitted, review_of
from support.certificates import make_certificate
from support.worlds import service, virtual_service

from lateen.xds.grpc import reflection  # noqa: F401  its messages are looked up by name
from lateen.xds.grpc.health import Serving
from lateen.xds.grpc.schema import message_class
from lateen.xds.resource import CLUSTER
from lateen.xds.variant import ADS_SERVICE, DELTA

PATIENCE_S = 20.0
HealthRequest = message_class("grpc.health.v1.HealthCheckRequest")
HealthResponse = message_class("grpc.health.v1.HealthCheckResponse")


class Program:
    """The program under test, listening on unix sockets in a directory of its own."""

    def __init__(self, directory: Path, *flags: str, descriptors: tuple[int, ...] = ()) -> None:
        self.configuration = directory / "conf"
        self.configuration.mkdir(exist_ok=True)
        self.log = directory / "log"
        self.sockets = {name: directory / f"{name}.sock" for name in ("grpc", "http", "monitoring")}
        addresses = [f"--{name}Addr=unix://{path}" for name, path in self.sockets.items()]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lateen.cli", "control-plane", f"--configDir={self.configuration}"]
                + [address for address in addresses if not any(f.startswith(address.split("=")[0]) for f in flags)]
                + list(flags),
                stderr=log,
                pass_fds=descriptors,
            )

    def write(self, name: str, *objects: dict[str, Any]) -> None:
        text = yaml.safe_dump_all(objects)
        (self.configuration / name).write_text(text)

    def await_log(self, text: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while text not in (said := self.log.read_text()):
            assert time.monotonic() < end, said
            assert self.process.poll() is None or text in self.log.read_text(), said
            time.sleep(0.02)

    def port_of(self, told: str) -> int:
        """The port at which it says that it listens."""
        found = re.search(rf"127\.0\.0\.1:(\d+): {told}", said := self.log.read_text())
        assert found, said
        return int(found[1])

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"unix:{self.sockets['grpc']}")

    async def get(self, path: str, socket: str = "http") -> tuple[int, str]:
        connector = aiohttp.UnixConnector(path=str(self.sockets[socket]))
        async with aiohttp.ClientSession("http://mesh", connector=connector) as session, session.get(path) as answer:
            return answer.status, await answer.text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Program] = []

    def run(*flags: str, objects: tuple[dict[str, Any], ...] = (), **options: Any) -> Program:
        (tmp_path / "conf").mkdir(exist_ok=True)
        (tmp_path / "conf" / "first.yaml").write_text(yaml.safe_dump_all(objects))
        started.append(Program(tmp_path, *flags, **options))
        started[-1].await_log("listening for metrics")
        return started[-1]

    yield run
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


async def health(channel: grpc.aio.Channel, name: str) -> int:
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthRequest.SerializeToString,
        response_deserializer=HealthResponse.FromString,
    )
    return int((await call(HealthRequest(service=name), timeout=PATIENCE_S)).status)


class Proxy:
    """A sidecar that asks for clusters and accepts what it gets."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stream = channel.stream_stream(
            DELTA.path,
            request_serializer=DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=DeltaDiscoveryResponse.FromString,
        )()

    async def ask(self) -> DeltaDiscoveryResponse:
        request = DeltaDiscoveryRequest(type_url=CLUSTER)
        request.node.id = "sidecar~198.18.0.9~caller-1.default~default.svc.cluster.local"
        await self._stream.write(request)
        return await self.read()

    async def read(self, refuse: str = "") -> DeltaDiscoveryResponse:
        async with asyncio.timeout(PATIENCE_S):
            response = await self._stream.read()
            assert isinstance(response, DeltaDiscoveryResponse), await self._stream.details()
            answer = DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce=response.nonce)
            if refuse:
                answer.error_detail.message = refuse
            await self._stream.write(answer)
        return response

    async def end(self) -> tuple[grpc.StatusCode, str]:
        async with asyncio.timeout(PATIENCE_S):
            return await self._stream.code(), await self._stream.details()


def names(response: DeltaDiscoveryResponse) -> set[str]:
    return {resource.name for resource in response.resources}


def cluster_of(name: str) -> str:
    return f"outbound|9080||{name}.default.svc.cluster.local"


async def test_a_proxy_gets_what_the_directory_says_and_what_is_edited(start: Start) -> None:
    program = start(objects=(service("reviews"),))
    async with program.channel() as channel:
        assert await health(channel, "") == Serving.SERVING
        assert await health(channel, ADS_SERVICE) == Serving.SERVING
        proxy = Proxy(channel)
        assert cluster_of("reviews") in names(await proxy.ask())
        program.write("second.yaml", service("ratings"))
        assert cluster_of("ratings") in names(await proxy.read())
        (program.configuration / "first.yaml").unlink()
        assert cluster_of("reviews") in (await proxy.read()).removed_resources


async def test_an_edit_that_is_wrong_is_told_with_its_place_and_changes_nothing(start: Start) -> None:
    program = start(objects=(service("reviews"),))
    async with program.channel() as channel:
        proxy = Proxy(channel)
        await proxy.ask()
        program.write("first.yaml", {**service("reviews"), "spec": {"ports": [{"name": "http", "port": "many"}]}})
        program.await_log(f"{program.configuration}/first.yaml:")
        assert "spec.ports[0].port" in program.log.read_text()
        program.write("second.yaml", service("ratings"))
        response = await proxy.read()
    assert cluster_of("ratings") in names(response)
    assert not response.removed_resources


async def test_what_is_wrong_in_force_and_what_a_proxy_refuses_is_told_with_its_place(start: Start) -> None:
    lost = virtual_service("reviews", [{"route": [{"destination": {"host": "nobody"}}]}])
    program = start(objects=(service("reviews"), lost))
    place = f"{program.configuration}/first.yaml"
    async with program.channel() as channel:
        proxy = Proxy(channel)
        await proxy.ask()
        await asyncio.to_thread(program.await_log, f"{place}:14: VirtualService default/reviews: spec.http[0].route[0]")
        program.write("second.yaml", service("ratings"))
        await proxy.read(refuse=f"Error adding/updating cluster(s) {cluster_of('ratings')}: no such thing")
        told = f"{program.configuration}/second.yaml:1: Service default/ratings: 1 proxy refuses what this means (CDS)"
        await asyncio.to_thread(program.await_log, told)
    assert program.log.read_text().count("there is no service nobody") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_streams_in_order(start: Start, number: int) -> None:
    program = start()
    async with program.channel() as channel:
        proxy = Proxy(channel)
        await proxy.ask()
        program.process.send_signal(number)
        assert await proxy.end() == (grpc.StatusCode.UNAVAILABLE, "the control plane is shutting down")
    assert await asyncio.to_thread(program.process.wait, PATIENCE_S) == 0
    assert [path for path in program.sockets.values() if path.exists()] == []


async def test_over_http_it_tells_that_it_is_ready_and_what_it_knows(start: Start) -> None:
    program = start(objects=(service("reviews"),))
    async with program.channel() as channel:
        await Proxy(channel).ask()
        assert await program.get("/ready") == (200, "ready\n")
        assert (await program.get("/version"))[1].startswith("lateen ")
        _, metrics = await program.get("/metrics", socket="monitoring")
        assert "\npilot_services 1\n" in metrics
        assert '\npilot_xds_pushes{type="cds"} 1\n' in metrics
        _, proxies = await program.get("/debug/syncz")
        assert [each["proxy"] for each in json.loads(proxies)] == ["caller-1.default"]
        assert (await program.get("/debug/config_dump?proxyID=nobody.default"))[0] == 404
        assert "/debug/configz" in (await program.get("/debug"))[1]


async def test_what_is_wrong_in_the_directory_is_counted(start: Start) -> None:
    program = start()
    program.write("first.yaml", {"kind": "Service"})
    program.await_log("ERROR")
    assert "\npilot_total_rejected_configs 1\n" in (await program.get("/metrics"))[1]


async def test_reflection_lists_what_is_served(start: Start) -> None:
    program = start()
    async with program.channel() as channel:
        call = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class("grpc.reflection.v1.ServerReflectionResponse").FromString,
        )()
        await call.write(message_class("grpc.reflection.v1.ServerReflectionRequest")(list_services=""))
        listed = {each.name for each in (await call.read()).list_services_response.service}
        await call.done_writing()
    assert {ADS_SERVICE, "grpc.health.v1.Health"} <= listed


async def test_it_serves_a_socket_that_the_parent_left_open(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as parents:
        descriptor = parents.fileno()
        start(f"--grpcAddr=fd://{descriptor}", objects=(service("reviews"),), descriptors=(descriptor,))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{parents.getsockname()[1]}") as channel:
            assert cluster_of("reviews") in names(await Proxy(channel).ask())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of localhost, signed by itself, with its key beside it."""
    return make_certificate(tmp_path)[0]


async def test_it_serves_tls_with_the_certificate_that_it_is_given(start: Start, certificate: Path) -> None:
    flags = (*tls_flags(certificate), f"--caCertFile={certificate}", "--httpsAddr=")
    program = start("--secureGRPCAddr=127.0.0.1:0", *flags, objects=(service("reviews"),))
    port = program.port_of("listening for proxies, over TLS")
    credentials = grpc.ssl_channel_credentials(await asyncio.to_thread(certificate.read_bytes))
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        assert cluster_of("reviews") in names(await Proxy(channel).ask())


def tls_flags(certificate: Path) -> tuple[str, ...]:
    return (f"--tlsCertFile={certificate}", f"--tlsKeyFile={certificate.with_suffix('.key')}")


async def proxy_image(port: int, authority: bytes) -> str:
    """The image that the webhook gives a pod's proxy, over TLS that is verified."""
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app"}]}}
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=authority.decode()))
    async with (
        aiohttp.ClientSession(f"https://localhost:{port}", connector=trust) as session,
        session.post("/inject", json=review_of(pod)) as answer,
    ):
        injected = admitted(pod, await answer.read())
    (image,) = (each["image"] for each in injected["spec"]["containers"] if each["name"] == "istio-proxy")
    return str(image)


async def eventually(found: Callable[[], Awaitable[Any]], wanted: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await found() != wanted:  # noqa: ASYNC110  another process, which cannot set an event
            await asyncio.sleep(0.05)


async def test_the_webhook_follows_its_config_map_and_is_counted(start: Start, certificate: Path) -> None:
    flags = (*tls_flags(certificate), "--httpsAddr=127.0.0.1:0", "--secureGRPCAddr=")
    program = start(*flags)
    port = program.port_of("listening for the injection webhook")
    authority = await asyncio.to_thread(certificate.read_bytes)
    assert await proxy_image(port, authority) == "registry.istio.io/testing/proxyv2:latest"
    program.write("injector.yaml", injector_config_map(values='{"global": {"hub": "example.org", "tag": "1"}}'))
    await eventually(lambda: proxy_image(port, authority), "example.org/proxyv2:1")
    program.write("injector.yaml", injector_config_map(values="{"))
    told = "ConfigMap istio-system/istio-sidecar-injector: values: line 2"
    await asyncio.to_thread(program.await_log, told)
    assert await proxy_image(port, authority) == "example.org/proxyv2:1"
    _, metrics = await program.get("/metrics")
    assert re.search(r"^sidecar_injection_success_total [3-9]", metrics, re.MULTILINE)
    assert "sidecar_injection_failure_total 0\n" in metrics


def injector_config_map(**data: str) -> dict[str, Any]:
    metadata = {"name": "istio-sidecar-injector", "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_a_renewed_certificate_is_shown_without_a_restart(
    start: Start, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = start(*tls_flags(certificate), "--httpsAddr=127.0.0.1:0", "--secureGRPCAddr=")
    port = program.port_of("listening for the injection webhook")
    renewed, key = await asyncio.to_thread(make_certificate, tmp_path_factory.mktemp("renewed"))
    authority = await asyncio.to_thread(renewed.read_bytes)
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await proxy_image(port, authority)
    key.replace(certificate.with_suffix(".key"))  # without its certificate it is of no use, and changes nothing
    await asyncio.to_thread(program.await_log, "the certificate in use stays")
    renewed.replace(certificate)
    await asyncio.to_thread(program.await_log, "the new certificate is in use")
    assert await proxy_image(port, authority)


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("--grpcAddr=15010",), 64, "Error: --grpcAddr: '15010' is not an address"),
        (
            ("--tlsCertFile=/no/such", "--tlsKeyFile=/no/such"),
            1,
            "Error: --tlsCertFile /no/such: there is no such file",
        ),
        (("--configDir=/no/such",), 1, "Error: --configDir /no/such: there is no such directory"),
        ((f"--configDir={__file__}",), 1, "test_control_plane.py: is a file; name the directory it is in"),
        (("--grpcAddr=fd://77",), 1, "Error: --grpcAddr: cannot listen at fd://77: Bad file descriptor"),
        (("--http2Engine=nghttp3",), 64, "'nghttp3' is not one of 'ngh2', 'h2'"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, flags: tuple[str, ...], code: int, told: str) -> None:
    program = Program(tmp_path, *flags)
    assert program.process.wait(PATIENCE_S) == code
    said = program.log.read_text()
    assert told in said
    assert "Traceback" not in said


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        program = Program(tmp_path, f"--grpcAddr={address}")
        assert program.process.wait(PATIENCE_S) == 1
    told = f"Error: --grpcAddr: cannot listen at {address}: Address already in use by "
    assert told in (said := program.log.read_text())
    assert f"(pid {os.getpid()})\n" in said
