"""One spelling of what rules match, whether written in a plan, printed by iptables-save or listed by nft."""

from typing import TypeAlias

from lateen.iptables.rules import (
    Address,
    ConnectionState,
    Interface,
    Mark,
    Match,
    Owner,
    OwnerKind,
    Port,
    Protocol,
)
from lateen.iptables.value import Value

_ALL_PORTS = "0:65535"


class Unmodelled(Value):
    """A match or a target that is only known as text."""

    text: str


class OtherProtocol(Value):
    """The packet is neither TCP nor UDP."""

    name: str


Condition: TypeAlias = Match | OtherProtocol | Unmodelled


def canonical(matches: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The matches in one spelling and order, without those that others imply.

    Ranges lose their host bits, names of users and groups become numbers where this machine knows them.
    """
    spelt = [_spelt(match) for match in matches]
    implied = [Protocol(match.transport) for match in spelt if isinstance(match, Port)]
    return tuple(sorted({match for match in spelt if match not in implied}, key=repr))


def canonical_of_iptables(matches: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The same for matches of iptables: `eth+` is nft's `eth*`, and a range of all addresses says nothing."""
    return canonical(
        tuple(
            match.replaced(name=match.name[:-1] + "*")
            if isinstance(match, Interface) and match.name.endswith("+")
            else match
            for match in matches
            if not isinstance(match, Address) or match.negated or not match.cidr.endswith("/0")
        )
    )


def number(text: str) -> str:
    """A mark in decimal digits, whatever its base."""
    return str(int(text, 16 if text.lower().startswith("0x") else 10))


def _spelt(match: Condition) -> Condition:
    match match:
        case Address(side, cidr, negated):
            return Address(side, _network(cidr), negated)
        case Port(transport, side, ports, negated):
            spans = sorted({_span(port) for port in ports}, key=lambda span: [int(end) for end in span.split(":")])
            if spans == [_ALL_PORTS] and not negated:
                return Protocol(transport)
            return Port(transport, side, tuple(spans), negated)
        case Owner(kind, owner, negated):
            return Owner(kind, _owner(kind, owner), negated)
        case ConnectionState(states):
            return ConnectionState(tuple(sorted(state.upper() for state in states)))
        case Mark(of, value, negated):
            return Mark(of, number(value), negated)
        case _:
            return match


def _network(cidr: str) -> str:
    from ipaddress import ip_network

    return str(ip_network(cidr, strict=False))


def _span(port: str) -> str:
    first, _, last = port.replace("-", ":").partition(":")
    return str(int(first)) if not last or int(first) == int(last) else f"{int(first)}:{int(last)}"


def _owner(kind: OwnerKind, owner: str) -> str:
    """The number of a name; a range of numbers and an unknown name as they are."""
    if owner.replace("-", "").isdecimal():
        return owner
    from grp import getgrnam
    from pwd import getpwnam

    try:
        return str(getpwnam(owner).pw_uid if kind is OwnerKind.USER else getgrnam(owner).gr_gid)
    except KeyError:
        return owner
