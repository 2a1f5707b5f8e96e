"""Routes as gRPC reads them, from the YAML of VirtualServices."""

from typing import Any

import pytest
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.json_format import MessageToDict
from support.worlds import World, service, virtual_service

from lateen.model.services import ServiceKey
from lateen.translate.proxyless.routes import api_routes_of

Json = dict[str, Any]
REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
TO = {"route": [{"destination": {"host": "reviews"}}]}


def routes(*http: Json) -> list[Json]:
    world = World(service("reviews"), virtual_service("reviews", list(http)))
    (found,) = api_routes_of(world.mesh, ServiceKey("reviews.default.svc.cluster.local", "default"), None)
    (host,) = RouteConfiguration.FromString(found.body).virtual_hosts
    assert list(host.domains) == ["*"]
    return [MessageToDict(route, preserving_proto_field_name=True) for route in host.routes]


def test_a_route_configuration_has_the_name_of_its_cluster_and_the_default_retries() -> None:
    world = World(service("reviews"))
    (found,) = api_routes_of(world.mesh, ServiceKey("reviews.default.svc.cluster.local", "default"), None)
    assert found.name == REVIEWS
    (host,) = RouteConfiguration.FromString(found.body).virtual_hosts
    assert host.routes[0].route.cluster == REVIEWS
    assert host.routes[0].route.retry_policy.retry_on == "unavailable,cancelled"


@pytest.mark.parametrize(
    "match",
    [
        {"queryParams": {"a": {"exact": "b"}}},
        {"headers": {"@request.auth.claims.sub": {"exact": "b"}}},
        {"withoutHeaders": {f"h{i}": {"exact": "x"} for i in range(7)}},
    ],
    ids=["query", "claim", "too many cases"],
)
def test_a_condition_that_grpc_cannot_check_never_holds(match: Json) -> None:
    assert [route["route"]["cluster"] for route in routes(TO | {"match": [match]}, TO)] == [REVIEWS]


def test_an_unwanted_value_of_a_header_is_two_cases() -> None:
    matches = [
        route["match"]["headers"] for route in routes(TO | {"match": [{"withoutHeaders": {"a": {"exact": "b"}}}]})
    ]
    assert matches == [
        [{"name": "a", "present_match": True, "invert_match": True}],
        [{"name": "a", "string_match": {"exact": "b"}, "invert_match": True}],
    ]


@pytest.mark.parametrize("other", [{"redirect": {"uri": "/x"}}, {"directResponse": {"status": 200}}], ids=str)
def test_what_is_not_forwarded_fails(other: Json) -> None:
    (route,) = routes(other)
    assert route["non_forwarding_action"] == {}


def test_only_what_grpc_reads_is_left() -> None:
    rule = TO | {
        "timeout": "3s",
        "rewrite": {"uri": "/x", "authority": "other"},
        "headers": {"request": {"set": {"a": "b"}}},
        "retries": {"attempts": 3, "retryOn": "5xx,503,internal", "perTryTimeout": "1s"},
    }
    (route,) = routes(rule)
    assert route == {
        "match": {"prefix": "/"},
        "route": {
            "cluster": REVIEWS,
            "max_stream_duration": {"max_stream_duration": "3s"},
            "retry_policy": {"retry_on": "internal", "num_retries": 3},
        },
    }


@pytest.mark.parametrize("retries", [{"attempts": 0}, {"attempts": 3, "retryOn": "5xx,reset"}], ids=str)
def test_without_a_condition_of_grpc_nothing_is_tried_again(retries: Json) -> None:
    (route,) = routes(TO | {"retries": retries})
    assert "retry_policy" not in route["route"]
