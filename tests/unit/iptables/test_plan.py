import pytest

from lateen.iptables.nft import body, removal, transaction
from lateen.iptables.options import Options, parse
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host, captures_dns
from lateen.iptables.restore import command, restore_lines
from lateen.iptables.rules import Family, Owner, OwnerKind, Rule, Table

DEFAULT = parse(
    ["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*", "-d", "15090,15021,15020"], {}
)


def texts(rules: tuple[Rule, ...], family: Family = Family.IPV4) -> list[str]:
    return [f"{rule.table} {' '.join(command(rule))}" for rule in rules if family in rule.families]


def test_the_default_command_captures_both_ways() -> None:
    assert restore_lines(plan(DEFAULT, Host()), Family.IPV4) == (
        "* nat",
        "-N ISTIO_INBOUND",
        "-N ISTIO_REDIRECT",
        "-N ISTIO_IN_REDIRECT",
        "-N ISTIO_OUTPUT",
        "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN",
        "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
        "-A PREROUTING -p tcp -j ISTIO_INBOUND",
        "-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN",
        "-A ISTIO_INBOUND -p tcp --dport 15021 -j RETURN",
        "-A ISTIO_INBOUND -p tcp --dport 15020 -j RETURN",
        "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
        "-A OUTPUT -j ISTIO_OUTPUT",
        "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
        "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT",
        "-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT",
        "-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
        "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
        "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
        "COMMIT",
    )


def test_without_ipv6_no_rule_is_of_that_family() -> None:
    assert restore_lines(plan(DEFAULT, Host()), Family.IPV6) == ()


def test_every_rule_says_what_it_is_for() -> None:
    options = Options(
        inbound_mode="TPROXY",
        inbound_ports=("*",),
        outbound_cidrs=("*",),
        redirect_dns=True,
        capture_all_dns=True,
        drop_invalid=True,
        interfaces_exclude=("eth9",),
        virtual_interfaces=("net1",),
        outbound_ports=("25",),
        outbound_ports_exclude=("22",),
        owner_groups=("java",),
    )
    assert all(rule.why.endswith(".") and len(rule.why) > 20 for rule in plan(options, Host(ipv6=True)))


def test_excluded_outbound_ports_are_left_alone_by_tcp_and_udp() -> None:
    found = texts(plan(Options(outbound_ports_exclude=("22",)), Host()))
    assert "nat -A ISTIO_OUTPUT -p tcp --dport 22 -j RETURN" in found
    assert "nat -A ISTIO_OUTPUT -p udp --dport 22 -j RETURN" in found


def test_an_empty_owner_group_list_captures_nobody() -> None:
    assert "nat -A ISTIO_OUTPUT -j RETURN" in texts(plan(Options(owner_groups=("",)), Host()))


def test_capturing_all_dns_needs_no_server() -> None:
    options = Options(redirect_dns=True, capture_all_dns=True)
    found = texts(plan(options, Host(ipv6=True)), Family.IPV6)

    assert captures_dns(options, Host())
    assert "nat -A ISTIO_OUTPUT_DNS -p tcp --dport 53 -j REDIRECT --to-ports 15053" in found
    assert "nat -A ISTIO_OUTPUT_DNS -p udp --dport 53 -j REDIRECT --to-port 15053" in found
    assert "raw -A ISTIO_INBOUND -p udp --sport 53 -j CT --zone 1" in found


def test_dns_capture_without_a_server_is_off() -> None:
    options = Options(redirect_dns=True)
    assert not captures_dns(options, Host())
    assert plan(options, Host()) == plan(Options(), Host())


def test_dns_of_one_family_leaves_the_other_without_a_jump() -> None:
    rules = plan(Options(redirect_dns=True), Host(ipv6=True, dns_v4=("10.0.0.10",)))

    assert "nat -A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS" in texts(rules)
    assert "nat -A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS" not in texts(rules, Family.IPV6)
    assert "raw -A OUTPUT -j ISTIO_OUTPUT_DNS" in texts(rules, Family.IPV6)


@pytest.mark.parametrize("mode", ["", "REDIRECT", "NONE", "tproxy"])
def test_every_mode_but_tproxy_redirects(mode: str) -> None:
    rules = plan(Options(inbound_mode=mode, inbound_ports=("*",)), Host())
    assert {rule.table for rule in rules} == {Table.NAT}


def test_nftables_drops_invalid_packets_of_tcp_only() -> None:
    rules = plan(Options(drop_invalid=True, native_nftables=True), Host())
    assert "meta l4proto tcp ct state invalid counter jump istio-drop" in [body(rule) for rule in rules]
    assert "mangle -A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP" in texts(
        plan(Options(drop_invalid=True), Host())
    )


def test_an_nftables_insert_past_the_end_becomes_an_addition() -> None:
    options = Options(inbound_mode="TPROXY", native_nftables=True, virtual_interfaces=("net1", "net2"))
    lines = transaction(plan(options, Host()))

    assert "add rule inet istio-proxy-nat prerouting iifname net1 counter return" in lines
    assert "insert rule inet istio-proxy-nat prerouting index 0 iifname net2 counter return" in lines


def test_removal_is_right_for_a_table_that_is_not_there() -> None:
    assert removal([Table.RAW]) == ("add table inet istio-proxy-raw", "delete table inet istio-proxy-raw")


def test_no_rules_make_no_transaction() -> None:
    assert transaction(()) == ()


def test_a_mark_stands_for_the_proxys_users_and_groups_and_nothing_else_changes() -> None:
    by_user = [rule for rule in plan(DEFAULT, Host()) if not any(_is_group(match) for match in rule.matches)]
    by_mark = plan(DEFAULT.replaced(proxy_mark="1339"), Host())
    assert texts(by_mark) == [
        text.replace("owner", "mark").replace("--uid-mark 1337", "--mark 1339") for text in texts(tuple(by_user))
    ]
    assert "mark 1339 counter return" in [body(rule) for rule in by_mark]
    assert "oifname lo mark != 1339 counter return" in [body(rule) for rule in by_mark]


def _is_group(match: object) -> bool:
    return isinstance(match, Owner) and match.kind is OwnerKind.GROUP


def test_with_a_mark_dns_knows_the_agent_by_it_too() -> None:
    options = DEFAULT.replaced(proxy_mark="1339", redirect_dns=True, capture_all_dns=True)
    raw = [body(rule) for rule in plan(options, Host()) if rule.table is Table.RAW]
    assert "udp dport 53 mark 1339 counter ct zone set 1" in raw
    assert not any("skuid" in text or "skgid" in text for text in raw)


def test_with_a_mark_owner_groups_have_no_effect() -> None:
    options = DEFAULT.replaced(proxy_mark="1339")
    assert plan(options.replaced(owner_groups=("7",), owner_groups_exclude=("8",)), Host()) == plan(options, Host())
