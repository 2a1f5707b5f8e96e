"""Rules for what arrives: interfaces, invalid packets, inbound capture by REDIRECT or TPROXY."""

from collections.abc import Iterator

from lateen.iptables.planner import INBOUND_PASSTHROUGH, LOOPBACK_OUT, SELF_CALL_MARK, TCP, Planner, to
from lateen.iptables.rules import (
    Address,
    Chain,
    ConnectionState,
    Direction,
    Interface,
    Jump,
    Mark,
    Marked,
    Port,
    RestoreMark,
    Rule,
    SaveMark,
    SetMark,
    Side,
    Table,
    TransparentProxy,
    Verdict,
)


def interfaces(planner: Planner) -> Iterator[Rule]:
    """Interfaces left alone, and those behind which virtual machines send."""
    for table in (Table.NAT, Table.MANGLE) if planner.options.transparent else (Table.NAT,):
        for name in planner.options.interfaces_exclude:
            for chain, direction in ((Chain.PREROUTING, Direction.IN), (Chain.OUTPUT, Direction.OUT)):
                yield planner.rule(
                    table,
                    chain,
                    (Interface(direction, name),),
                    Verdict.RETURN,
                    f"Interface {name} is excluded from interception.",
                )
    for name in planner.options.virtual_interfaces:
        yield planner.nat(
            Chain.PREROUTING,
            (Interface(Direction.IN, name),),
            Verdict.RETURN,
            f"What comes in by {name} is a virtual machine's outbound traffic, not inbound traffic.",
            position=1,
        )


def invalid_packets(planner: Planner) -> Iterator[Rule]:
    """Packets that connection tracking cannot place, where the options ask for it."""
    if not planner.options.drop_invalid:
        return
    invalid = ConnectionState(("INVALID",))
    # The nftables form looks at TCP only.
    yield planner.rule(
        Table.MANGLE,
        Chain.PREROUTING,
        (TCP, invalid) if planner.options.native_nftables else (invalid,),
        Jump(Chain.DROP),
        "Packets of no known connection are dropped.",
    )
    yield planner.rule(
        Table.MANGLE,
        Chain.DROP,
        (),
        Verdict.DROP,
        "A reply that the proxy would not recognise is dropped, not reset.",
    )


def inbound(planner: Planner) -> Iterator[Rule]:
    """Which inbound ports are captured."""
    if planner.options.transparent:
        yield from _transparent_targets(planner)
    table = Table.MANGLE if planner.options.transparent else Table.NAT
    yield planner.rule(
        table, Chain.PREROUTING, (TCP,), Jump(Chain.INBOUND), "TCP that arrives is looked at for inbound capture."
    )
    if planner.options.inbound_ports == ("*",):
        for port in planner.options.inbound_ports_exclude:
            yield planner.rule(
                table,
                Chain.INBOUND,
                (TCP, to(port)),
                Verdict.RETURN,
                f"Inbound port {port} is excluded from interception.",
            )
        yield from _inbound_capture(planner, table, (), "All other inbound ports are captured.")
        return
    for port in planner.options.inbound_ports:
        yield from _inbound_capture(planner, table, (to(port),), f"Inbound port {port} is captured.")


def _inbound_capture(planner: Planner, table: Table, port: tuple[Port, ...], why: str) -> Iterator[Rule]:
    if not planner.options.transparent:
        yield planner.rule(table, Chain.INBOUND, (TCP, *port), Jump(Chain.IN_REDIRECT), why)
        return
    known = ConnectionState(("RELATED", "ESTABLISHED"))
    yield planner.rule(
        table,
        Chain.INBOUND,
        (TCP, *port, known),
        Jump(Chain.DIVERT),
        "Packets of a connection that the proxy already holds go to its socket.",
    )
    yield planner.rule(table, Chain.INBOUND, (TCP, *port), Jump(Chain.TPROXY), why)


def _transparent_targets(planner: Planner) -> Iterator[Rule]:
    mark, port = planner.options.tproxy_mark, planner.options.inbound_capture_port
    yield planner.rule(
        Table.MANGLE,
        Chain.DIVERT,
        (),
        SetMark(mark),
        "The mark routes the packet to this host, whatever its address.",
    )
    yield planner.rule(
        Table.MANGLE, Chain.DIVERT, (), Verdict.ACCEPT, "Nothing more is to be done with a marked packet."
    )
    for family in planner.families:
        yield planner.rule(
            Table.MANGLE,
            Chain.TPROXY,
            (Address(Side.DESTINATION, planner.loopback(family), negated=True), TCP),
            TransparentProxy(port, mark, family),
            "A new inbound connection goes to the proxy's inbound port with both addresses unchanged.",
            families=(family,),
        )


def transparent_marks(planner: Planner) -> Iterator[Rule]:
    """TPROXY only: the marks that keep a captured connection, both ways, on this host."""
    mark = planner.options.tproxy_mark
    marked = Mark(Marked.PACKET, mark)
    connection = Mark(Marked.CONNECTION, mark)
    mangle = Table.MANGLE
    yield planner.rule(
        mangle, Chain.PREROUTING, (TCP, marked), SaveMark(), "The connection remembers that the proxy holds it."
    )
    yield planner.rule(
        mangle,
        Chain.OUTPUT,
        (TCP, LOOPBACK_OUT, marked),
        Verdict.RETURN,
        "Packets that the proxy marked on loopback are left as they are.",
    )
    for proxy in planner.proxies():
        for family in planner.families:
            away = Address(Side.DESTINATION, planner.loopback(family), negated=True)
            yield planner.rule(
                mangle,
                Chain.OUTPUT,
                (away, TCP, LOOPBACK_OUT, proxy),
                SetMark(SELF_CALL_MARK),
                "A call of the proxy to its own pod is marked, so that the inbound side takes it.",
                families=(family,),
            )
    yield planner.rule(
        mangle,
        Chain.OUTPUT,
        (TCP, connection),
        RestoreMark(),
        "Replies of a connection that the proxy holds are routed back to it.",
    )
    yield from _transparent_exceptions(planner, marked)


def _transparent_exceptions(planner: Planner, marked: Mark) -> Iterator[Rule]:
    """What the inbound chain lets pass before it looks at ports."""
    from_loopback = Interface(Direction.IN, "lo")
    mangle = Table.MANGLE
    yield planner.rule(
        mangle,
        Chain.INBOUND,
        (TCP, marked),
        Verdict.RETURN,
        "What is marked already is not captured again.",
        position=1,
    )
    for family in planner.families:
        yield planner.rule(
            mangle,
            Chain.INBOUND,
            (TCP, Address(Side.SOURCE, INBOUND_PASSTHROUGH[family]), from_loopback),
            Verdict.RETURN,
            "What the proxy delivers to the application is not captured again.",
            families=(family,),
            position=2,
        )
    yield planner.rule(
        mangle,
        Chain.INBOUND,
        (TCP, from_loopback, Mark(Marked.PACKET, SELF_CALL_MARK, negated=True)),
        Verdict.RETURN,
        "On loopback only the proxy's marked calls to its own pod are inbound traffic.",
        position=3,
    )
