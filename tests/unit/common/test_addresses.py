from ipaddress import IPv4Network

import pytest

from lateen.common.addresses import allocate, is_ipv6

NETWORK = IPv4Network("198.19.0.0/16")


def test_a_name_keeps_its_address_while_it_is_free() -> None:
    first = allocate("shop/web", NETWORK, ())
    assert allocate("shop/web", NETWORK, ()) == first
    second = allocate("shop/web", NETWORK, {first})
    assert second != first


def test_the_ends_of_the_range_are_kept_for_others() -> None:
    small = IPv4Network("10.0.0.0/23")
    found = allocate("a", small, ())
    assert found == "10.0.0.255"
    with pytest.raises(ValueError, match=r"no free address left in 10\.0\.0\.0/23"):
        allocate("b", small, {found})


def test_families() -> None:
    assert is_ipv6("fd00::1")
    assert not is_ipv6("10.0.0.1")
    assert not is_ipv6("name")
