import json

import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.prometheus import merged

AGENT = {"prometheus.io/scrape": "true", "prometheus.io/port": "15020", "prometheus.io/path": "/stats/prometheus"}


def test_a_pod_that_says_nothing_is_scraped_at_the_agent() -> None:
    found = merged({"other": "kept"}, True, 15020)
    assert found is not None
    assert found.annotations == {"other": "kept", **AGENT}
    assert found.variable is None


@pytest.mark.parametrize("spelling", ["prometheus.io/{}", "prometheus_io_{}", "prometheus.io.{}"])
def test_any_spelling_counts_and_is_replaced(spelling: str) -> None:
    found = merged({spelling.format("port"): "9090", spelling.format("scrape"): "true"}, True, 15020)
    assert found is not None
    assert found.annotations == AGENT
    assert found.variable is not None
    assert json.loads(found.variable["value"]) == {"scrape": "true", "path": "", "port": "9090"}


def test_what_is_present_but_empty_tells_the_agent_nothing() -> None:
    found = merged({"prometheus.io/path": "", "prometheus.istio.io/scrape-targets": ":/no-port"}, True, 15020)
    assert found is not None
    assert (found.annotations, found.variable) == (AGENT, None)


def test_several_targets() -> None:
    found = merged({"prometheus.istio.io/scrape-targets": "8080:/m, 9100 ,"}, True, 15020)
    assert found is not None
    assert found.variable is not None
    assert json.loads(found.variable["value"])["targets"] == [
        {"port": "8080", "path": "/m"},
        {"port": "9100", "path": "/metrics"},
    ]


@pytest.mark.parametrize(
    ("annotations", "enabled"),
    [
        ({"prometheus.io/scrape": "false"}, True),
        ({"prometheus.io/scrape": "false", "prometheus_io_scrape": "true"}, True),
        ({"prometheus.io/port": "15020"}, True),
        ({"prometheus.istio.io/merge-metrics": "false"}, True),
        ({}, False),
    ],
)
def test_metrics_left_alone(annotations: dict[str, str], enabled: bool) -> None:
    assert merged(annotations, enabled, 15020) is None


def test_the_pod_can_ask_for_what_the_mesh_has_off() -> None:
    assert merged({"prometheus.istio.io/merge-metrics": "true"}, False, 15020) is not None


@pytest.mark.parametrize("port", ["0", "70000", "http", "15001"])
def test_a_port_that_cannot_be_scraped(port: str) -> None:
    with pytest.raises(InjectionError, match=port):
        merged({"prometheus.io/port": port}, True, 15020)
