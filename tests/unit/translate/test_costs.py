"""What a change costs: computations are counted, not timed."""

import msgspec
import pytest
from support.worlds import World, destination_rule, endpoint_slice, pod, proxy, service, virtual_service

from lateen.model.proxy import Interception

REVIEWS_PODS = [("reviews-v1", "198.18.0.11"), ("reviews-v2", "198.18.0.12")]
TRANSLATIONS = (
    "outbound_cluster",
    "load_assignment",
    "virtual_host",
    "http_listener",
    "tcp_listener",
    "virtual_inbound",
)


@pytest.fixture
def world() -> World:
    """Reviews with two subsets among twenty services in two namespaces, and two equal sidecars."""
    others = [service(f"s{i}", "default" if i % 2 else "other") for i in range(18)]
    found = World(
        service("reviews"),
        service("ratings"),
        *others,
        *(pod(name, address, app="reviews", version=name[-2:]) for name, address in REVIEWS_PODS),
        endpoint_slice("reviews", pods=REVIEWS_PODS),
        destination_rule("reviews", subsets=("v1", "v2")),
        virtual_service("reviews", [{"route": [{"destination": {"host": "reviews", "subset": "v1"}}]}]),
    )
    found.connect(proxy("client-1", "198.18.0.21"))
    return found


def test_one_endpoint_change_costs_one_load_assignment_for_each_subset(world: World) -> None:
    with world.computations() as ran:
        world.apply(
            pod("reviews-v3", "198.18.0.13", app="reviews", version="v1"),
            endpoint_slice("reviews", pods=[*REVIEWS_PODS, ("reviews-v3", "198.18.0.13")]),
        )
    assert ran["load_assignment"] == 3  # the service, and its two subsets
    assert ran["endpoints_of"] == 1
    assert {name: ran.get(name, 0) for name in TRANSLATIONS if name != "load_assignment"} == dict.fromkeys(
        [name for name in TRANSLATIONS if name != "load_assignment"], 0
    )


def test_an_endpoint_change_that_leaves_the_endpoints_equal_stops_there(world: World) -> None:
    with world.computations() as ran:
        world.apply(pod("reviews-v1", "198.18.0.11", app="reviews", version="v1") | {"status": {"phase": "Succeeded"}})
    assert ran == {"workload": 1}


def test_locality_counts_only_where_the_policy_looks_at_it(world: World) -> None:
    for zone in ("a", "b", "c"):
        world.connect(proxy(f"client-{zone}", f"198.18.1.{ord(zone)}", zone=zone))
    with world.computations() as ran:
        world.apply(endpoint_slice("reviews", pods=REVIEWS_PODS[:1]))
    assert ran["load_assignment"] == 3

    world.apply(
        destination_rule("reviews", subsets=("v1", "v2"), trafficPolicy={"outlierDetection": {"interval": "5s"}})
    )
    world.settle()
    with world.computations() as ran:
        world.apply(endpoint_slice("reviews", pods=REVIEWS_PODS))
    assert ran["load_assignment"] == 3 * 4  # three zones, and the client that does not know where it is


def test_one_virtual_service_change_costs_the_virtual_hosts_of_its_hosts_and_their_route_configurations(
    world: World,
) -> None:
    world.connect(proxy("elsewhere", "198.18.0.31", "other"))
    with world.computations() as ran:
        world.apply(virtual_service("reviews", [{"route": [{"destination": {"host": "reviews", "subset": "v2"}}]}]))
    assert ran["virtual_host"] == 2  # as clients of its own namespace see it, with short names, and as all others do
    assert ran["route_configuration"] == 2  # one for each of the two views
    assert "outbound_cluster" not in ran
    assert "load_assignment" not in ran


