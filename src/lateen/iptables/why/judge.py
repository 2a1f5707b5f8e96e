"""Whether a rule's match applies to a packet: yes, no, or not to be said."""

from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import assert_never

from lateen.iptables.rules import (
    Address,
    ConnectionState,
    Direction,
    Interface,
    Mark,
    Marked,
    Owner,
    OwnerKind,
    Port,
    Protocol,
    Side,
)
from lateen.iptables.why.canonical import Condition, OtherProtocol, Unmodelled
from lateen.iptables.why.packet import Packet, is_loopback


class Answer(StrEnum):
    """Whether something applies."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def judged(matches: tuple[Condition, ...], packet: Packet) -> Answer:
    """Whether all matches apply: one that does not is enough for no, whatever the others are.

    The packet's direction says at which hook it is: one that comes in has no sender here, whoever that was.
    """
    answers = {_judged(match, packet) for match in matches}
    return Answer.NO if Answer.NO in answers else Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.YES


def _judged(match: Condition, packet: Packet) -> Answer:
    match match:
        case Interface(direction, name):
            return _yes(direction is packet.direction and _named(packet.interface, name))
        case Protocol(transport):
            return _yes(transport is packet.transport)
        case OtherProtocol():
            return Answer.NO
        case Address():
            return _address(match, packet)
        case Port(transport, side, ports, negated):
            port = packet.source_port if side is Side.SOURCE else packet.destination_port
            # Also a negated port match is one of its transport.
            return _yes(transport is packet.transport and any(_within(port, span) for span in ports) != negated)
        case Owner():
            return _owner(match, packet)
        case ConnectionState(states):
            return _yes(packet.state in states)
        case Mark(of, value, negated):
            mark = packet.mark if of is Marked.PACKET else packet.connection_mark
            return _yes((mark == int(value)) != negated)
        case Unmodelled():
            return Answer.UNKNOWN
        case _:
            assert_never(match)


def _yes(applies: bool) -> Answer:
    return Answer.YES if applies else Answer.NO


def _named(interface: str, name: str) -> bool:
    return interface.startswith(name[:-1]) if name.endswith("*") else interface == name


def _within(number: int, span: str) -> bool:
    first, _, last = span.replace("-", ":").partition(":")
    return int(first) <= number <= int(last or first)


def _address(match: Address, packet: Packet) -> Answer:
    address = packet.source if match.side is Side.SOURCE else packet.destination
    network = ip_network(match.cidr)
    if (network.version == 6) != (":" in packet.destination):
        return Answer.NO
    if address is None:
        inside_loopback = is_loopback(str(network.network_address))
        return _yes(match.negated) if inside_loopback else Answer.UNKNOWN
    return _yes((ip_address(address) in network) != match.negated)


def _owner(match: Owner, packet: Packet) -> Answer:
    if packet.direction is Direction.IN:
        return Answer.NO
    if not match.id.replace("-", "").isdecimal():
        return Answer.UNKNOWN
    sender = packet.uid if match.kind is OwnerKind.USER else packet.gid
    return _yes((sender is not None and _within(sender, match.id)) != match.negated)
