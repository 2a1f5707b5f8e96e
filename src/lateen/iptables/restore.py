"""Rules as iptables writes them, and the input of `iptables-restore` and `ip6tables-restore`."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from lateen.iptables.rules import (
    HOOKS,
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
    Target,
    TransparentProxy,
    Transport,
    Verdict,
    Zone,
)

_ALPHABETICAL = tuple(sorted(Table))


def restore_lines(rules: Sequence[Rule], family: Family) -> tuple[str, ...]:
    """The lines fed to the family's restore program: per table its new chains, its rules, and a commit."""
    lines: list[str] = []
    for table in _ALPHABETICAL:
        own = [rule for rule in rules if rule.table is table and family in rule.families]
        if own:
            lines += [f"* {table}", *(f"-N {chain}" for chain in new_chains(own))]
            lines += [*(" ".join(command(rule)) for rule in own), "COMMIT"]
    return tuple(lines)


def new_chains(rules: Sequence[Rule]) -> tuple[Chain, ...]:
    """Chains of ours among one table's rules: those with rules in order of appearance, then mere jump targets."""
    filled = dict.fromkeys(rule.chain for rule in rules if rule.chain not in HOOKS)
    jumped = dict.fromkeys(rule.target.chain for rule in rules if isinstance(rule.target, Jump))
    return tuple(filled | jumped)


def command(rule: Rule) -> tuple[str, ...]:
    """The words that add the rule: `-A CHAIN …`, or `-I CHAIN n …`."""
    place = ("-A", str(rule.chain)) if rule.position is None else ("-I", str(rule.chain), str(rule.position))
    return (*place, *specification(rule))


def specification(rule: Rule) -> tuple[str, ...]:
    """The words of the rule itself, as `-C` and `-D` take them after the chain."""
    words: list[str] = []
    for match in rule.matches:
        if isinstance(match, Port) and Protocol(match.transport) not in rule.matches:
            words += ["-p", match.transport]
        words += _match(match)
    return (*words, "-j", *_target(rule.target, rule))


def _match(match: Match) -> Iterator[str]:
    if isinstance(match, Port) and len(match.ports) > 1:
        yield from ("-m", "multiport")
    elif isinstance(match, Owner):
        yield from ("-m", "owner")
    elif isinstance(match, Mark):
        yield from ("-m", "mark" if match.of is Marked.PACKET else "connmark")
    if isinstance(match, (Address, Port, Owner, Mark)) and match.negated:
        yield "!"
    match match:
        case Interface(direction, name):
            yield from ("-i" if direction is Direction.IN else "-o", name)
        case Protocol(transport):
            yield from ("-p", transport)
        case Address(side, cidr):
            yield from ("-s" if side is Side.SOURCE else "-d", cidr)
        case Port(_, side, ports):
            option = "--sport" if side is Side.SOURCE else "--dport"
            yield from (option + "s" if len(ports) > 1 else option, ",".join(ports))
        case Owner(kind, owner):
            yield from ("--uid-owner" if kind is OwnerKind.USER else "--gid-owner", owner)
        case ConnectionState(states):
            yield from ("-m", "conntrack", "--ctstate", ",".join(states))
        case Mark(_, value):
            yield from ("--mark", value)
        case _:
            assert_never(match)


def _target(target: Target, rule: Rule) -> tuple[str, ...]:
    match target:
        case Verdict():
            return (str(target),)
        case Jump(chain):
            return (str(chain),)
        case Redirect(port):
            # The contract's text has the singular for UDP; iptables takes both.
            udp = any(isinstance(match, Port) and match.transport is Transport.UDP for match in rule.matches)
            return ("REDIRECT", "--to-port" if udp else "--to-ports", port)
        case TransparentProxy(port, mark):
            return ("TPROXY", "--tproxy-mark", f"{mark}/0xffffffff", "--on-port", port)
        case SetMark(value):
            return ("MARK", "--set-mark", value)
        case SaveMark():
            return ("CONNMARK", "--save-mark")
        case RestoreMark():
            return ("CONNMARK", "--restore-mark")
        case Zone(number):
            return ("CT", "--zone", str(number))
        case _:
            assert_never(target)
