from typing import Any

import pytest

from lateen.iptables.options import Options
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.rules import (
    Direction,
    Family,
    Interface,
    Protocol,
    Redirect,
    SetMark,
    Transport,
    Verdict,
)
from lateen.iptables.why.canonical import Unmodelled
from lateen.iptables.why.judge import Answer
from lateen.iptables.why.packet import parse_packet
from lateen.iptables.why.ruleset import (
    BaseChain,
    Call,
    Condition,
    Consequence,
    Entry,
    Hook,
    Nothing,
    Ruleset,
    planned_iptables,
    planned_nft,
)
from lateen.iptables.why.walk import Dropped, HandedOver, Journey, LeftAlone, Redirected, Undecided, walk

OWN = ("127.0.0.1", "10.0.0.5", "::1", "fd00::5")
BOTH_WAYS = Options(inbound_ports=("*",), outbound_cidrs=("*",), inbound_ports_exclude=("15090",))
TRANSPARENT = BOTH_WAYS.replaced(inbound_mode="TPROXY")


def journey(words: str, options: Options = BOTH_WAYS, nft: bool = False, **host: Any) -> Journey:
    packet = parse_packet(words, OWN)
    rules = plan(options, Host(ipv6=True, **host))
    return walk(planned_nft(rules) if nft else planned_iptables(rules, packet.family), packet)


@pytest.fixture(params=[False, True], ids=["iptables", "nft"])
def nft(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    ("words", "landing"),
    [
        ("out tcp 10.96.0.10:80 uid=1000", Redirected("15001")),
        ("out tcp [fd00::9]:80 uid=1000", Redirected("15001")),
        ("out udp 10.96.0.10:80 uid=1000", LeftAlone()),
        ("out tcp 10.96.0.10:80 uid=1337", LeftAlone()),
        ("out tcp 10.96.0.10:80 gid=1337", LeftAlone()),
        ("out tcp 10.0.0.5:80 uid=1000", LeftAlone()),
        ("out tcp 10.0.0.5:80 uid=1337", Redirected("15006")),
        ("out tcp [fd00::5]:80 uid=1337", Redirected("15006")),
        ("out tcp 10.0.0.5:15008 uid=1337", LeftAlone()),
        ("out tcp 10.0.0.5:80 from 127.0.0.6 uid=1337", LeftAlone()),
        ("out tcp [fd00::5]:80 from ::6 uid=1337", LeftAlone()),
        ("out tcp 127.0.0.1:80 uid=1337", LeftAlone()),
        ("out tcp 10.96.0.10:80 state=ESTABLISHED", LeftAlone()),
        ("out tcp 10.96.0.10:80 state=RELATED", Redirected("15001")),
        ("in tcp 10.0.0.5:8080", Redirected("15006")),
        ("in tcp [fd00::5]:8080", Redirected("15006")),
        ("in tcp 10.0.0.5:15090", LeftAlone()),
        ("in tcp 10.0.0.5:15008", LeftAlone()),
        ("in udp 10.0.0.5:8080", LeftAlone()),
        ("in tcp 10.0.0.5:8080 state=ESTABLISHED", LeftAlone()),
    ],
)
def test_redirect_mode(words: str, landing: object, nft: bool) -> None:
    assert journey(words, nft=nft).landing == landing


@pytest.mark.parametrize(
    ("words", "landing", "mark"),
    [
        ("in tcp 10.0.0.5:8080", HandedOver("15006"), 1337),
        ("in tcp [fd00::5]:8080", HandedOver("15006"), 1337),
        ("in tcp 10.0.0.5:15090", LeftAlone(), 0),
        ("in tcp 10.0.0.5:8080 mark=1337", LeftAlone(), 1337),
        ("in tcp 10.0.0.5:8080 state=ESTABLISHED", LeftAlone(), 1337),
        ("out tcp 10.96.0.10:80 uid=1000", Redirected("15001"), 0),
        ("out tcp 10.0.0.5:80 uid=1000", LeftAlone(), 0),
        ("out tcp 10.0.0.5:80 uid=1337", Redirected("15006"), 1338),
        ("out tcp 10.0.0.5:15008 uid=1337", HandedOver("15006"), 1337),
        ("out tcp 10.0.0.5:80 from 127.0.0.6 uid=1000", LeftAlone(), 0),
        ("out tcp 10.0.0.9:40000 from 10.0.0.5 state=ESTABLISHED connmark=1337", LeftAlone(), 1337),
    ],
)
def test_transparent_mode(words: str, landing: object, mark: int, nft: bool) -> None:
    found = journey(words, TRANSPARENT, nft)
    assert (found.landing, found.mark) == (landing, mark)


