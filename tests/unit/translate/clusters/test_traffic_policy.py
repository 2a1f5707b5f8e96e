"""A DestinationRule's policy in an Envoy Cluster, field by field."""

from typing import Any

import pytest
import yaml
from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from google.protobuf.json_format import MessageToDict

from lateen.common.ports import Protocol
from lateen.config.convert import convert
from lateen.config.kinds.destination_rule import TrafficPolicy
from lateen.translate.clusters.connection_pool import apply_connection_pool
from lateen.translate.clusters.load_balancing import apply_traffic_policy
from lateen.translate.clusters.protocol_options import KEY


def policy_of(text: str) -> TrafficPolicy:
    found = convert(yaml.safe_load(text), TrafficPolicy)
    assert isinstance(found, TrafficPolicy), found
    return found


def empty_cluster() -> Cluster:
    cluster = Cluster(name="c", type=Cluster.EDS, lb_policy=Cluster.LEAST_REQUEST)
    cluster.circuit_breakers.thresholds.append(CircuitBreakers.Thresholds())
    cluster.eds_cluster_config.service_name = "c"
    return cluster


@pytest.fixture
def applied(mesh_of):
    def apply(text: str, protocol: Protocol = Protocol.HTTP) -> dict[str, Any]:
        cluster = empty_cluster()
        apply_traffic_policy(mesh_of(), cluster, policy_of(text), protocol)
        return as_dict(cluster)

    return apply


def as_dict(cluster: Cluster) -> dict[str, Any]:
    """The cluster as in Envoy's JSON, its HTTP options unpacked under `http`."""
    options = HttpProtocolOptions()
    packed = KEY in cluster.typed_extension_protocol_options
    if packed:
        assert cluster.typed_extension_protocol_options[KEY].Unpack(options)
    cluster.ClearField("typed_extension_protocol_options")
    found = MessageToDict(cluster, preserving_proto_field_name=True)
    return found | {"http": MessageToDict(options, preserving_proto_field_name=True)} if packed else found


