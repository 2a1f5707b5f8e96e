"""What `--why` says against what the kernel does: random plans, random connections, and who really took each."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from support.why_lab import (
    APPLICATION_PORTS,
    ELSEWHERE,
    ELSEWHERE6,
    PEER,
    PEER6,
    POD,
    POD6,
    Arrival,
    Order,
    Tracked,
    WhyLab,
    why_lab,
)

from lateen.iptables.nft import transaction
from lateen.iptables.options import Options
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.restore import restore_lines
from lateen.iptables.rules import Family, Rule
from lateen.iptables.validate import validated
from lateen.iptables.why.live import in_force
from lateen.iptables.why.packet import Packet, is_loopback, parse_packet
from lateen.iptables.why.ruleset import Ruleset, planned_iptables, planned_nft
from lateen.iptables.why.walk import HandedOver, Journey, LeftAlone, Redirected, walk

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

OWN = (POD, POD6, "127.0.0.1", "::1", "::6")
EVERYTHING = settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
SOME = settings(EVERYTHING, max_examples=100)

ports = st.sampled_from([*map(str, APPLICATION_PORTS), "8000:9000"])
port_lists = st.sampled_from([0, 0, 0, 1, 3]).flatmap(lambda size: st.tuples(*[ports] * size))
some_ports = st.tuples(ports, ports)
all_of_them = st.just(("*",))
ranges = (f"{PEER}/32", f"{PEER}/24", f"{ELSEWHERE}/24", "0.0.0.0/0", "127.0.0.1/32", f"{POD}/32")
ranges6 = (f"{PEER6}/128", f"{ELSEWHERE6}/32", "::/0", "::1/128")
cidrs = st.sampled_from((*ranges, *ranges6))
cidr_lists = st.sampled_from([0, 0, 0, 1, 2]).flatmap(lambda size: st.tuples(*[cidrs] * size))
interfaces = st.sampled_from([*[()] * 9, ("eth0",), ("net1",), ("lo",), ("eth0", "net1")])
owners = st.sampled_from([*[("1337",)] * 5, ("1337", "7"), ("0",)])
groups = st.sampled_from([*[("*",)] * 9, ("202",), ("root", "1337"), ("",)])

options = st.builds(
    Options,
    inbound_mode=st.sampled_from(["REDIRECT", "TPROXY"]),
    inbound_ports=st.one_of(all_of_them, all_of_them, some_ports, port_lists),
    inbound_ports_exclude=port_lists,
    interfaces_exclude=interfaces,
    virtual_interfaces=interfaces,
    outbound_cidrs=st.one_of(all_of_them, all_of_them, cidr_lists),
    outbound_cidrs_exclude=cidr_lists,
    outbound_ports=port_lists,
    outbound_ports_exclude=port_lists,
    redirect_dns=st.booleans(),
    capture_all_dns=st.booleans(),
    drop_invalid=st.booleans(),
    native_nftables=st.booleans(),
    owner_groups=groups,
    owner_groups_exclude=st.sampled_from([(), ("202",), ("7", "root")]),
    loopback_cidr=st.sampled_from(["127.0.0.1/32", "127.0.0.1/8", "127.0.0.9/32"]),
).map(validated)
hosts = st.builds(
    Host,
    ipv6=st.sampled_from([True, True, False]),
    dns_v4=st.sampled_from([(), (PEER,), (ELSEWHERE, "127.0.0.1")]),
    dns_v6=st.sampled_from([(), (PEER6,)]),
    proxy_uids=owners,
    proxy_gids=owners,
)

transports = st.sampled_from([*["tcp"] * 9, "udp", "udp"])
numbers = st.sampled_from(APPLICATION_PORTS)
people = st.sampled_from([1000, 1000, 1000, 1000, 1337, 1337, 0, 7, 202])
none = st.just(0)
from_peer = st.one_of(
    st.builds(
        Order, st.just(False), transports, st.just(POD), numbers, st.sampled_from(["", ELSEWHERE]), none, none, none
    ),
    st.builds(
        Order, st.just(False), transports, st.just(POD6), numbers, st.sampled_from(["", ELSEWHERE6]), none, none, none
    ),
)
from_pod = st.builds(
    Order,
    st.just(True),
    transports,
    st.sampled_from([*[PEER, ELSEWHERE, PEER6, ELSEWHERE6] * 3, POD, "127.0.0.1", "127.0.0.9", POD6, "::1"]),
    numbers,
    st.just(""),
    people,
    people,
    none,
)
marks = st.sampled_from([0, 0, 0, 1337, 1338])
delivered = st.one_of(
    st.builds(Order, st.just(True), transports, st.just(POD), numbers, st.just("127.0.0.6"), people, people, marks),
    st.builds(Order, st.just(True), transports, st.just(POD6), numbers, st.just("::6"), people, people, marks),
)
orders = st.tuples(from_pod, from_pod, from_peer, delivered)


@pytest.fixture(scope="module")
def lab() -> Iterator[WhyLab]:
    with why_lab() as running:
        yield running


def put_in_force(lab: WhyLab, wanted: Options, rules: tuple[Rule, ...]) -> None:
    lab.run(["nft", "-f", "-"], ["flush ruleset", *(transaction(rules) if wanted.native_nftables else ())])
    if not wanted.native_nftables:
        for family, program in ((Family.IPV4, "iptables-restore"), (Family.IPV6, "ip6tables-restore")):
            if lines := restore_lines(rules, family):
                lab.run([program, "--noflush"], lines)


def planned(wanted: Options, rules: tuple[Rule, ...], family: Family) -> Ruleset:
    return planned_nft(rules) if wanted.native_nftables else planned_iptables(rules, family)


def packet(order: Order, source_port: int) -> Packet:
    words = [f"{'out' if order.inside else 'in'} {order.transport} {_endpoint(order.to, order.port)}"]
    if order.inside:
        source = order.source or parse_packet(words[0], OWN).source or ""
        words.append(f"uid={order.uid} gid={order.gid} mark={order.mark}")
    else:
        source = order.source or (PEER6 if ":" in order.to else PEER)
    return parse_packet(" ".join([*words, "from", _endpoint(source, source_port)]), OWN)


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def expected(journey: Journey, order: Order) -> Arrival:
    landing = journey.landing
    event(type(landing).__name__)
    event(f"{order.transport} {'out' if order.inside else 'in'}: {type(landing).__name__}")
    here = not order.inside or order.to in OWN or is_loopback(order.to)
    who, port, translated = "pod" if here else "peer", order.port, False
    match landing:
        case Redirected(redirected):
            who, port, translated = "pod", int(redirected), True
        case HandedOver(handed, rewritten):
            who, port, translated = "pod", int(handed), rewritten != ""
        case _:
            assert landing == LeftAlone(), f"{landing} of a plan that drops no new connection"
    tcp = order.transport == "tcp"
    return Arrival(who, port, (order.to, order.port), translated) if tcp else Arrival(who, port)


@EVERYTHING
@given(wanted=options, host=hosts, each=orders)
def test_connections_land_where_the_walk_says(
    lab: WhyLab, wanted: Options, host: Host, each: tuple[Order, ...]
) -> None:
    rules = plan(wanted, host)
    put_in_force(lab, wanted, rules)
    for order in each:
        family = Family.IPV6 if ":" in order.to else Family.IPV4

        source_port = lab.source_port()

        journey = walk(planned(wanted, rules, family), packet(order, source_port))

        assert lab.connect(order) == expected(journey, order), order
        assert lab.tracked(source_port) == Tracked(journey.zone or 0, journey.connection_mark), order


@SOME
@given(wanted=options, host=hosts, family=st.sampled_from(Family))
def test_what_the_kernel_lists_is_the_plan(lab: WhyLab, wanted: Options, host: Host, family: Family) -> None:
    rules = plan(wanted, host)
    put_in_force(lab, wanted, rules)

    found, plan_in_force = in_force(family, lab), planned(wanted, rules, family)
    assert meanings(found) == meanings(plan_in_force)
    assert set(plan_in_force.bases) <= set(found.bases)


def meanings(ruleset: Ruleset) -> dict[tuple[str, str], list[object]]:
    return {place: [entry.meaning for entry in entries] for place, entries in ruleset.chains.items() if entries}