def test_a_limit_changed_costs_no_load_assignment(world: World) -> None:
    limit = {"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 10}}}}
    with world.computations() as ran:
        world.apply(destination_rule("reviews", subsets=("v1", "v2"), **limit))
    assert ran["outbound_cluster"] == 3
    assert "load_assignment" not in ran
    assert "virtual_host" not in ran


def test_a_second_equal_sidecar_costs_nothing(world: World) -> None:
    with world.computations() as ran:
        world.connect(proxy("client-2", "198.18.0.22"))
    assert ran == {"views": 1, "workload": 1}  # finding out that it is equal


def test_a_client_without_a_proxy_shares_endpoints_with_sidecars_and_pays_for_what_depends_on_a_change(
    world: World,
) -> None:
    with world.computations() as ran:
        world.connect(proxy("direct", "198.18.0.41", proxyless=True))
    assert "load_assignment" not in ran
    assert ran["proxyless_cluster"] == 20 + 2  # the services, and the subsets of one
    with world.computations() as ran:
        world.apply(endpoint_slice("reviews", pods=REVIEWS_PODS[:1]))
    assert ran["load_assignment"] == 3
    assert not ran.keys() & {"proxyless_cluster", "api_listeners_of", "api_routes_of"}
    with world.computations() as ran:
        world.apply(virtual_service("reviews", [{"route": [{"destination": {"host": "reviews", "subset": "v2"}}]}]))
    assert ran["_route_configuration"] == 2  # as most clients see it, and those whose namespace has rules of its own
    assert not ran.keys() & {"proxyless_cluster", "api_listeners_of", "load_assignment"}


def test_clients_without_a_proxy_of_other_namespaces_share_all_but_short_names(world: World) -> None:
    world.connect(proxy("direct", "198.18.0.41", proxyless=True))
    with world.computations() as ran:
        world.connect(proxy("elsewhere", "198.18.0.42", "other", proxyless=True))
    assert ran["api_listeners_of"] == 9  # the services of its namespace, which it may call by their name alone
    assert not ran.keys() & {"proxyless_cluster", "_route_configuration", "load_assignment"}


def test_a_mesh_setting_that_nobody_reads_costs_only_the_projections(world: World) -> None:
    with world.computations() as ran:
        world.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "istio", "namespace": "istio-system"},
                "data": {"mesh": "dnsRefreshRate: 61s"},
            }
        )
    assert not set(ran) & set(TRANSLATIONS)


def test_a_view_does_not_read_services(world: World) -> None:
    """What a view rests on directly grows with namespaces, not with services."""
    from lateen.translate.catalogue import assignments, clusters, listeners, loopback_listeners, routes

    world.connect(msgspec.structs.replace(proxy("uncaptured"), interception=Interception.NONE))
    for question in (clusters, assignments, listeners, loopback_listeners, routes):
        assert world.mesh.memo[question]
        for node in world.mesh.memo[question].values():
            assert len(node.reads) < 12, node


def test_names_are_collected_for_those_whose_dns_is_captured_and_anew_only_when_hosts_or_addresses_change(
    world: World,
) -> None:
    with world.computations() as ran:
        world.apply(service("new"))
    assert not ran.keys() & {"dns_datagrams", "host_addresses"}

    asking = [msgspec.structs.replace(proxy(name), name_servers=("198.19.0.10",)) for name in ("asking", "also")]
    world.connect(*asking)
    with world.computations() as ran:
        world.apply(endpoint_slice("reviews", pods=REVIEWS_PODS[:1]))
        world.apply(destination_rule("reviews", subsets=("v1",)))
    assert not ran.keys() & {"dns_datagrams", "dns_connections", "_table", "_table_in", "host_addresses"}

    with world.computations() as ran:
        world.apply(service("newer"), service("headless", clusterIP="None"))
    assert (ran["host_addresses"], ran["_table_in"], ran["dns_datagrams"]) == (2, 1, 1)
    assert "dns_connections" not in ran

    with world.computations() as ran:
        world.apply(endpoint_slice("headless", pods=REVIEWS_PODS))
    assert (ran["host_addresses"], ran["_table_in"], ran["dns_datagrams"]) == (1, 1, 1)
