"""Rules as one nftables transaction; its tables are `inet`, so a rule that names no address is written once."""

from collections.abc import Collection, Iterator, Sequence
from typing import assert_never

from lateen.iptables.rules import (
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
    Verdict,
    Zone,
)

_HOOKS = {
    Table.NAT: {
        Chain.PREROUTING: "{ type nat hook prerouting priority -100 ; }",
        Chain.OUTPUT: "{ type nat hook output priority -100 ; }",
    },
    Table.MANGLE: {
        Chain.PREROUTING: "{ type filter hook prerouting priority -150 ; }",
        Chain.OUTPUT: "{ type route hook output priority -150 ; }",
    },
    Table.RAW: {
        Chain.PREROUTING: "{ type filter hook prerouting priority -300 ; }",
        Chain.OUTPUT: "{ type filter hook output priority -300 ; }",
    },
}

_CHAINS = {
    Table.NAT: (Chain.INBOUND, Chain.REDIRECT, Chain.IN_REDIRECT, Chain.OUTBOUND, Chain.DNS),
    Table.MANGLE: (Chain.DIVERT, Chain.TPROXY, Chain.INBOUND, Chain.DROP),
    Table.RAW: (Chain.INBOUND, Chain.DNS),
}
"""Chains of ours in the order in which a table declares them, after the hooks."""

_ORDER: tuple[type[Match], ...] = (Interface, Protocol, Mark, Address, ConnectionState, Port, Owner)
"""The order of matches in a body; the raw table alone has the port first."""


def transaction(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The lines that put exactly these rules into the tables they are in, whatever stood there; none for no rules."""
    lines: list[str] = []
    for table in Table:
        own = [rule for rule in rules if rule.table is table]
        if own:
            lines += [f"add table {table_name(table)}", f"flush table {table_name(table)}"]
            lines += [*_chains(table, {rule.chain for rule in own}), *_rules(own)]
    return tuple(lines)


def removal(tables: Collection[Table]) -> tuple[str, ...]:
    """The lines that take the tables away; adding first makes that right for a table that is not there."""
    return tuple(
        f"{verb} table {table_name(table)}" for table in Table if table in tables for verb in ("add", "delete")
    )


def existing(listing: str) -> list[Table]:
    """Which of the tables are there, by the output of `nft list tables`."""
    lines = listing.splitlines()
    return [table for table in Table if f"table {table_name(table)}" in lines]


def body(rule: Rule) -> str:
    """The rule without its place: matches, counter, statement."""
    order = (Port, Address, Mark, Owner) if rule.table is Table.RAW else _ORDER
    matches = sorted(rule.matches, key=lambda match: order.index(type(match)))
    words = [word for match in matches for word in match_words(match, rule.table)]
    return " ".join([*words, statement(rule.target)])


def chain_name(chain: Chain) -> str:
    """The nftables name of a chain: `ISTIO_IN_REDIRECT` is `istio-in-redirect`."""
    return chain.lower().replace("_", "-")


def table_name(table: Table) -> str:
    """The family and name of a table."""
    return f"inet istio-proxy-{table}"


def _chains(table: Table, used: Collection[Chain]) -> Iterator[str]:
    for chain, definition in _HOOKS[table].items():
        if chain in used:
            yield f"add chain {table_name(table)} {chain_name(chain)} {definition}"
    for chain in _CHAINS[table]:
        if chain in used:
            yield f"add chain {table_name(table)} {chain_name(chain)}"


def _rules(rules: Sequence[Rule]) -> Iterator[str]:
    """Rule lines of one table; an insert at or past the end of what the transaction has so far is an addition."""
    counts: dict[Chain, int] = {}
    for rule in rules:
        count = counts.get(rule.chain, 0)
        counts[rule.chain] = count + 1
        where = f"rule {table_name(rule.table)} {chain_name(rule.chain)}"
        if rule.position is None or rule.position - 1 >= count:
            yield f"add {where} {body(rule)}"
        else:
            yield f"insert {where} index {rule.position - 1} {body(rule)}"


def match_words(match: Match, table: Table) -> Iterator[str]:
    """A match as nft takes it."""
    match match:
        case Interface(direction, name):
            yield from ("iifname" if direction is Direction.IN else "oifname", name)
        case Protocol(transport):
            yield from ("meta", "l4proto", transport)
        case Address(side, cidr, negated):
            yield from ("ip6" if ":" in cidr else "ip", "saddr" if side is Side.SOURCE else "daddr")
            yield from ("!=", cidr) if negated else (cidr,)
        case Port(transport, side, ports, negated):
            yield from (transport, "sport" if side is Side.SOURCE else "dport")
            numbers = [_port(port) for port in ports]
            value = numbers[0] if len(numbers) == 1 else "{ " + ", ".join(numbers) + " }"
            yield from ("!=", value) if negated else (value,)
        case Owner(kind, owner, negated):
            # The contract's text spells the raw table's form out; both mean the same.
            yield from ("meta",) if table is Table.RAW else ()
            yield "skuid" if kind is OwnerKind.USER else "skgid"
            yield from ("!=", owner) if negated else (owner,)
        case ConnectionState(states):
            yield from ("ct", "state", ",".join(states).lower())
        case Mark(of, value, negated):
            yield from ("mark",) if of is Marked.PACKET else ("ct", "mark")
            yield from ("!=", value) if negated else (value,)
        case _:
            assert_never(match)


def _port(text: str) -> str:
    """A range is `FIRST:LAST` in the options, either end of which may be left out, and `FIRST-LAST` here."""
    first, colon, last = text.partition(":")
    return f"{first or 0}-{last or 65535}" if colon else text


def statement(target: Target) -> str:
    """A target as nft takes it, with the counter."""
    match target:
        case Verdict():
            return f"counter {target.lower()}"
        case Jump(chain):
            return f"counter jump {chain_name(chain)}"
        case Redirect(port):
            return f"counter redirect to :{port}"
        case TransparentProxy(port, mark, family):
            protocol = "ip" if family is Family.IPV4 else "ip6"
            return f"tproxy {protocol} to :{port} meta mark set {mark} counter accept"
        case SetMark(value):
            return f"counter meta mark set {value}"
        case SaveMark():
            return "counter ct mark set mark"
        case RestoreMark():
            return "counter meta mark set ct mark"
        case Zone(number):
            return f"counter ct zone set {number}"
        case _:
            assert_never(target)
