from ipaddress import ip_address

from lateen.local_runtime.network.service_rules import Backend, ServiceRule, nft_tables


def backend(address: str, port: int) -> Backend:
    return Backend(ip_address(address), port)


def rule(vip: str, port: int, *backends: Backend) -> ServiceRule:
    return ServiceRule(ip_address(vip), "tcp", port, backends)


def nft_table(services: list[ServiceRule]) -> str:
    return nft_tables(services, ipv6=False)


def test_one_endpoint_is_a_plain_translation() -> None:
    text = nft_table([rule("198.19.1.1", 80, backend("198.18.1.1", 8080))])
    assert "meta l4proto tcp dnat to 198.18.1.1:8080" in text
    assert "198.19.1.1 . tcp . 80 : goto vip-198.19.1.1-tcp-80" in text


def test_several_endpoints_are_chosen_at_random_and_once_each() -> None:
    one, two = backend("198.18.1.1", 8080), backend("198.18.1.2", 8081)
    text = nft_table([rule("198.19.1.1", 80, two, one, two)])
    assert "numgen random mod 2 map { 0 : 198.18.1.1 . 8080, 1 : 198.18.1.2 . 8081 }" in text


def test_a_port_without_endpoints_is_left_to_the_kernel_which_refuses_it() -> None:
    assert "198.19.1.1" not in nft_table([rule("198.19.1.1", 80)])


def test_no_services_is_still_a_table_that_replaces_the_one_before() -> None:
    lines = nft_table([]).splitlines()
    assert lines[:3] == [
        "add table ip lateen-services",
        "delete table ip lateen-services",
        "table ip lateen-services {",
    ]
    assert not any("vmap" in line for line in lines)


def test_order_of_services_and_endpoints_does_not_matter() -> None:
    one, two = backend("198.18.1.1", 8080), backend("198.18.1.2", 8080)
    first, second = rule("198.19.1.1", 80, one, two), rule("198.19.1.2", 80, one)
    again = rule("198.19.1.1", 80, two, one)
    assert nft_table([first, second]) == nft_table([second, again])


def test_each_family_has_a_table_where_the_kernel_has_both() -> None:
    rules = [rule("198.19.1.1", 80, backend("198.18.1.1", 8080)), rule("fd00::1", 80, backend("fd00::2", 8080))]
    text = nft_tables(rules, ipv6=True)
    first, second = text.split("add table ip6 lateen-services")
    assert "dnat to 198.18.1.1:8080" in first
    assert "ip6" not in first
    assert "dnat to [fd00::2]:8080" in second
    assert "ip6 daddr . meta l4proto . th dport vmap { fd00::1 . tcp . 80 : goto vip-fd00__1-tcp-80 }" in second
    several = rule("fd00::1", 80, backend("fd00::2", 8080), backend("fd00::3", 8080))
    assert "dnat ip6 addr . port to numgen random mod 2" in nft_tables([several], ipv6=True)
