"""Metrics of a small mesh: what is counted, and under which name."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.streams import Client
from support.worlds import endpoint_slice, pod, service, typed, virtual_service

import lateen
from lateen.config.store import ConfigStore
from lateen.control_plane.counts import InjectionCounts
from lateen.control_plane.exposition import exposed
from lateen.control_plane.metrics import metrics
from lateen.control_plane.publisher import Publisher
from lateen.inject.admission import Outcome
from lateen.model.mesh import Mesh
from lateen.xds.ads import Sent
from lateen.xds.resource import CLUSTER, ENDPOINT
from lateen.xds.server import GrpcServer

REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"


class Measured:
    """A publisher that runs, and what its metrics say."""

    def __init__(self) -> None:
        self.store = ConfigStore()
        self.publisher = Publisher(Mesh())
        self.publisher.ready = True
        self.sent = Sent()
        self.server = GrpcServer({})

    async def apply(self, *objects: dict[str, Any]) -> None:
        self.publisher.apply(self.store.apply([typed(raw) for raw in objects]))
        await self.publisher.settled()

    async def connect(self, name: str) -> Client:
        client = Client(self.publisher, name, sent=self.sent)
        client.ask(CLUSTER)
        client.ask(ENDPOINT, REVIEWS)
        await self.publisher.settled()
        return client

    def samples(self) -> dict[str, float]:
        """Name and labels to value."""
        text = exposed(metrics(self.publisher, self.server, self.sent.by_type()))
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


@pytest.fixture
async def mesh() -> AsyncIterator[Measured]:
    found = Measured()
    running = asyncio.create_task(found.publisher.run())
    await found.apply(service("reviews"), endpoint_slice("reviews", pods=[("r", "198.18.0.2")]))
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_in_force(mesh: Measured) -> None:
    await mesh.apply(
        service("ratings"), virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}]}])
    )
    found = mesh.samples()
    assert found[f'pilot_info{{version="{lateen.__version__}"}}'] == 1
    assert found["pilot_services"] == 2
    assert found["pilot_virt_services"] == 1
    assert found["pilot_eds_no_instances"] == 1
    assert found["process_resident_memory_bytes"] > 1e6
    assert 0 < found["process_start_time_seconds"] < 4e9


async def test_changes_are_counted_by_what_they_are_about(mesh: Measured) -> None:
    await mesh.apply(service("a"), service("b"))
    mesh.publisher.apply(mesh.store.apply([], [typed(service("a")).ref]))
    found = mesh.samples()
    assert found['pilot_inbound_updates{type="svc"}'] == 3
    assert found['pilot_inbound_updates{type="svcdelete"}'] == 1
    assert found['pilot_inbound_updates{type="eds"}'] == 1
    assert found['pilot_push_triggers{type="service"}'] == 3
    assert found['pilot_push_triggers{type="endpoint"}'] == 1
    assert 'pilot_push_triggers{type="config"}' not in found


async def test_pushes_are_counted_by_type_with_their_sizes(mesh: Measured) -> None:
    client = await mesh.connect("web-1")
    sizes = {each.type_url: each.ByteSize() for each in client.accept()}
    found = mesh.samples()
    assert found['pilot_xds{version="1.30.0"}'] == 1
    assert found['pilot_xds_pushes{type="cds"}'] == found['pilot_xds_pushes{type="eds"}'] == 1
    assert found[f'pilot_xds_config_size_bytes_sum{{type="{CLUSTER}"}}'] == sizes[CLUSTER]
    assert found[f'pilot_xds_config_size_bytes_count{{type="{ENDPOINT}"}}'] == 1
    client.leave()
    assert not [name for name in mesh.samples() if name.startswith("pilot_xds{")]


async def test_convergence_is_counted_once_for_each_proxy_that_a_change_concerns(mesh: Measured) -> None:
    clients = [await mesh.connect(f"web-{number}") for number in range(3)]
    for client in clients:
        client.accept()
    assert mesh.samples()["pilot_proxy_convergence_time_count"] == 0  # a proxy that comes has not waited for a change
    await mesh.apply(endpoint_slice("reviews", pods=[("r", "198.18.0.3")]))
    for client in clients[:2]:
        assert client.accept()
    assert mesh.samples()["pilot_proxy_convergence_time_count"] == 2
    await mesh.apply(pod("stranger", "198.18.9.9"))
    for client in clients[:2]:
        assert not client.accept()
    assert mesh.samples()["pilot_proxy_convergence_time_count"] == 2
    clients[2].accept()
    assert mesh.samples()["pilot_proxy_convergence_time_count"] == 3


async def test_refusals_have_a_series_each_but_only_so_many(mesh: Measured) -> None:
    clients = [await mesh.connect(f"web-{number}") for number in range(101)]
    for client in clients:
        client.accept(f"Error adding/updating cluster(s) {REVIEWS}: no\nsuch thing")
    found = mesh.samples()
    series = [name for name in found if name.startswith("pilot_xds_") and "_reject{" in name]
    assert len(series) == 100
    assert f'pilot_xds_cds_reject{{node="web-0.default",err="Error adding/updating cluster(s) {REVIEWS}: no"}}' in found
    assert found["pilot_total_xds_rejects"] > 100


async def test_no_family_is_there_twice_and_each_says_what_it_is(mesh: Measured) -> None:
    client = await mesh.connect("web-1")
    client.accept()
    lines = exposed(metrics(mesh.publisher, mesh.server, mesh.sent.by_type())).splitlines()
    told = [line.split()[2] for line in lines if line.startswith("# HELP")]
    typed_ = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert told == typed_
    assert len(told) == len(set(told))


def test_injection_is_counted_by_outcome_with_buckets_from_a_millisecond(mesh: Measured) -> None:
    counts = InjectionCounts()
    counts.answered(Outcome.INJECTED, 0.0009)
    counts.answered(Outcome.SKIPPED, 0.004)
    counts.answered(Outcome.FAILED)
    text = exposed(metrics(mesh.publisher, mesh.server, mesh.sent.by_type(), counts))
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if "injection" in line and not line.startswith("#"))
    by_outcome = [found[f"sidecar_injection_{name}_total"] for name in ("requests", "success", "failure", "skip")]
    assert by_outcome == ["3", "1", "1", "1"]
    buckets = [found[f'sidecar_injection_time_seconds_bucket{{le="{bound}"}}'] for bound in ("0.001", "0.002", "0.005")]
    assert buckets == ["1", "1", "2"]
    assert found["sidecar_injection_time_seconds_count"] == "2"
    assert "sidecar_injection" not in exposed(metrics(mesh.publisher, mesh.server, mesh.sent.by_type()))
