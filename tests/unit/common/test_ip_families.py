import pytest

from lateen.common.ip_families import IpFamilies

BOTH = ("198.18.0.1", "fd00::1")


@pytest.mark.parametrize(
    ("addresses", "families"),
    [((), "ipv4"), (BOTH[:1], "ipv4"), (BOTH[1:], "ipv6"), (BOTH, "dual"), (BOTH[::-1], "dual")],
)
def test_addresses_tell_the_families(addresses: tuple[str, ...], families: str) -> None:
    assert IpFamilies.of(addresses) == families


def test_what_is_of_a_family() -> None:
    assert [found.having(BOTH) for found in IpFamilies] == [BOTH[:1], BOTH[1:], BOTH]
    assert [len(found.any_addresses) for found in IpFamilies] == [1, 1, 2]
    assert all(found.having(found.loopbacks) == found.loopbacks for found in IpFamilies)
