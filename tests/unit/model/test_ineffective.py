"""What users wrote that has no effect is said on its object, and no longer once it is mended."""

import pytest
from support.worlds import World, destination_rule, endpoint_slice, pod, proxy, service, virtual_service


@pytest.fixture
def world() -> World:
    found = World(
        service("reviews"),
        pod("r1", "198.18.0.5", app="reviews"),
        endpoint_slice("reviews", pods=[("r1", "198.18.0.5")]),
    )
    found.connect(proxy("client"))
    return found


def said(world: World) -> list[str]:
    world.settle()
    return [str(diagnostic) for diagnostic in world.mesh.diagnostics()]


def test_nothing_is_said_of_a_mesh_that_is_right(world: World) -> None:
    assert said(world) == []


def test_http_rules_on_a_tcp_port(world: World) -> None:
    world.apply(
        service("reviews", ports=[{"name": "db", "port": 9080}]),
        virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}]}]),
    )
    assert any(
        text.startswith(
            "VirtualService default/reviews: spec.http: has no effect on port 9080 of Service default/reviews"
        )
        for text in said(world)
    )


def test_http_rules_of_a_service_that_has_a_tcp_port_besides(world: World) -> None:
    world.apply(
        service("reviews", ports=[{"name": "http", "port": 9080}, {"name": "tcp-metrics", "port": 9090}]),
        virtual_service("reviews", [{"route": [{"destination": {"host": "reviews"}}]}]),
    )
    assert said(world) == []


def test_tls_of_a_destination_rule(world: World) -> None:
    world.apply(destination_rule("reviews", trafficPolicy={"tls": {"mode": "SIMPLE"}}))
    assert said(world) == [
        "DestinationRule default/reviews: spec.trafficPolicy.tls: has no effect yet: connections are not encrypted"
    ]


def test_a_rule_for_some_workloads_only(world: World) -> None:
    world.apply(destination_rule("reviews", subsets=["v1"], workloadSelector={"matchLabels": {"app": "client"}}))
    assert [text.split(": ")[1] for text in said(world)] == ["spec.workloadSelector"]


def test_a_missing_subset_and_a_missing_host(world: World) -> None:
    world.apply(
        virtual_service(
            "reviews",
            [
                {"match": [{"uri": {"exact": "/a"}}], "route": [{"destination": {"host": "reviews", "subset": "v9"}}]},
                {"route": [{"destination": {"host": "nowhere"}}]},
            ],
        )
    )
    places = [text.split(": ")[1] for text in said(world)]
    assert places == ["spec.http[0].route[0].destination.subset", "spec.http[1].route[0].destination.host"]