def test_the_connection_remembers_the_mark(nft: bool) -> None:
    assert journey("in tcp 10.0.0.5:8080 mark=1337", TRANSPARENT, nft).connection_mark == 1337


def test_a_redirect_after_tproxy_only_rewrites_the_destination(nft: bool) -> None:
    found = journey("in tcp 10.0.0.5:8080", TRANSPARENT.replaced(virtual_interfaces=("eth0",)), nft)
    assert found.landing == HandedOver("15006", "15001")


@pytest.mark.parametrize(
    ("words", "changes", "landing"),
    [
        ("out tcp 9.9.9.9:80", {"outbound_cidrs": ("9.9.0.1/16",)}, Redirected("15001")),
        ("out tcp 9.8.9.9:80", {"outbound_cidrs": ("9.9.0.1/16",)}, LeftAlone()),
        ("out tcp 9.9.9.9:80", {"outbound_cidrs_exclude": ("9.9.0.0/16",)}, LeftAlone()),
        ("out tcp 9.9.9.9:22", {"outbound_ports_exclude": ("20:25",)}, LeftAlone()),
        ("out tcp 9.9.9.9:22", {"outbound_ports": ("22",), "outbound_cidrs": ()}, Redirected("15001")),
        ("out tcp 9.9.9.9:80 gid=0", {"owner_groups": ("root", "202")}, Redirected("15001")),
        ("out tcp 9.9.9.9:80 gid=202", {"owner_groups_exclude": ("202",)}, LeftAlone()),
        ("out tcp 9.9.9.9:80", {"owner_groups": ("202",)}, LeftAlone()),
        ("out tcp 9.9.9.9:80", {"owner_groups": ("",)}, LeftAlone()),
        ("out tcp 9.9.9.9:80", {"interfaces_exclude": ("eth0",)}, LeftAlone()),
        ("in tcp 10.0.0.5:80", {"interfaces_exclude": ("eth0",)}, LeftAlone()),
        ("in tcp 9.9.9.9:80 via net1", {"virtual_interfaces": ("net1",)}, Redirected("15001")),
        ("in tcp 10.0.0.5:81", {"inbound_ports": ("80", "90:99")}, LeftAlone()),
        ("in tcp 10.0.0.5:95", {"inbound_ports": ("80", "90:99")}, Redirected("15006")),
        ("in tcp 10.0.0.5:80 state=INVALID", {"drop_invalid": True}, Dropped()),
        ("out udp 9.9.9.9:53", {"redirect_dns": True, "capture_all_dns": True}, Redirected("15053")),
        ("out tcp 9.9.9.9:53", {"redirect_dns": True, "capture_all_dns": True}, Redirected("15053")),
        ("out udp 127.0.0.53:53", {"redirect_dns": True, "capture_all_dns": True}, Redirected("15053")),
        ("out udp 9.9.9.9:53 uid=1337", {"redirect_dns": True, "capture_all_dns": True}, LeftAlone()),
    ],
)
def test_every_option_has_its_effect(words: str, changes: dict[str, Any], landing: object, nft: bool) -> None:
    assert journey(words, BOTH_WAYS.replaced(native_nftables=nft, **changes), nft).landing == landing


def test_only_the_first_zone_stays_and_only_before_tracking(nft: bool) -> None:
    dns = BOTH_WAYS.replaced(redirect_dns=True)
    server = {"dns_v4": ("10.96.0.10",)}
    assert journey("out udp 10.96.0.10:53 uid=1337", dns, nft, **server).zone == 1
    assert journey("out udp 10.96.0.10:53 uid=1000", dns, nft, **server).zone == 2
    assert journey("out udp 10.96.0.11:53 uid=1000", dns, nft, **server).zone is None
    assert journey("in udp 10.0.0.5:999 from 10.96.0.10:53", dns, nft, **server).zone == 1
    assert journey("out udp 10.0.0.5:999 from 10.96.0.10:53 via lo", dns, nft, **server).zone is None


def test_the_rule_that_decided_says_why() -> None:
    found = journey("out tcp 10.0.0.5:80 uid=1000")
    assert found.decided is not None
    assert found.decided.entry.why == "When the application calls its own pod, the call stays inside it."
    assert found.decided.answer is Answer.YES
    assert journey("out udp 10.96.0.10:80").decided is None


def test_rules_of_the_other_family_do_not_apply_even_negated() -> None:
    asked = [
        step for step in journey("out tcp [fd00::5]:80 uid=1337", nft=True).steps if "ip daddr !=" in step.entry.text
    ]
    assert asked
    assert {step.answer for step in asked} == {Answer.NO}


TCP = Protocol(Transport.TCP)
ODD = Unmodelled("-m string --string x")


