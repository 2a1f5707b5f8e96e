from collections.abc import AsyncIterator

import pytest

from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.metrics import Scrape, application_scrapes, without_prefix


@pytest.mark.parametrize(
    ("annotations", "scrapes"),
    [
        ("", ()),
        ('{"scrape":"false","port":"8080"}', ()),
        ('{"scrape":"true","path":"","port":""}', (Scrape(80, "/metrics"),)),
        ('{"scrape":"true","path":"m","port":"8080"}', (Scrape(8080, "/m"),)),
        (
            '{"scrape":"true","path":"/a","port":"1","targets":[{"port":"1","path":"/a"},{"port":"2","path":""}]}',
            (Scrape(1, "/a"), Scrape(2, "/metrics")),
        ),
    ],
)
def test_what_to_scrape(annotations: str, scrapes: tuple[Scrape, ...]) -> None:
    assert application_scrapes(annotations) == scrapes


@pytest.mark.parametrize("annotations", ["{", "[]", '{"scrape":"true","port":"http"}'])
def test_annotations_that_cannot_be_read(annotations: str) -> None:
    with pytest.raises(AgentError, match="ISTIO_PROMETHEUS_ANNOTATIONS"):
        application_scrapes(annotations)


async def test_metrics_of_the_mesh_lose_envoys_prefix_wherever_a_chunk_ends() -> None:
    text = b'# TYPE envoy_istio_requests_total counter\nenvoy_istio_requests_total{a="b"} 1\nenvoy_server_live 1'
    expected = b'# TYPE istio_requests_total counter\nistio_requests_total{a="b"} 1\nenvoy_server_live 1'

    async def chunks(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    for size in (1, 7, 40, 1000):
        assert b"".join([chunk async for chunk in without_prefix(chunks(size))]) == expected
