"""What connected proxies are offered, and when: the publisher between a mesh and streams that only remember."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import cast

import pytest
from envoy.config.core.v3.base_pb2 import Node
from support.worlds import endpoint_slice, service, typed

from lateen.config.store import ConfigStore
from lateen.control_plane.publisher import Publisher
from lateen.model.mesh import Mesh
from lateen.xds.ads import AdsConnection
from lateen.xds.resource import CLUSTER, EMPTY_OFFER, ENDPOINT, LISTENER, SECRET, Offer

PATIENCE_S = 5.0


class RememberingConnection:
    """A stream of a sidecar that keeps the names of the clusters that it was offered last."""

    def __init__(self, address: str = "198.18.0.2", name: str = "caller") -> None:
        self.node = Node(id=f"sidecar~{address}~{name}.default~default.svc.cluster.local", cluster="caller.default")
        self.clusters: set[str] = set()
        self.offers: list[Mapping[str, Offer]] = []
        self.types: frozenset[str] = frozenset()
        self._offered = asyncio.Event()

    def status(self) -> Mapping[str, object]:
        return {}

    def offer(self, offers: Mapping[str, Offer]) -> None:
        self.offers.append(offers)
        self.clusters = {resource.name for resource in offers.get(CLUSTER, ())} or self.clusters
        self._offered.set()

    async def offered(self) -> set[str]:
        async with asyncio.timeout(PATIENCE_S):
            await self._offered.wait()
        self._offered.clear()
        return self.clusters


def as_stream(connection: RememberingConnection) -> AdsConnection:
    return cast(AdsConnection, connection)


REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    made = Publisher(Mesh())
    made.ready = True
    made.apply(ConfigStore().apply([typed(service("reviews"))]))
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_proxy_is_offered_what_the_mesh_means_for_it(publisher: Publisher) -> None:
    connection = RememberingConnection()
    publisher.opened(as_stream(connection))
    assert REVIEWS in await connection.offered()


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_proxy_that_comes_back_is_served_again(publisher: Publisher, forgotten: bool) -> None:
    first = RememberingConnection()
    publisher.opened(as_stream(first))
    offered = await first.offered()
    publisher.closed(as_stream(first))
    if forgotten:
        await asyncio.sleep(0)
        publisher.mesh.sweep()
    second = RememberingConnection()
    publisher.opened(as_stream(second))
    assert await second.offered() == offered


async def test_a_second_stream_of_a_proxy_is_served_beside_the_first(publisher: Publisher) -> None:
    first, second = RememberingConnection(), RememberingConnection()
    publisher.opened(as_stream(first))
    offered = await first.offered()
    publisher.opened(as_stream(second))
    assert await second.offered() == offered
    publisher.closed(as_stream(first))
    assert [subscriber.connection for subscriber in publisher.subscribers()] == [second]


async def test_a_proxy_that_comes_back_changed_is_offered_what_holds_now(publisher: Publisher) -> None:
    first = RememberingConnection()
    publisher.opened(as_stream(first))
    await first.offered()
    publisher.closed(as_stream(first))
    publisher.apply(ConfigStore().apply([typed(service("ratings"))]))
    second = RememberingConnection("198.18.0.9")
    publisher.opened(as_stream(second))
    assert "outbound|9080||ratings.default.svc.cluster.local" in await second.offered()


async def test_a_stream_is_offered_only_types_that_changed_and_equal_proxies_the_same_offer(
    publisher: Publisher,
) -> None:
    first, second = RememberingConnection(), RememberingConnection("198.18.0.3", "other")
    for connection in (first, second):
        publisher.opened(as_stream(connection))
        await connection.offered()
    publisher.apply(ConfigStore().apply([typed(endpoint_slice("reviews", pods=[("reviews-1", "10.0.0.9")]))]))
    await publisher.settled()
    assert first.offers[-1].keys() == second.offers[-1].keys() == {ENDPOINT}
    assert first.offers[-1] is second.offers[-1]


async def test_what_is_known_is_offered_while_the_stream_opens(publisher: Publisher) -> None:
    first, second = RememberingConnection(), RememberingConnection("198.18.0.3", "other")
    publisher.opened(as_stream(first))
    await publisher.settled()
    publisher.opened(as_stream(second))
    assert second.clusters == first.clusters


async def test_a_type_that_is_not_served_is_offered_as_empty(publisher: Publisher) -> None:
    connection = RememberingConnection()
    publisher.opened(as_stream(connection))
    await connection.offered()
    publisher.subscribed(as_stream(connection), SECRET)
    await publisher.settled()
    assert connection.offers[-1] == {SECRET: EMPTY_OFFER}


async def test_the_first_build_is_done_once_a_proxy_has_asked_for_it(publisher: Publisher) -> None:
    await publisher.settled()
    assert not publisher.built.is_set()
    publisher.opened(as_stream(RememberingConnection()))
    await publisher.settled()
    assert publisher.built.is_set()


async def test_a_type_that_cannot_be_built_is_not_offered_in_part(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("lateen.translate.listeners.outbound.catch_all_cluster", broken)
    connection = RememberingConnection()
    publisher.opened(as_stream(connection))
    assert REVIEWS in await connection.offered()
    assert not any(LISTENER in offers for offers in connection.offers)
    assert "cannot build virtual_outbound(" in caplog.text
    assert "_public_listeners" not in {
        record.args[0].query.__name__ for record in caplog.records
    }  # told once, at its root


async def test_a_resource_that_cannot_be_built_costs_no_other(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lateen.translate.clusters.outbound._metadata", lambda *_: 1 / 0)
    connection = RememberingConnection()
    publisher.opened(as_stream(connection))
    assert await connection.offered() >= {"BlackHoleCluster", "PassthroughCluster"}
    assert REVIEWS not in connection.clusters


class BrokenConnection(RememberingConnection):
    """A stream with a bug."""

    ended = False

    def offer(self, offers: Mapping[str, Offer]) -> None:
        if not self.offers:
            return super().offer(offers)
        raise RuntimeError("a bug")

    def close(self, *_: object) -> None:
        self.ended = True


async def test_a_stream_that_cannot_be_offered_anything_is_ended_and_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, made = ConfigStore(), Publisher(Mesh())
    made.ready = True
    made.apply(store.apply([typed(service("reviews"))]))
    running = asyncio.create_task(made.run())
    broken, other = BrokenConnection(name="broken"), RememberingConnection(name="other")
    for connection in (broken, other):
        made.opened(as_stream(connection))
        await connection.offered()
    for name in ("added", "added-later"):
        made.apply(store.apply([typed(service(name))]))
        assert f"outbound|9080||{name}.default.svc.cluster.local" in await other.offered()
    assert broken.ended
    assert "broken.default" in caplog.text
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
