from lateen.iptables.options import Options
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.rules import Family, RestoreMark, Verdict
from lateen.iptables.why.ruleset import BaseChain, Entry, Hook, Ruleset, planned_iptables, planned_nft

TRANSPARENT = plan(Options(inbound_mode="TPROXY", inbound_ports=("*",)), Host(ipv6=True))


def texts(ruleset: Ruleset, table: str, chain: str) -> list[str]:
    return [entry.text for entry in ruleset.chains[table, chain]]


def test_inserts_count_the_rules_of_one_family_for_iptables_and_of_both_for_nft() -> None:
    """Position 3 of a chain with two families' rules is another place than with one's."""
    assert texts(planned_iptables(TRANSPARENT, Family.IPV6), "mangle", "ISTIO_INBOUND")[:3] == [
        "-p tcp -m mark --mark 1337 -j RETURN",
        "-p tcp -s ::6/128 -i lo -j RETURN",
        "-p tcp -i lo -m mark ! --mark 1338 -j RETURN",
    ]
    assert texts(planned_nft(TRANSPARENT), "inet istio-proxy-mangle", "istio-inbound")[:4] == [
        "meta l4proto tcp mark 1337 counter return",
        "iifname lo meta l4proto tcp ip6 saddr ::6/128 counter return",
        "iifname lo meta l4proto tcp mark != 1338 counter return",
        "iifname lo meta l4proto tcp ip saddr 127.0.0.6/32 counter return",
    ]


def test_the_kernel_calls_chains_by_priority() -> None:
    found = planned_iptables(
        plan(Options(redirect_dns=True, inbound_mode="TPROXY"), Host(dns_v4=("10.0.0.1",))), Family.IPV4
    )
    assert [(base.table, base.translates) for base in found.at(Hook.OUTPUT)] == [
        ("raw", False),
        ("mangle", False),
        ("nat", True),
    ]


def test_both_tools_make_rules_of_the_same_meaning() -> None:
    rules = plan(Options(inbound_ports=("80",), outbound_cidrs=("*",)), Host())
    by_iptables, by_nft = planned_iptables(rules, Family.IPV4), planned_nft(rules)
    pairs = zip(by_iptables.chains.values(), by_nft.chains.values(), strict=True)
    assert all([a.matches for a in one] == [b.matches for b in other] for one, other in pairs)


def test_two_rulesets_are_joined_with_the_first_ones_chains_first() -> None:
    one, other = (
        Ruleset((BaseChain(name, "c", Hook.OUTPUT, 0, False),), {(name, "c"): (Entry((), target, ""),)})
        for name, target in (("a", Verdict.DROP), ("b", RestoreMark()))
    )
    joined = one.joined(other)
    assert [base.table for base in joined.at(Hook.OUTPUT)] == ["a", "b"]
    assert joined.chains == {**one.chains, **other.chains}
