import pytest

from lateen.iptables.errors import ConfigurationError
from lateen.iptables.options import Options
from lateen.iptables.validate import MAX_OWNER_GROUPS, port_number, unknown_owners, validated


def test_ranges_become_canonical_and_keep_their_host_bits() -> None:
    options = validated(Options(outbound_cidrs=("10.96.0.1/24", "2001:DB8:0::/32"), loopback_cidr="127.0.0.1/8"))

    assert options.outbound_cidrs == ("10.96.0.1/24", "2001:db8::/32")
    assert options.loopback_cidr == "127.0.0.1/8"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(outbound_cidrs=("10.0.0.1",)), "'10.0.0.1' for -i"),
        (Options(outbound_cidrs=("10.0.0.0/33",)), "10.0.0.0/33"),
        (Options(outbound_cidrs=("10.0.0.0/08",)), "10.0.0.0/08"),
        (Options(outbound_cidrs=("*", "10.0.0.0/8")), "'\\*' for -i"),
        (Options(outbound_cidrs_exclude=("*",)), "OUTBOUND_IP_RANGES_EXCLUDE"),
        (Options(loopback_cidr="10.0.0.0/8"), "LOOPBACK_CIDR"),
        (Options(loopback_cidr="127.0.0.1/7"), "LOOPBACK_CIDR"),
        (Options(loopback_cidr="::1/128"), "LOOPBACK_CIDR"),
        (Options(loopback_cidr="127.0.0.1/abc"), "'127.0.0.1/abc' for ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR"),
        (Options(loopback_cidr=""), "'' for ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR"),
        (Options(force_iptables_binary="new"), "legacy, nft"),
        (Options(owner_groups=tuple(map(str, range(65)))), f"at most {MAX_OWNER_GROUPS} .* got 65"),
        (Options(proxy_mark="x"), "'x' for LATEEN_PROXY_MARK"),
        (Options(proxy_mark="0"), "'0' for LATEEN_PROXY_MARK"),
        (Options(proxy_mark="1337", inbound_mode="TPROXY"), "that TPROXY does not use"),
        (Options(proxy_mark="1338", inbound_mode="TPROXY"), "that TPROXY does not use"),
        (Options(proxy_port="no-such-port"), "'no-such-port' for -p"),
        (Options(inbound_ports=("70000",)), "'70000' for -b"),
        (Options(outbound_ports=("80 -j ACCEPT",)), "-q"),
        (Options(interfaces_exclude=("eth0\nflush ruleset",)), "-c"),
        (Options(interfaces_exclude=("a-name-that-is-long",)), "-c"),
        (Options(proxy_uids=("",)), "-u"),
        (Options(proxy_uids=("4294967296",)), "'4294967296' for -u"),
        (Options(proxy_gids=("5-",)), "'5-' for -g"),
        (Options(outbound_ports=(":",)), "':' for -q"),
        (Options(inbound_mode="TPROXY", tproxy_mark="red"), "'red' for -t"),
    ],
)
def test_a_wrong_value_is_named_with_its_flag(options: Options, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        validated(options)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"-p .*-i "):
        validated(Options(proxy_port="x", outbound_cidrs=("y",)))


def test_what_the_tools_accept_is_accepted() -> None:
    options = Options(
        inbound_ports_exclude=("8000:8010", ":1023", "60000:"),
        outbound_ports_exclude=("smtp",),
        proxy_port="http-alt",
        proxy_uids=("0-999",),
        owner_groups=("java",),
        inbound_mode="anything",
    )
    assert validated(options) == options


def test_owners_without_a_number_are_told_apart_from_those_that_nobody_knows() -> None:
    options = Options(proxy_uids=("root", "1337"), proxy_gids=("no-such-group",), owner_groups=("0-5",))

    assert unknown_owners(options) == ["-g (--proxy-gid): there is no group 'no-such-group' here, use its number"]


@pytest.mark.parametrize(("text", "number"), [("15001", 15001), ("http", 80), ("0", 0)])
def test_a_port_has_a_number_also_by_its_name(text: str, number: int) -> None:
    assert port_number(text) == number