def ruleset(
    *rules: tuple[tuple[Condition, ...], Consequence], policy: Verdict = Verdict.ACCEPT, **chains: Any
) -> Ruleset:
    """One filter chain at OUTPUT, with other chains of its table."""
    own = {"OUTPUT": rules, **chains}
    entries = {("t", name): tuple(Entry(match, to, repr(to)) for match, to in those) for name, those in own.items()}
    return Ruleset((BaseChain("t", "OUTPUT", Hook.OUTPUT, 0, False, policy),), entries)


def landing(found: Ruleset) -> object:
    return walk(found, parse_packet("out tcp 10.0.0.1:80")).landing


def test_what_cannot_be_judged_is_said_only_where_it_matters() -> None:
    assert landing(ruleset(((ODD,), Verdict.DROP))) == Undecided((LeftAlone(), Dropped()))
    assert landing(ruleset(((ODD, Protocol(Transport.UDP)), Verdict.DROP))) == LeftAlone()
    assert landing(ruleset(((ODD,), Verdict.DROP), ((TCP,), Verdict.DROP))) == Dropped()
    assert landing(ruleset(((ODD,), Nothing()))) == LeftAlone()
    assert landing(ruleset(((ODD,), SetMark("7")), ((), SetMark("8")))) == LeftAlone()
    assert landing(ruleset(((ODD,), SetMark("7")))) == Undecided((LeftAlone(), LeftAlone()))


def test_a_target_that_is_not_modelled_leaves_the_end_open() -> None:
    assert landing(ruleset(((), Unmodelled("-j DNAT")))) == Undecided()
    assert landing(ruleset(((Protocol(Transport.UDP),), Unmodelled("-j DNAT")))) == LeftAlone()
    found = walk(ruleset(((ODD,), Unmodelled("-j DNAT"))), parse_packet("out tcp 10.0.0.1:80"))
    assert found.landing == Undecided((LeftAlone(), Undecided()))
    assert found.decided is not None
    assert found.decided.answer is Answer.UNKNOWN


def test_after_many_that_cannot_be_judged_the_walk_gives_up() -> None:
    many = [((ODD,), SetMark(str(mark))) for mark in range(1, 40)]
    found = walk(ruleset(*many), parse_packet("out tcp 10.0.0.1:80"))
    assert isinstance(found.landing, Undecided)


def test_chains_call_return_and_go_on() -> None:
    back = ruleset(((), Call("A")), ((), Verdict.DROP), A=[((), Verdict.RETURN)])
    gone = ruleset(((), Call("A", returns=False)), ((), Verdict.DROP), A=[((), Verdict.RETURN)])
    over = ruleset(((), Call("A")), ((), Verdict.DROP), A=[((), Verdict.ACCEPT)])
    assert [landing(each) for each in (back, gone, over)] == [Dropped(), LeftAlone(), LeftAlone()]


def test_a_policy_counts_where_no_rule_ended_the_chain() -> None:
    assert landing(ruleset(policy=Verdict.DROP)) == Dropped()
    assert landing(ruleset(((), Verdict.ACCEPT), policy=Verdict.DROP)) == LeftAlone()
    assert landing(ruleset(((), Verdict.RETURN), policy=Verdict.DROP)) == Dropped()


def test_tables_are_passed_by_priority_and_accepting_ends_only_one() -> None:
    late = BaseChain("late", "c", Hook.OUTPUT, 10, False)
    early = BaseChain("early", "c", Hook.OUTPUT, -10, False)
    entries = {("late", "c"): (Entry((), Verdict.DROP, ""),), ("early", "c"): (Entry((), Verdict.ACCEPT, ""),)}
    found = walk(Ruleset((late, early), entries), parse_packet("out tcp 10.0.0.1:80"))
    assert [step.table for step in found.steps] == ["early", "late"]
    assert found.landing == Dropped()


def test_the_first_translation_stays() -> None:
    nats = tuple(BaseChain(name, "c", Hook.OUTPUT, -100, True) for name in ("first", "second"))
    entries = {(name, "c"): (Entry((), Redirect(port), ""),) for name, port in (("first", "1"), ("second", "2"))}
    assert landing(Ruleset(nats, entries)) == Redirected("1")


def test_interfaces_with_a_wildcard() -> None:
    wild = ruleset(((Interface(Direction.OUT, "eth*"),), Verdict.DROP))
    assert landing(wild) == Dropped()
    assert walk(wild, parse_packet("out tcp 10.0.0.1:80 via net1")).landing == LeftAlone()


def test_without_ipv6_rules_iptables_leaves_ipv6_alone_and_nft_does_not() -> None:
    rules = plan(BOTH_WAYS, Host())
    packet = parse_packet("out tcp [fd00::9]:80")
    assert walk(planned_iptables(rules, Family.IPV6), packet).landing == LeftAlone()
    assert walk(planned_nft(rules), packet).landing == Redirected("15001")
