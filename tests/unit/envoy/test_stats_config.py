import re
from typing import Any

import pytest

from lateen.envoy.stats_config import TAGS, StatsSettings, stats_config


def kept(settings: StatsSettings) -> list[Any]:
    patterns: list[Any] = stats_config(settings)["stats_matcher"]["inclusion_list"]["patterns"]
    return patterns


def test_only_few_statistics_are_kept_by_default() -> None:
    prefixes = [pattern["prefix"] for pattern in kept(StatsSettings()) if "prefix" in pattern]
    assert prefixes == [
        "reporter=", "cluster_manager", "listener_manager", "server", "cluster.xds-grpc", "wasm", "component", "istio",
    ]  # fmt: skip
    suffixes = [pattern["suffix"] for pattern in kept(StatsSettings()) if "suffix" in pattern]
    assert suffixes == ["rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied"]


def test_what_a_user_asks_for_is_added_once() -> None:
    added = kept(StatsSettings(("cluster.outbound", "server"), ("rq_time",), ("a.*b",), (), active_connections=True))
    assert [p for p in added if p not in kept(StatsSettings())] == [
        {"prefix": "cluster.outbound"},
        {"suffix": "downstream_cx_active"},
        {"suffix": "rq_time"},
        {"safe_regex": {"regex": "a.*b"}},
    ]
    assert added.count({"prefix": "server"}) == 1


@pytest.mark.parametrize(
    ("stat", "tag", "value", "rest"),
    [
        ("cluster.outbound|9080|v1|reviews.ns.svc.cluster.local;.upstream_rq_200", "cluster_name",
         "outbound|9080|v1|reviews.ns.svc.cluster.local", "cluster.upstream_rq_200"),
        ("cluster.xds-grpc;.upstream_cx_active", "cluster_name", "xds-grpc", "cluster.upstream_cx_active"),
        ("http.outbound_0.0.0.0_80;.downstream_rq_2xx", "http_conn_manager_prefix", "outbound_0.0.0.0_80",
         "http.downstream_rq_2xx"),
        ("http.inbound_0.0.0.0_80;.downstream_rq_2xx", "response_code_class", "2xx",
         "http.inbound_0.0.0.0_80;.downstream_rq"),
        ("cluster.a;.upstream_rq_503", "response_code", "503", "cluster.a;.upstream_rq"),
        ("server.worker_0.watchdog_miss", "thread_name", "worker_0", "server.watchdog_miss"),
        ("listener.0.0.0.0_15006.downstream_cx_total", "listener_address", "0.0.0.0_15006",
         "listener.downstream_cx_total"),
        ("listener.[__]_15006.downstream_cx_total", "listener_address", "[__]_15006", "listener.downstream_cx_total"),
        ("listener.0.0.0.0_80.http.outbound_0.0.0.0_80;.downstream_rq_xx", "http_conn_manager_listener_prefix",
         "outbound_0.0.0.0_80", "listener.0.0.0.0_80.http.downstream_rq_xx"),
        ("tcp.outbound|3306||db.ns.svc.cluster.local.downstream_cx_total", "tcp_prefix",
         "outbound|3306||db.ns.svc.cluster.local", "tcp.downstream_cx_total"),
        ("mongo.db.delays_injected", "mongo_prefix", "db", "mongo.delays_injected"),
        ("http.inbound_0.0.0.0_80;.rbac.denied", "authz_enforce_result", "denied", "http.inbound_0.0.0.0_80;.rbac"),
    ],
)  # fmt: skip
def test_a_tag_is_taken_out_of_the_name(stat: str, tag: str, value: str, rest: str) -> None:
    found = re.search(dict(TAGS)[tag], stat)
    assert found is not None
    assert found.group(2) == value
    assert stat[: found.start(1)] + stat[found.end(1) :] == rest


def test_a_tag_of_the_user_is_taken_literally() -> None:
    tag = stats_config(StatsSettings(extra_tags=("request.op",)))["stats_tags"][-1]
    assert tag["tag_name"] == "request.op"
    assert re.search(tag["regex"], "request.op=.=GET;.total")
    assert not re.search(tag["regex"], "requestXop=.=GET;.total")
