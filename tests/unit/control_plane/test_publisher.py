"""What connected proxies are offered, and when: the publisher between a mesh and streams that only remember."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import cast

import pytest
from envoy.config.core.v3.base_pb2 import Node
from support.worlds import service, typed

from lateen.config.store import ConfigStore
from lateen.control_plane.publisher import Publisher
from lateen.model.mesh import Mesh
from lateen.xds.ads import AdsConnection
from lateen.xds.resource import CLUSTER, Offer

PATIENCE_S = 5.0


class RememberingConnection:
    """A stream of a sidecar that keeps the names of the clusters that it was offered last."""

    def __init__(self, address: str = "198.18.0.2") -> None:
        self.node = Node(id=f"sidecar~{address}~caller.default~default.svc.cluster.local", cluster="caller.default")
        self.clusters: set[str] = set()
        self._offered = asyncio.Event()

    def status(self) -> Mapping[str, object]:
        return {}

    def offer(self, offers: Mapping[str, Offer]) -> None:
        self.clusters = {resource.name for resource in offers[CLUSTER]}
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
