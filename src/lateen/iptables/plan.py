"""The whole interception plan as a pure function: options and what the host told us in, rules in order out.

The order is the contract's and matters twice: inside each chain for what happens to a packet, and across chains for the
text that users compare. The two tools differ in few places, which are said where they arise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lateen.iptables.options import Options
from lateen.iptables.rules import (
    BOTH,
    Address,
    Chain,
    ConnectionState,
    Direction,
    Family,
    Interface,
    Jump,
    Mark,
    Marked,
    Match,
    Owner,
    OwnerKind,
    Port,
    Protocol,
    Redirect,
    RestoreMark,
    Rule,
    SaveMark,
    SetMark,
    Side,
    Table,
    TransparentProxy,
    Transport,
    Verdict,
    Zone,
)

DNS_AGENT_PORT = "15053"
INBOUND_PASSTHROUGH = {Family.IPV4: "127.0.0.6/32", Family.IPV6: "::6/128"}
"""Where the proxy's own connections to the application come from."""
SELF_CALL_MARK = "1338"
"""Marks, in TPROXY mode, what the proxy sends to its own pod."""

_TCP = Protocol(Transport.TCP)
_TO_LOOPBACK_INTERFACE = Interface(Direction.OUT, "lo")


@dataclass(frozen=True)
class Host:
    """What was found out about the host: IPv6, name servers as written in resolv.conf, and who the proxy runs as."""

    ipv6: bool = False
    dns_v4: tuple[str, ...] = ()
    dns_v6: tuple[str, ...] = ()
    proxy_uids: tuple[str, ...] = ("1337",)
    proxy_gids: tuple[str, ...] = ("1337",)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that get rules; IPv4 always does."""
        return BOTH if self.ipv6 else (Family.IPV4,)


def plan(options: Options, host: Host) -> tuple[Rule, ...]:
    """Every rule of the run, in the order in which it is written."""
    return tuple(rule for rule in _Plan(options, host).rules() if rule.families)


def captures_dns(options: Options, host: Host) -> bool:
    """Whether DNS is captured: asked for, and there is something to capture."""
    return options.redirect_dns and (options.capture_all_dns or bool(host.dns_v4 or host.dns_v6))


def family_of(cidr: str) -> Family:
    """The family of an address or range."""
    return Family.IPV6 if ":" in cidr else Family.IPV4


def _to(*ports: str, transport: Transport = Transport.TCP, negated: bool = False) -> Port:
    return Port(transport, Side.DESTINATION, ports, negated)


@dataclass(frozen=True)
class _Plan:
    """One run of the planner; a method per block of the contract."""

    options: Options
    host: Host

    @property
    def families(self) -> tuple[Family, ...]:
        return self.host.families

    @property
    def dns(self) -> bool:
        return captures_dns(self.options, self.host)

    def rules(self) -> Iterator[Rule]:
        yield from self.interfaces()
        yield from self.invalid_packets()
        yield self.nat(
            Chain.INBOUND,
            (_TCP, _to(self.options.inbound_tunnel_port)),
            Verdict.RETURN,
            "Tunnelled traffic has its own port on the proxy and is never redirected.",
        )
        yield self.nat(
            Chain.REDIRECT, (_TCP,), Redirect(self.options.proxy_port), "Captured outbound connections go to the proxy."
        )
        yield self.nat(
            Chain.IN_REDIRECT,
            (_TCP,),
            Redirect(self.options.inbound_capture_port),
            "Captured inbound connections go to the proxy's inbound port.",
        )
        if self.options.inbound_ports:
            yield from self.inbound()
        yield from self.outbound()
        if self.options.transparent:
            yield from self.transparent_marks()

    def rule(
        self,
        table: Table,
        chain: Chain,
        matches: Sequence[Match],
        target: Verdict | Jump | Redirect | TransparentProxy | SetMark | SaveMark | RestoreMark | Zone,
        why: str,
        families: Sequence[Family] | None = None,
        position: int | None = None,
    ) -> Rule:
        """A rule for the run's families, narrowed to those that the caller names."""
        wanted = tuple(family for family in self.families if families is None or family in families)
        return Rule(table, chain, tuple(matches), target, why, wanted, position)

    def nat(
        self,
        chain: Chain,
        matches: Sequence[Match],
        target: Verdict | Jump | Redirect | Zone,
        why: str,
        families: Sequence[Family] | None = None,
        position: int | None = None,
    ) -> Rule:
        return self.rule(Table.NAT, chain, matches, target, why, families, position)

    def loopback(self, family: Family) -> str:
        """What counts as the application's own loopback address."""
        return self.options.loopback_cidr if family is Family.IPV4 else "::1/128"

    def interfaces(self) -> Iterator[Rule]:
        for table in (Table.NAT, Table.MANGLE) if self.options.transparent else (Table.NAT,):
            for name in self.options.interfaces_exclude:
                for chain, direction in ((Chain.PREROUTING, Direction.IN), (Chain.OUTPUT, Direction.OUT)):
                    yield self.rule(
                        table,
                        chain,
                        (Interface(direction, name),),
                        Verdict.RETURN,
                        f"Interface {name} is excluded from interception.",
                    )
        for name in self.options.virtual_interfaces:
            yield self.nat(
                Chain.PREROUTING,
                (Interface(Direction.IN, name),),
                Verdict.RETURN,
                f"What comes in by {name} is a virtual machine's outbound traffic, not inbound traffic.",
                position=1,
            )

    def invalid_packets(self) -> Iterator[Rule]:
        if not self.options.drop_invalid:
            return
        invalid = ConnectionState(("INVALID",))
        # The nftables form looks at TCP only.
        yield self.rule(
            Table.MANGLE,
            Chain.PREROUTING,
            (_TCP, invalid) if self.options.native_nftables else (invalid,),
            Jump(Chain.DROP),
            "Packets of no known connection are dropped.",
        )
        yield self.rule(
            Table.MANGLE,
            Chain.DROP,
            (),
            Verdict.DROP,
            "A reply that the proxy would not recognise is dropped, not reset.",
        )

    def inbound(self) -> Iterator[Rule]:
        if self.options.transparent:
            yield from self.transparent_targets()
        table = Table.MANGLE if self.options.transparent else Table.NAT
        yield self.rule(
            table, Chain.PREROUTING, (_TCP,), Jump(Chain.INBOUND), "TCP that arrives is looked at for inbound capture."
        )
        if self.options.inbound_ports == ("*",):
            for port in self.options.inbound_ports_exclude:
                yield self.rule(
                    table,
                    Chain.INBOUND,
                    (_TCP, _to(port)),
                    Verdict.RETURN,
                    f"Inbound port {port} is excluded from interception.",
                )
            yield from self.inbound_capture(table, (), "All other inbound ports are captured.")
            return
        for port in self.options.inbound_ports:
            yield from self.inbound_capture(table, (_to(port),), f"Inbound port {port} is captured.")

    def inbound_capture(self, table: Table, port: tuple[Port, ...], why: str) -> Iterator[Rule]:
        if not self.options.transparent:
            yield self.rule(table, Chain.INBOUND, (_TCP, *port), Jump(Chain.IN_REDIRECT), why)
            return
        known = ConnectionState(("RELATED", "ESTABLISHED"))
        yield self.rule(
            table,
            Chain.INBOUND,
            (_TCP, *port, known),
            Jump(Chain.DIVERT),
            "Packets of a connection that the proxy already holds go to its socket.",
        )
        yield self.rule(table, Chain.INBOUND, (_TCP, *port), Jump(Chain.TPROXY), why)

    def transparent_targets(self) -> Iterator[Rule]:
        mark, port = self.options.tproxy_mark, self.options.inbound_capture_port
        yield self.rule(
            Table.MANGLE,
            Chain.DIVERT,
            (),
            SetMark(mark),
            "The mark routes the packet to this host, whatever its address.",
        )
        yield self.rule(
            Table.MANGLE, Chain.DIVERT, (), Verdict.ACCEPT, "Nothing more is to be done with a marked packet."
        )
        for family in self.families:
            yield self.rule(
                Table.MANGLE,
                Chain.TPROXY,
                (Address(Side.DESTINATION, self.loopback(family), negated=True), _TCP),
                TransparentProxy(port, mark, family),
                "A new inbound connection goes to the proxy's inbound port with both addresses unchanged.",
                families=(family,),
            )

    def outbound(self) -> Iterator[Rule]:
        yield self.nat(Chain.OUTPUT, (), Jump(Chain.OUTBOUND), "What processes of this pod send is looked at here.")
        for port in self.options.outbound_ports_exclude:
            for transport in Transport:
                yield self.nat(
                    Chain.OUTBOUND,
                    (_to(port, transport=transport),),
                    Verdict.RETURN,
                    f"Outbound port {port} is excluded from interception.",
                )
        for family in self.families:
            yield self.nat(
                Chain.OUTBOUND,
                (_TO_LOOPBACK_INTERFACE, Address(Side.SOURCE, INBOUND_PASSTHROUGH[family])),
                Verdict.RETURN,
                "The proxy delivers inbound requests to the application from this address.",
                families=(family,),
            )
        for uid in self.host.proxy_uids:
            yield from self.proxy_owner(Owner(OwnerKind.USER, uid))
        for gid in self.host.proxy_gids:
            yield from self.proxy_owner(Owner(OwnerKind.GROUP, gid))
        yield from self.owner_groups()
        if self.dns:
            yield from self.name_service()
        yield from self.outbound_destinations()

    def proxy_owner(self, owner: Owner) -> Iterator[Rule]:
        who = f"{owner.kind} {owner.id}"
        others = Owner(owner.kind, owner.id, negated=True)
        skipped = ("53", self.options.inbound_tunnel_port) if self.dns and owner.kind is OwnerKind.USER else ()
        for family in self.families:
            yield self.nat(
                Chain.OUTBOUND,
                (
                    _TO_LOOPBACK_INTERFACE,
                    Address(Side.DESTINATION, self.loopback(family), negated=True),
                    _TCP,
                    _to(*(skipped or (self.options.inbound_tunnel_port,)), negated=True),
                    owner,
                ),
                Jump(Chain.IN_REDIRECT),
                f"When the proxy ({who}) calls its own pod by the pod's address, the call passes the inbound side too.",
                families=(family,),
            )
        if not self.captures_loopback():
            not_dns: tuple[Match, ...] = (_TCP, _to("53", negated=True)) if self.dns else ()
            yield self.nat(
                Chain.OUTBOUND,
                (_TO_LOOPBACK_INTERFACE, *not_dns, others),
                Verdict.RETURN,
                "When the application calls its own pod, the call stays inside it.",
            )
        yield self.nat(
            Chain.OUTBOUND, (owner,), Verdict.RETURN, f"What the proxy ({who}) sends is never captured again."
        )

    def captures_loopback(self) -> bool:
        """Whether a range to capture is a loopback one; then calls to the pod itself are captured too."""
        return any(cidr == "::1" or cidr.startswith(("127.", "::1/")) for cidr in self.options.outbound_cidrs)

    def owner_groups(self) -> Iterator[Rule]:
        if self.options.owner_groups == ("*",):
            for group in self.options.owner_groups_exclude:
                yield self.nat(
                    Chain.OUTBOUND,
                    (Owner(OwnerKind.GROUP, group),),
                    Verdict.RETURN,
                    f"Group {group} is excluded from outbound interception.",
                )
            return
        yield self.nat(
            Chain.OUTBOUND,
            tuple(Owner(OwnerKind.GROUP, group, negated=True) for group in self.options.owner_groups if group),
            Verdict.RETURN,
            "Only traffic of the listed groups is captured.",
        )

    def name_service(self) -> Iterator[Rule]:
        everything = self.options.capture_all_dns
        servers = {Family.IPV4: self.host.dns_v4, Family.IPV6: self.host.dns_v6}
        served = tuple(family for family in self.families if everything or servers[family])
        yield self.rule(
            Table.RAW, Chain.OUTPUT, (), Jump(Chain.DNS), "DNS is tracked in zones of its own before tracking starts."
        )
        yield self.nat(Chain.OUTBOUND, (), Jump(Chain.DNS), "DNS queries are looked at for capture.", families=served)
        for transport in (Transport.TCP, Transport.UDP):
            for family, to_server in self.name_servers(Side.DESTINATION):
                yield self.nat(
                    Chain.DNS,
                    (_to("53", transport=transport), *to_server),
                    Redirect(DNS_AGENT_PORT),
                    "The agent answers DNS queries.",
                    families=family,
                )
        for owner in self.proxy_owners():
            asks = _to("53", transport=Transport.UDP)
            answers = Port(Transport.UDP, Side.SOURCE, (DNS_AGENT_PORT,))
            yield self.rule(
                Table.RAW,
                Chain.DNS,
                (asks, owner),
                Zone(1),
                "The agent's own queries are tracked apart from the pod's.",
            )
            yield self.rule(
                Table.RAW, Chain.DNS, (answers, owner), Zone(2), "The agent's answers belong to the pod's queries."
            )
        yield self.rule(
            Table.RAW, Chain.PREROUTING, (), Jump(Chain.INBOUND), "Answers of name servers are tracked here.", served
        )
        from_server = list(self.name_servers(Side.SOURCE))
        for (family, to_server), (_, by_server) in zip(self.name_servers(Side.DESTINATION), from_server, strict=True):
            asked: tuple[Match, ...] = (_to("53", transport=Transport.UDP), *to_server)
            yield self.rule(
                Table.RAW, Chain.DNS, asked, Zone(2), "The pod's queries are tracked with the agent's answers.", family
            )
            answered: tuple[Match, ...] = (Port(Transport.UDP, Side.SOURCE, ("53",)), *by_server)
            yield self.rule(
                Table.RAW, Chain.INBOUND, answered, Zone(1), "A server's answers belong to the agent's queries.", family
            )

    def name_servers(self, side: Side) -> Iterator[tuple[tuple[Family, ...], tuple[Address, ...]]]:
        """Whose DNS is captured: one unrestricted entry when all is, else one per server, IPv4 first."""
        if self.options.capture_all_dns:
            yield self.families, ()
            return
        for server in self.host.dns_v4:
            yield (Family.IPV4,), (Address(side, f"{server}/32"),)
        for server in self.host.dns_v6 if self.host.ipv6 else ():
            yield (Family.IPV6,), (Address(side, f"{server}/128"),)

    def proxy_owners(self) -> Iterator[Owner]:
        for uid in self.host.proxy_uids:
            yield Owner(OwnerKind.USER, uid)
        for gid in self.host.proxy_gids:
            yield Owner(OwnerKind.GROUP, gid)

    def outbound_destinations(self) -> Iterator[Rule]:
        for family in self.families:
            yield self.nat(
                Chain.OUTBOUND,
                (Address(Side.DESTINATION, self.loopback(family)),),
                Verdict.RETURN,
                "Calls to localhost stay with the application.",
                families=(family,),
            )
        for cidr in self.options.outbound_cidrs_exclude:
            yield self.nat(
                Chain.OUTBOUND,
                (Address(Side.DESTINATION, cidr),),
                Verdict.RETURN,
                f"Destination {cidr} is excluded from interception.",
                families=(family_of(cidr),),
            )
        for port in self.options.outbound_ports:
            yield self.nat(
                Chain.OUTBOUND,
                (_to(port),),
                Jump(Chain.REDIRECT),
                f"Outbound port {port} is captured whatever the address.",
            )
        if self.options.outbound_cidrs == ("*",):
            yield from self.outbound_capture((), "Everything else that is sent by TCP is captured.", self.families)
            return
        for family in self.families:
            for cidr in (cidr for cidr in self.options.outbound_cidrs if family_of(cidr) is family):
                destination = (Address(Side.DESTINATION, cidr),)
                yield from self.outbound_capture(destination, f"Destination {cidr} is captured.", (family,))

    def outbound_capture(
        self, destination: tuple[Address, ...], why: str, families: tuple[Family, ...]
    ) -> Iterator[Rule]:
        capture = self.nat(Chain.OUTBOUND, destination, Jump(Chain.REDIRECT), why, families)
        virtual = [
            self.nat(
                Chain.PREROUTING,
                (Interface(Direction.IN, name), *destination),
                Jump(Chain.REDIRECT),
                f"What the virtual machine behind {name} sends is captured as outbound traffic.",
                families,
                position=1,
            )
            for name in self.options.virtual_interfaces
        ]
        yield from (*virtual, capture) if destination else (capture, *virtual)

    def transparent_marks(self) -> Iterator[Rule]:
        mark = self.options.tproxy_mark
        marked = Mark(Marked.PACKET, mark)
        connection = Mark(Marked.CONNECTION, mark)
        from_loopback = Interface(Direction.IN, "lo")
        mangle = Table.MANGLE
        yield self.rule(
            mangle, Chain.PREROUTING, (_TCP, marked), SaveMark(), "The connection remembers that the proxy holds it."
        )
        yield self.rule(
            mangle,
            Chain.OUTPUT,
            (_TCP, _TO_LOOPBACK_INTERFACE, marked),
            Verdict.RETURN,
            "Packets that the proxy marked on loopback are left as they are.",
        )
        for owner in self.proxy_owners():
            for family in self.families:
                away = Address(Side.DESTINATION, self.loopback(family), negated=True)
                yield self.rule(
                    mangle,
                    Chain.OUTPUT,
                    (away, _TCP, _TO_LOOPBACK_INTERFACE, owner),
                    SetMark(SELF_CALL_MARK),
                    "A call of the proxy to its own pod is marked, so that the inbound side takes it.",
                    families=(family,),
                )
        yield self.rule(
            mangle,
            Chain.OUTPUT,
            (_TCP, connection),
            RestoreMark(),
            "Replies of a connection that the proxy holds are routed back to it.",
        )
        yield self.rule(
            mangle,
            Chain.INBOUND,
            (_TCP, marked),
            Verdict.RETURN,
            "What is marked already is not captured again.",
            None,
            1,
        )
        for family in self.families:
            yield self.rule(
                mangle,
                Chain.INBOUND,
                (_TCP, Address(Side.SOURCE, INBOUND_PASSTHROUGH[family]), from_loopback),
                Verdict.RETURN,
                "What the proxy delivers to the application is not captured again.",
                families=(family,),
                position=2,
            )
        yield self.rule(
            mangle,
            Chain.INBOUND,
            (_TCP, from_loopback, Mark(Marked.PACKET, SELF_CALL_MARK, negated=True)),
            Verdict.RETURN,
            "On loopback only the proxy's marked calls to its own pod are inbound traffic.",
            position=3,
        )
