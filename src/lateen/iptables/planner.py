"""What every part of the plan shares: the run's options and host, and how a rule of it is made."""

from collections.abc import Iterator, Sequence

from lateen.iptables.options import Options
from lateen.iptables.rules import (
    BOTH,
    Chain,
    Direction,
    Family,
    Interface,
    Mark,
    Marked,
    Match,
    Owner,
    OwnerKind,
    Port,
    Protocol,
    Rule,
    Side,
    Table,
    Target,
    Transport,
)
from lateen.iptables.value import Value

DNS_AGENT_PORT = "15053"
INBOUND_PASSTHROUGH = {Family.IPV4: "127.0.0.6/32", Family.IPV6: "::6/128"}
"""Where the proxy's own connections to the application come from."""
SELF_CALL_MARK = "1338"
"""Marks, in TPROXY mode, what the proxy sends to its own pod."""

TCP = Protocol(Transport.TCP)
LOOPBACK_OUT = Interface(Direction.OUT, "lo")


class Host(Value):
    """What was found out about the host: IPv6, name servers as written in resolv.conf, and who the proxy runs as.

    `address` is its first one; it may be of IPv4 while there are rules for IPv6 too.
    """

    ipv6: bool = False
    address: str = "127.0.0.1"
    dns_v4: tuple[str, ...] = ()
    dns_v6: tuple[str, ...] = ()
    proxy_uids: tuple[str, ...] = ("1337",)
    proxy_gids: tuple[str, ...] = ("1337",)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that get rules; IPv4 always does."""
        return BOTH if self.ipv6 else (Family.IPV4,)


def captures_dns(options: Options, host: Host) -> bool:
    """Whether DNS is captured: asked for, and there is something to capture."""
    return options.redirect_dns and (options.capture_all_dns or bool(host.dns_v4 or host.dns_v6))


def family_of(cidr: str) -> Family:
    """The family of an address or range."""
    return Family.IPV6 if ":" in cidr else Family.IPV4


def to(*ports: str, transport: Transport = Transport.TCP, negated: bool = False) -> Port:
    """The packet goes to one of the ports, or to none of them."""
    return Port(transport, Side.DESTINATION, ports, negated)


class Planner(Value):
    """One run of the planner."""

    options: Options
    host: Host

    @property
    def families(self) -> tuple[Family, ...]:
        return self.host.families

    @property
    def dns(self) -> bool:
        return captures_dns(self.options, self.host)

    def rule(
        self,
        table: Table,
        chain: Chain,
        matches: Sequence[Match],
        target: Target,
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
        target: Target,
        why: str,
        families: Sequence[Family] | None = None,
        position: int | None = None,
    ) -> Rule:
        """The same in the table where most rules are."""
        return self.rule(Table.NAT, chain, matches, target, why, families, position)

    def loopback(self, family: Family) -> str:
        """What counts as the application's own loopback address."""
        return self.options.loopback_cidr if family is Family.IPV4 else "::1/128"

    def proxies(self) -> Iterator[Owner | Mark]:
        """What the proxy's packets are known by."""
        if self.options.proxy_mark:
            yield Mark(Marked.PACKET, self.options.proxy_mark)
            return
        for uid in self.host.proxy_uids:
            yield Owner(OwnerKind.USER, uid)
        for gid in self.host.proxy_gids:
            yield Owner(OwnerKind.GROUP, gid)
