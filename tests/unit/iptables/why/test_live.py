"""Listings that were recorded from a kernel, read back: they are the plan that was put in force."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lateen.iptables.errors import ApplyError
from lateen.iptables.options import Options
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.rules import Family
from lateen.iptables.why.live import in_force, with_purposes
from lateen.iptables.why.packet import parse_packet
from lateen.iptables.why.ruleset import Ruleset, planned_iptables, planned_nft
from lateen.iptables.why.walk import Redirected, walk

LISTINGS = Path(__file__).parent / "listings"
RECORDED = Options(
    inbound_mode="TPROXY",
    inbound_ports=("*",),
    inbound_ports_exclude=("15090", "6000:6100"),
    outbound_cidrs=("10.0.0.0/8", "10.96.0.1/24", "2001:db8::/32"),
    outbound_cidrs_exclude=("1.1.0.0/16",),
    outbound_ports=("25",),
    outbound_ports_exclude=("22",),
    interfaces_exclude=("net9",),
    virtual_interfaces=("net1",),
    redirect_dns=True,
    capture_all_dns=True,
    drop_invalid=True,
    owner_groups=("root", "202"),
)
HOST = Host(ipv6=True, proxy_uids=("1337", "3"))
NOTHING = json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}]})


class Tools:
    """Programs that print what is given, by their name."""

    def __init__(self, printed: Mapping[str, str]) -> None:
        self.printed = printed

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        assert not lines
        return self.printed[argv[0]]

    def has(self, program: str) -> bool:
        return program in self.printed


def recorded(name: str) -> str:
    return (LISTINGS / name).read_text()


def meanings(ruleset: Ruleset) -> dict[tuple[str, str], list[object]]:
    return {place: [entry.meaning for entry in entries] for place, entries in ruleset.chains.items() if entries}


@pytest.mark.parametrize(
    ("tool", "family"),
    [
        ("iptables-nft", Family.IPV4),
        ("iptables-legacy", Family.IPV4),
        ("ip6tables-nft", Family.IPV6),
    ],
)
def test_what_iptables_saves_is_the_plan(tool: str, family: Family) -> None:
    found = in_force(family, Tools({f"{tool}-save": recorded(f"{tool}.txt"), "nft": NOTHING}))

    assert meanings(found) == meanings(planned_iptables(plan(RECORDED, HOST), family))


@pytest.mark.parametrize("family", Family)
def test_what_nft_lists_is_the_plan(family: Family) -> None:
    found = in_force(family, Tools({"nft": recorded("nft.json")}))

    assert meanings(found) == meanings(planned_nft(plan(RECORDED.replaced(native_nftables=True), HOST)))


@pytest.mark.parametrize("tool", ["iptables-nft-save", "nft"])
def test_rules_get_their_purpose_from_the_plan_and_keep_their_counters(tool: str) -> None:
    printed = {"nft": recorded("nft.json")} if tool == "nft" else {tool: recorded("iptables-nft.txt"), "nft": NOTHING}
    live = in_force(Family.IPV4, Tools(printed))
    found = [each for own in with_purposes(live, RECORDED, HOST, Family.IPV4).chains.values() for each in own]

    assert found
    assert all(entry.why for entry in found)
    assert any(entry.packets for entry in found)
    other = with_purposes(live, Options(), Host(), Family.IPV4)
    assert not all(entry.why for own in other.chains.values() for entry in own)


def test_tables_of_iptables_are_left_to_iptables() -> None:
    listing = json.loads(NOTHING)
    listing["nftables"] += [
        {"chain": {"family": "ip", "table": "nat", "name": "OUTPUT", "type": "nat", "hook": "output", "prio": -100}},
        {"rule": {"family": "ip", "table": "nat", "chain": "OUTPUT", "expr": [{"xt": {"type": "target"}}]}},
    ]
    tools = {"iptables-nft-save": recorded("iptables-nft.txt"), "nft": json.dumps(listing)}
    assert {table for table, _ in in_force(Family.IPV4, Tools(tools)).chains} == {"raw", "mangle", "nat"}

    tools["iptables-nft-save"] = "# Table `nat' is incompatible, use 'nft' tool.\n"
    assert {table for table, _ in in_force(Family.IPV4, Tools(tools)).chains} == {"ip nat"}

    tools["iptables-nft-save"] = "# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.\n*nat\n"
    assert {table for table, _ in in_force(Family.IPV4, Tools(tools)).chains} == {"ip nat"}


def test_both_variants_of_iptables_stand_side_by_side() -> None:
    tools = {f"iptables-{name}-save": recorded(f"iptables-{name}.txt") for name in ("nft", "legacy")}
    found = in_force(Family.IPV4, Tools(tools))

    assert found.chains["nat", "ISTIO_OUTPUT"]
    assert found.chains["legacy nat", "ISTIO_OUTPUT"]
    assert walk(found, parse_packet("out tcp 10.0.0.9:80 gid=0")).landing == Redirected("15001")


def test_without_any_tool_the_error_says_what_is_missing() -> None:
    with pytest.raises(ApplyError, match="neither ip6tables nor nft"):
        in_force(Family.IPV6, Tools({}))
