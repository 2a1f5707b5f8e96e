"""Rules in force: per hook the chains that the kernel calls, and per chain its rules in the order packets meet them.

A plan and what is read back from the kernel become the same values here, in one spelling, so that they can be compared
and walked alike: ranges without host bits, numbers for names, no match that another one implies.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from lateen.iptables.nft import body, chain_name, table_name
from lateen.iptables.restore import specification
from lateen.iptables.rules import (
    HOOKS,
    Chain,
    Family,
    Jump,
    Redirect,
    RestoreMark,
    Rule,
    SaveMark,
    SetMark,
    Table,
    Target,
    TransparentProxy,
    Verdict,
    Zone,
)
from lateen.iptables.value import Value
from lateen.iptables.why.canonical import Condition, Unmodelled, canonical, canonical_of_iptables, number


class Hook(StrEnum):
    """Where the kernel calls chains: for what arrives, and for what processes of this host send."""

    PREROUTING = "PREROUTING"
    OUTPUT = "OUTPUT"


class Call(Value):
    """Go on in another chain; without `returns` not to come back to this one."""

    chain: str
    returns: bool = True


class Nothing(Value):
    """Only count or log."""


Consequence: TypeAlias = (
    Verdict | Call | Redirect | TransparentProxy | SetMark | SaveMark | RestoreMark | Zone | Nothing | Unmodelled
)


class Entry(Value):
    """One rule at its place: its conditions, what follows, how its tool writes it, and what it is for if that is known.

    `packets` is how many the kernel has counted, None for a plan.
    """

    matches: tuple[Condition, ...]
    target: Consequence
    text: str
    why: str = ""
    packets: int | None = None

    @property
    def meaning(self) -> tuple[tuple[Condition, ...], Consequence]:
        """What two rules that do the same have in common, however they are written."""
        return self.matches, self.target


class BaseChain(Value):
    """A chain that the kernel calls at a hook; lower priorities come first."""

    table: str
    chain: str
    hook: Hook
    priority: int
    translates: bool
    policy: Verdict = Verdict.ACCEPT


Chains: TypeAlias = Mapping[tuple[str, str], tuple[Entry, ...]]


class Ruleset(Value):
    """What is in force for the packets of one family; chains are found by the names of their table and themselves."""

    bases: tuple[BaseChain, ...] = ()
    chains: Chains = {}

    def at(self, hook: Hook) -> list[BaseChain]:
        """The chains of one hook in the order in which the kernel calls them."""
        return sorted((base for base in self.bases if base.hook is hook), key=lambda base: base.priority)

    def joined(self, other: "Ruleset") -> "Ruleset":
        """Both, for two tools in one network namespace; where priorities tie, the chains of this one come first."""
        return Ruleset((*self.bases, *other.bases), {**self.chains, **other.chains})


PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
"""Of the tables of iptables. Source: enum nf_ip_hook_priorities of the kernel."""


def planned_iptables(rules: Sequence[Rule], family: Family) -> Ruleset:
    """What iptables has in force for the family once the plan is restored."""

    def entry(rule: Rule) -> Entry:
        return Entry(
            canonical_of_iptables(rule.matches), _consequence(rule.target, str), " ".join(specification(rule)), rule.why
        )

    return _planned([rule for rule in rules if family in rule.families], entry, str, str)


def planned_nft(rules: Sequence[Rule]) -> Ruleset:
    """What nft has in force once the plan's transaction is through; its tables see the packets of both families."""

    def entry(rule: Rule) -> Entry:
        return Entry(canonical(rule.matches), _consequence(rule.target, chain_name), body(rule), rule.why)

    return _planned(rules, entry, table_name, chain_name)


def in_order(rules: Sequence[Rule]) -> list[Rule]:
    """One chain's rules in the order in which packets meet them, inserts carried out."""
    chain: list[Rule] = []
    for rule in rules:
        chain.insert(len(chain) if rule.position is None else rule.position - 1, rule)
    return chain


def _planned(
    rules: Sequence[Rule],
    entry: Callable[[Rule], Entry],
    table_named: Callable[[Table], str],
    chain_named: Callable[[Chain], str],
) -> Ruleset:
    bases: list[BaseChain] = []
    chains: dict[tuple[str, str], tuple[Entry, ...]] = {}
    for table, chain in dict.fromkeys((rule.table, rule.chain) for rule in rules):
        name = table_named(table), chain_named(chain)
        own = [rule for rule in rules if (rule.table, rule.chain) == (table, chain)]
        chains[name] = tuple(entry(rule) for rule in in_order(own))
        if chain in HOOKS:
            bases.append(BaseChain(*name, Hook(chain), PRIORITIES[table], table is Table.NAT))
    return Ruleset(tuple(bases), chains)


def _consequence(target: Target, chain_named: Callable[[Chain], str]) -> Consequence:
    match target:
        case Jump(chain):
            return Call(chain_named(chain))
        case SetMark(value):
            return SetMark(number(value))
        case TransparentProxy(port, mark, family):
            return TransparentProxy(port, number(mark), family)
        case _:
            return target
