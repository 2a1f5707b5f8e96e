"""Which DestinationRules govern a host, and what they amount to."""

import pytest

from lateen.common.hosts import Hostname
from lateen.common.labels import Selector
from lateen.config.kinds.destination_rule import DestinationRule, SimpleLB
from lateen.model.traffic_policy import client_rule_hosts, destination_rule, policy, subset_selector, subsets

HOST = Hostname("reviews.shop.svc.cluster.local")


def rule(name: str, namespace: str, host: str = HOST, age: int = 1, **spec: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '2024-01-0{age}T00:00:00Z'}}
spec: {{host: '{host}'{more}}}
"""


def found(mesh, client: str | None) -> list[str]:
    return [ref.name for ref in destination_rule(mesh, HOST, "shop", client)]


def test_own_namespace_before_the_services_before_the_root(mesh_of) -> None:
    mesh = mesh_of(rule("own", "client"), rule("service", "shop"), rule("root", "istio-system"))
    assert found(mesh, "client") == ["own"]
    assert found(mesh, "other") == ["service"]
    assert found(mesh, None) == ["service"]
    assert found(mesh_of(rule("own", "client"), rule("root", "istio-system")), "other") == ["root"]
    assert found(mesh_of(rule("own", "client")), "other") == []


def test_a_short_host_is_of_the_rules_namespace(mesh_of) -> None:
    assert found(mesh_of(rule("service", "shop", "reviews")), "client") == ["service"]
    assert found(mesh_of(rule("own", "client", "reviews")), "client") == []


def test_exact_before_the_longest_wildcard_within_a_namespace(mesh_of) -> None:
    wide = [
        rule("all", "shop", "*"),
        rule("long", "shop", "*.shop.svc.cluster.local"),
        rule("short", "shop", "*.local"),
    ]
    assert found(mesh_of(*wide, rule("exact", "shop")), "client") == ["exact"]
    assert found(mesh_of(*wide), "client") == ["long"]


def test_private_rules_are_obeyed_in_their_namespace_only(mesh_of) -> None:
    mesh = mesh_of(rule("private", "shop", exportTo="['.']"), rule("root", "istio-system"))
    assert found(mesh, "shop") == ["private"]
    assert found(mesh, "client") == ["root"]
    assert found(mesh, None) == ["root"]
    assert found(mesh_of(rule("named", "shop", exportTo="[client]")), "client") == ["named"]
    assert found(mesh_of(rule("named", "shop", exportTo="[client]")), "other") == []


def test_the_root_namespaces_public_rules_do_not_come_first_for_its_own_clients(mesh_of) -> None:
    mesh = mesh_of(rule("service", "shop"), rule("root", "istio-system"))
    assert found(mesh, "istio-system") == ["service"]
    mesh.add(rule("private", "istio-system", exportTo="['.']"))
    assert found(mesh, "istio-system") == ["private"]


def test_rules_of_one_host_exported_alike_are_merged(mesh_of) -> None:
    mesh = mesh_of(
        rule("young", "shop", age=2, subsets="[{name: v1, labels: {a: young}}, {name: v2, labels: {b: c}}]"),
        rule("old", "shop", age=1, subsets="[{name: v1, labels: {a: old}}]"),
        rule("apart", "shop", age=3, exportTo="['.']", subsets="[{name: v3, labels: {}}]"),
        rule("balanced", "shop", age=4, trafficPolicy="{loadBalancer: {simple: RANDOM}}"),
        rule("later", "shop", age=5, trafficPolicy="{loadBalancer: {simple: ROUND_ROBIN}}"),
    )
    merged = destination_rule(mesh, HOST, "shop", "client")
    assert [ref.name for ref in merged] == ["old", "young", "balanced", "later"]
    assert subsets(mesh, merged) == ("v1", "v2")
    assert subset_selector(mesh, merged, "v1") == Selector.of({"a": "old"})
    assert subset_selector(mesh, merged, "v3") is None
    balancer = policy(mesh, merged, 80, "").load_balancer
    assert balancer is not None
    assert balancer.simple is SimpleLB.RANDOM


def test_rules_for_some_workloads_do_not_take_part(mesh_of) -> None:
    assert found(mesh_of(rule("some", "shop", workloadSelector="{matchLabels: {a: b}}")), "shop") == []


LAYERS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: layers, namespace: shop}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    connectionPool: {tcp: {maxConnections: 1}}
    retryBudget: {minRetryConcurrency: 7}
    portLevelSettings:
    - {port: {number: 81}, connectionPool: {tcp: {maxConnections: 2}}}
  subsets:
  - {name: plain, labels: {}}
  - {name: pool, labels: {}, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}
  - name: port
    labels: {}
    trafficPolicy:
      connectionPool: {tcp: {maxConnections: 4}}
      portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: ROUND_ROBIN}}]
"""


@pytest.mark.parametrize(
    ("port", "subset_name", "balancer", "connections", "budget"),
    [
        (80, "", "RANDOM", 1, 7),
        (None, "", "RANDOM", 1, 7),
        (81, "", None, 2, None),
        (80, "plain", "RANDOM", 1, 7),
        (80, "pool", "RANDOM", 3, 7),
        (81, "pool", None, 3, None),
        (80, "port", "RANDOM", 4, 7),
        (81, "port", "ROUND_ROBIN", None, None),
        (80, "unknown", "RANDOM", 1, 7),
    ],
)
def test_layers_replace_whole_blocks(mesh_of, port, subset_name, balancer, connections, budget) -> None:
    mesh = mesh_of(LAYERS)
    effective = policy(mesh, (DestinationRule.ref_to("shop", "layers"),), port, subset_name)
    pool = effective.connection_pool
    assert (effective.load_balancer and effective.load_balancer.simple) == balancer
    assert (pool and pool.tcp and pool.tcp.max_connections) == connections
    assert (effective.retry_budget and effective.retry_budget.min_retry_concurrency) == budget
    assert effective.port_level_settings == ()


def test_hosts_that_a_namespace_may_see_differently(mesh_of) -> None:
    mesh = mesh_of(
        rule("own", "client", "a.shop.svc.cluster.local"),
        rule("to-me", "shop", "b", exportTo="[client]"),
        rule("public", "shop", "c"),
        rule("wild", "client", "*.example.com"),
    )
    assert client_rule_hosts(mesh, "client") == (
        "*.example.com",
        "a.shop.svc.cluster.local",
        "b.shop.svc.cluster.local",
    )
    assert client_rule_hosts(mesh, "other") == ()
