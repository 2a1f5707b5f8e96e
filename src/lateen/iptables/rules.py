"""Interception rules as values: what `plan` makes, and what `restore` and `nft` write down.

A rule is one thing said once for one or both IP families. Matches stand in the order in which iptables prints them; the
names of tables and chains are iptables', and `nft` derives its own from them.
"""

from enum import StrEnum
from typing import TypeAlias

from lateen.iptables.value import Value


class Family(StrEnum):
    """An IP family."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


BOTH = (Family.IPV4, Family.IPV6)


class Table(StrEnum):
    """A netfilter table, in the order in which the nftables transaction takes them."""

    NAT = "nat"
    MANGLE = "mangle"
    RAW = "raw"


class Chain(StrEnum):
    """A chain; the first two are the kernel's hooks, the others are made by us."""

    PREROUTING = "PREROUTING"
    OUTPUT = "OUTPUT"
    INBOUND = "ISTIO_INBOUND"
    IN_REDIRECT = "ISTIO_IN_REDIRECT"
    OUTBOUND = "ISTIO_OUTPUT"
    REDIRECT = "ISTIO_REDIRECT"
    DNS = "ISTIO_OUTPUT_DNS"
    DIVERT = "ISTIO_DIVERT"
    TPROXY = "ISTIO_TPROXY"
    DROP = "ISTIO_DROP"


HOOKS = frozenset({Chain.PREROUTING, Chain.OUTPUT})


class Transport(StrEnum):
    """A transport protocol."""

    TCP = "tcp"
    UDP = "udp"


class Side(StrEnum):
    """Which end of a packet a match looks at."""

    SOURCE = "source"
    DESTINATION = "destination"


class Direction(StrEnum):
    """Which way a packet passes an interface."""

    IN = "in"
    OUT = "out"


class OwnerKind(StrEnum):
    """What of a sending process a match looks at."""

    USER = "user"
    GROUP = "group"


class Marked(StrEnum):
    """What carries a mark."""

    PACKET = "packet"
    CONNECTION = "connection"


class Interface(Value):
    """The packet comes in or goes out by this interface."""

    direction: Direction
    name: str


class Protocol(Value):
    """The packet is of this transport."""

    transport: Transport


class Address(Value):
    """One end of the packet is in the range, or is not; ranges keep their host bits."""

    side: Side
    cidr: str
    negated: bool = False


class Port(Value):
    """One end of the packet is one of the ports, or none of them; implies the transport."""

    transport: Transport
    side: Side
    ports: tuple[str, ...]
    negated: bool = False


class Owner(Value):
    """The sending process has this user or group, or has not."""

    kind: OwnerKind
    id: str
    negated: bool = False


class ConnectionState(Value):
    """Connection tracking gives the packet one of these states, in upper case."""

    states: tuple[str, ...]


class Mark(Value):
    """The packet or its connection carries the mark, or does not."""

    of: Marked
    value: str
    negated: bool = False


Match: TypeAlias = Interface | Protocol | Address | Port | Owner | ConnectionState | Mark


class Verdict(StrEnum):
    """Targets without an argument."""

    RETURN = "RETURN"
    ACCEPT = "ACCEPT"
    DROP = "DROP"


class Jump(Value):
    """Go on in another chain of ours."""

    chain: Chain


class Redirect(Value):
    """Send the connection to a port of this host."""

    port: str


class TransparentProxy(Value):
    """Hand the packet, addresses unchanged, to a transparent socket on the port, and mark it."""

    port: str
    mark: str
    family: Family


class SetMark(Value):
    """Mark the packet."""

    value: str


class SaveMark(Value):
    """Copy the packet's mark to its connection."""


class RestoreMark(Value):
    """Copy the connection's mark to the packet."""


class Zone(Value):
    """Track the connection in a zone of its own, so that equal tuples on both ways of DNS do not collide."""

    number: int


Target: TypeAlias = Verdict | Jump | Redirect | TransparentProxy | SetMark | SaveMark | RestoreMark | Zone


class Rule(Value):
    """One rule: where it stands, what it matches, what it does, and what it is for.

    `position` is the 1-based place of an insert, None for an append. `why` is one plain sentence.
    """

    table: Table
    chain: Chain
    matches: tuple[Match, ...]
    target: Target
    why: str
    families: tuple[Family, ...] = BOTH
    position: int | None = None