@pytest.mark.parametrize(
    ("balancer", "expected"),
    [
        ("{simple: LEAST_REQUEST}", {"lb_policy": "LEAST_REQUEST"}),
        ("{simple: LEAST_CONN}", {"lb_policy": "LEAST_REQUEST"}),
        ("{simple: UNSPECIFIED}", {"lb_policy": "LEAST_REQUEST"}),
        ("{simple: RANDOM}", {"lb_policy": "RANDOM"}),
        ("{consistentHash: {useSourceIp: true}}", {"lb_policy": "RING_HASH"}),
        (
            "{consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 64}}}",
            {"ring_hash_lb_config": {"minimum_ring_size": "64"}},
        ),
        (
            "{consistentHash: {useSourceIp: true, maglev: {tableSize: 101}}}",
            {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": "101"}},
        ),
        (
            "{simple: LEAST_REQUEST, warmupDurationSecs: 30s}",
            {"least_request_lb_config": {"slow_start_config": {"slow_start_window": "30s"}}},
        ),
    ],
)
def test_load_balancing(applied, balancer, expected) -> None:
    assert expected.items() <= applied(f"{{loadBalancer: {balancer}}}").items()


def test_round_robin_is_the_protobuf_default(mesh_of) -> None:
    cluster = empty_cluster()
    apply_traffic_policy(mesh_of(), cluster, policy_of("{loadBalancer: {simple: ROUND_ROBIN}}"), Protocol.HTTP)
    assert cluster.lb_policy == Cluster.ROUND_ROBIN


def test_no_setting_leaves_no_trace(applied) -> None:
    assert applied("{loadBalancer: {simple: LEAST_REQUEST}}") == as_dict(empty_cluster())


def test_warm_up(applied) -> None:
    found = applied("{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 60s, minimumPercent: 20}}}")
    slow_start = found["round_robin_lb_config"]["slow_start_config"]
    assert slow_start["slow_start_window"] == "60s"
    assert slow_start["min_weight_percent"] == {"value": 20.0}
    assert slow_start["aggression"]["default_value"] == 1.0


def test_passthrough_goes_where_the_client_wanted(applied) -> None:
    found = applied("{loadBalancer: {simple: PASSTHROUGH}}")
    assert (found["type"], found["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")
    assert "eds_cluster_config" not in found


def test_limits(applied) -> None:
    found = applied(
        "{connectionPool: {tcp: {maxConnections: 1, connectTimeout: 5s},"
        " http: {http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRetries: 4}}, retryBudget: {}}"
    )
    [thresholds] = found["circuit_breakers"]["thresholds"]
    assert thresholds == {
        "max_connections": 1,
        "max_pending_requests": 2,
        "max_requests": 3,
        "max_retries": 4,
        "retry_budget": {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3},
    }
    assert found["connect_timeout"] == "5s"


def test_keepalive(applied) -> None:
    found = applied("{connectionPool: {tcp: {tcpKeepalive: {probes: 9, time: 7200s, interval: 75s}}}}")
    keepalive = {"keepalive_probes": 9, "keepalive_time": 7200, "keepalive_interval": 75}
    assert found["upstream_connection_options"] == {"tcp_keepalive": keepalive}


@pytest.mark.parametrize(
    ("protocol", "pool", "expected"),
    [
        (Protocol.HTTP, "{}", None),
        (Protocol.TCP, "{}", None),
        (Protocol.GRPC, "{}", {"explicit_http_config": {"http2_protocol_options": {}}}),
        (Protocol.HTTP, "{h2UpgradePolicy: UPGRADE}", {"explicit_http_config": {"http2_protocol_options": {}}}),
        (Protocol.TCP, "{h2UpgradePolicy: UPGRADE}", None),
        (
            Protocol.HTTP2,
            "{maxConcurrentStreams: 10, http2KeepAlive: {interval: 2s, timeout: 1s}}",
            {
                "explicit_http_config": {
                    "http2_protocol_options": {
                        "max_concurrent_streams": 10,
                        "connection_keepalive": {"interval": "2s", "timeout": "1s"},
                    }
                }
            },
        ),
        (
            Protocol.HTTP,
            "{maxRequestsPerConnection: 1, idleTimeout: 30s}",
            {
                "common_http_protocol_options": {"max_requests_per_connection": 1, "idle_timeout": "30s"},
                "explicit_http_config": {"http_protocol_options": {}},
            },
        ),
        (
            Protocol.HTTP2,
            "{useClientProtocol: true, h2UpgradePolicy: UPGRADE}",
            {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}},
        ),
    ],
)
def test_http_options(applied, protocol, pool, expected) -> None:
    assert applied(f"{{connectionPool: {{http: {pool}}}}}", protocol).get("http") == expected


def test_idle_time_and_age_of_connections(applied) -> None:
    found = applied("{connectionPool: {tcp: {idleTimeout: 5s, maxConnectionDuration: 60s}}}")
    common = found["http"]["common_http_protocol_options"]
    assert common == {"idle_timeout": "5s", "max_connection_duration": "60s"}


def test_the_server_side_does_not_upgrade(mesh_of) -> None:
    cluster = empty_cluster()
    pool = policy_of("{connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}")
    apply_connection_pool(mesh_of(), cluster, pool, Protocol.HTTP)
    assert "http" not in as_dict(cluster)


def test_outlier_detection(applied) -> None:
    found = applied(
        "{outlierDetection: {consecutive5xxErrors: 3, consecutiveGatewayErrors: 0, interval: 1s, baseEjectionTime: 2s,"
        " maxEjectionPercent: 50, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4}}"
    )
    assert found["outlier_detection"] == {
        "consecutive_5xx": 3,
        "enforcing_consecutive_5xx": 100,
        "consecutive_gateway_failure": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_percent": 50,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 4,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
    }
    assert found["common_lb_config"]["healthy_panic_threshold"] == {}


def test_panic_only_where_asked_for(applied) -> None:
    found = applied("{outlierDetection: {minHealthPercent: 30}}")
    assert found["common_lb_config"]["healthy_panic_threshold"] == {"value": 30.0}


def test_status_codes_that_count_as_errors(applied) -> None:
    one = applied("{outlierDetection: {outlierDetectionHttpErrorCodes: [429]}}")["http"]["outlier_detection"]
    two = applied("{outlierDetection: {outlierDetectionHttpErrorCodes: [429, 503]}}")["http"]["outlier_detection"]
    header = {"headers": [{"name": ":status", "string_match": {"exact": "429"}}]}
    assert one == {"error_matcher": {"http_response_headers_match": header}}
    assert len(two["error_matcher"]["or_match"]["rules"]) == 2
