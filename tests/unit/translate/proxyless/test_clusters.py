"""Clusters as gRPC reads them, from the YAML of DestinationRules."""

from typing import Any

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from support.worlds import World, destination_rule, service

from lateen.model.services import ServiceKey
from lateen.model.traffic_policy import destination_rule as rule_for
from lateen.translate.clusters.outbound import OutboundCluster
from lateen.translate.proxyless.clusters import proxyless_cluster

KEY = ServiceKey("reviews.default.svc.cluster.local", "default")


def cluster(**policy: Any) -> Cluster:
    world = World(service("reviews"), destination_rule("reviews", trafficPolicy=policy))
    rule = rule_for(world.mesh, KEY.hostname, "default", None)
    found = proxyless_cluster(world.mesh, OutboundCluster(KEY, 9080, "", rule))
    assert found is not None
    return Cluster.FromString(found.body)


@pytest.mark.parametrize(
    ("balancer", "policy"),
    [
        ({"simple": "ROUND_ROBIN"}, Cluster.ROUND_ROBIN),
        ({"simple": "RANDOM"}, Cluster.ROUND_ROBIN),
        ({"simple": "PASSTHROUGH"}, Cluster.ROUND_ROBIN),
        ({"consistentHash": {"useSourceIp": True}}, Cluster.RING_HASH),
        ({"consistentHash": {"httpHeaderName": "a", "maglev": {}}}, Cluster.RING_HASH),
    ],
    ids=str,
)
def test_a_way_to_balance_that_grpc_does_not_know_becomes_the_nearest(balancer: Any, policy: int) -> None:
    found = cluster(loadBalancer=balancer)
    assert found.type == Cluster.EDS
    assert found.eds_cluster_config.service_name == found.name
    assert found.lb_policy == policy
    assert not found.HasField("load_balancing_policy")


def test_least_request_is_for_clients_that_have_it() -> None:
    found = cluster(loadBalancer={"simple": "LEAST_REQUEST"})
    assert found.lb_policy == Cluster.ROUND_ROBIN
    (locality,) = found.load_balancing_policy.policies
    assert locality.typed_extension_config.typed_config.type_url.endswith("WrrLocality")


def test_of_the_limits_only_that_of_requests_counts() -> None:
    limits = {"http": {"http2MaxRequests": 7}, "tcp": {"maxConnections": 3}}
    (found,) = cluster(connectionPool=limits).circuit_breakers.thresholds
    assert found.max_requests.value == 7
    assert not found.HasField("max_connections")
    (found,) = cluster(outlierDetection={"consecutive5xxErrors": 1}).circuit_breakers.thresholds
    assert found.max_requests.value == 2**32 - 1, "gRPC's own limit would be 1024"


def test_outlier_detection_is_left_to_proxies() -> None:
    assert not cluster(outlierDetection={"consecutive5xxErrors": 1}).HasField("outlier_detection")


def test_a_port_that_is_gone_has_no_cluster() -> None:
    world = World(service("reviews"))
    assert proxyless_cluster(world.mesh, OutboundCluster(KEY, 1, "", ())) is None
