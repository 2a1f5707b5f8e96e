"""Load assignments: who is in them, where, and with what priority."""

from typing import Any

import pytest
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from support.worlds import World, destination_rule, endpoint_slice, pod, service

from lateen.common.ip_families import IpFamilies
from lateen.model.services import ServiceKey
from lateen.model.traffic_policy import destination_rule as rule_for
from lateen.model.workloads import Locality
from lateen.translate.clusters.outbound import OutboundCluster
from lateen.translate.endpoints import load_assignment

KEY = ServiceKey("reviews.default.svc.cluster.local", "default")
PODS = [("r1", "198.18.0.11"), ("r2", "198.18.0.12"), ("r3", "198.18.0.13")]


def assignment(
    world: World,
    subset: str = "",
    near: Locality | None = None,
    port: int = 9080,
    families: IpFamilies = IpFamilies.IPV4,
) -> ClusterLoadAssignment:
    rule = rule_for(world.mesh, KEY.hostname, "default", None)
    found = load_assignment(world.mesh, OutboundCluster(KEY, port, subset, rule), near, families)
    return ClusterLoadAssignment.FromString(found.body)


def addresses(found: ClusterLoadAssignment) -> list[tuple[int, str, int]]:
    """(priority, address, health) of each endpoint."""
    return [
        (group.priority, member.endpoint.address.socket_address.address, member.health_status)
        for group in found.endpoints
        for member in group.lb_endpoints
    ]


@pytest.fixture
def world() -> World:
    labels = [
        {"version": "v1"},
        {"version": "v2", "istio-locality": "r.za"},
        {"version": "v2", "istio-locality": "r.zb"},
    ]
    pods = [pod(name, ip, **each) for (name, ip), each in zip(PODS, labels, strict=True)]
    return World(service("reviews"), endpoint_slice("reviews", pods=PODS), *pods)


def test_a_subset_takes_the_endpoints_that_carry_its_labels(world: World) -> None:
    world.apply(destination_rule("reviews", subsets=["v1", "v2"]))
    assert [a for _, a, _ in addresses(assignment(world, "v1"))] == ["198.18.0.11"]
    assert [a for _, a, _ in addresses(assignment(world, "v2"))] == ["198.18.0.12", "198.18.0.13"]
    assert addresses(assignment(world, "v9")) == []


def test_nearest_first_without_gaps(world: World) -> None:
    found = assignment(world, near=Locality("r", "zb"))
    assert sorted((priority, a) for priority, a, _ in addresses(found)) == [
        (0, "198.18.0.13"),
        (1, "198.18.0.12"),
        (2, "198.18.0.11"),
    ]


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ({}, True),
        ({"outlierDetection": {"interval": "5s"}}, True),
        ({"outlierDetection": {"minHealthPercent": 50}}, False),
    ],
)
def test_pods_that_are_not_ready_are_sent_as_such_unless_envoy_would_use_them(
    world: World, policy: dict[str, Any], sent: bool
) -> None:
    extra = {"trafficPolicy": policy} if policy else {}
    world.apply(destination_rule("reviews", **extra), endpoint_slice("reviews", pods=PODS[:1], ready=False))
    expected = [(0, "198.18.0.11", HealthStatus.UNHEALTHY)] if sent else []
    assert addresses(assignment(world)) == expected


def test_ready_or_not_where_the_service_says_so(world: World) -> None:
    world.apply(
        service("reviews", publishNotReadyAddresses=True), endpoint_slice("reviews", pods=PODS[:1], ready=False)
    )
    assert addresses(assignment(world)) == [(0, "198.18.0.11", HealthStatus.HEALTHY)]


def test_what_leaves_and_what_is_no_address_is_not_sent(world: World) -> None:
    leaving = endpoint_slice("reviews", pods=PODS)
    leaving["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    leaving["addressType"] = "FQDN"
    leaving["endpoints"][1]["addresses"] = ["reviews.example.com"]
    world.apply(leaving)
    assert [a for _, a, _ in addresses(assignment(world))] == ["198.18.0.13"]


def test_a_tcp_port_that_shares_its_number_with_udp(world: World) -> None:
    ports = [{"name": "dns-udp", "port": 53, "protocol": "UDP"}, {"name": "http", "port": 53}]
    world.apply(service("reviews", ports=ports))
    assert len(addresses(assignment(world, port=53))) == 3


def test_telemetry_knows_the_workload_of_an_endpoint(world: World) -> None:
    (group,) = [g for g in assignment(world).endpoints if not g.locality.zone]
    metadata = group.lb_endpoints[0].metadata.filter_metadata["istio"]
    assert metadata["workload"] == "r1;default;r1;v1;Kubernetes"


def test_a_pod_of_both_families_is_one_endpoint_with_what_the_client_can_use() -> None:
    four = endpoint_slice("reviews", pods=[("r1", "198.18.0.11"), ("r2", "198.18.0.12")])
    six = endpoint_slice("reviews", pods=[("r1", "fd00::11"), ("r3", "fd00::13")])
    six["metadata"]["name"] += "-6"
    six["addressType"] = "IPv6"
    world = World(service("reviews"), four, six)

    def seen(families: IpFamilies) -> list[list[str]]:
        found = assignment(world, families=families)
        return [
            [at.socket_address.address for at in (one.address, *(more.address for more in one.additional_addresses))]
            for one in (member.endpoint for group in found.endpoints for member in group.lb_endpoints)
        ]

    assert seen(IpFamilies.DUAL) == [["198.18.0.11", "fd00::11"], ["198.18.0.12"], ["fd00::13"]]
    assert seen(IpFamilies.IPV4) == [["198.18.0.11"], ["198.18.0.12"], ["fd00::13"]]
    assert seen(IpFamilies.IPV6) == [["fd00::11"], ["198.18.0.12"], ["fd00::13"]]
