"""What `iptables-save` shows, compared with the plan: is anything of ours there, and is it all there?"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from lateen.iptables.restore import new_chains
from lateen.iptables.rules import Chain, Rule, Table

_TABLES = frozenset({"filter", *Table})
_OURS = "ISTIO"

Saved = Mapping[str, Mapping[str, Sequence[str]]]
"""Table, chain, rules as printed."""


class LiveState(Enum):
    """What was found: nothing, exactly the plan, or something else."""

    CLEAN = "clean"
    IN_FORCE = "in force"
    DIFFERENT = "different"


def parse_save(text: str) -> Saved:
    """The tables that a plan may touch, with every chain that is declared or has rules."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = {}
            if line[1:].strip() in _TABLES:
                tables[line[1:].strip()] = chains
        elif line.startswith(":"):
            chains.setdefault(line[1:].split()[0], [])
        elif line.startswith("-A "):
            chains.setdefault(line.split()[1], []).append(line)
    return tables


def compare(saved: Saved, rules: Sequence[Rule], exists: Callable[[Rule], bool]) -> LiveState:
    """How one family's saved rules stand to its planned ones; order is not compared.

    `exists` asks the kernel about one rule and is called only when chains and counts already agree.
    """
    if not rules or not _has_residue(saved):
        return LiveState.CLEAN
    for table in Table:
        planned = [rule for rule in rules if rule.table is table]
        if _differs(saved.get(table, {}), planned):
            return LiveState.DIFFERENT
    return LiveState.IN_FORCE if all(exists(rule) for rule in rules) else LiveState.DIFFERENT


def _has_residue(saved: Saved) -> bool:
    return any(rules or chain.startswith(_OURS) for chains in saved.values() for chain, rules in chains.items())


def _differs(chains: Mapping[str, Sequence[str]], planned: Sequence[Rule]) -> bool:
    ours: tuple[Chain, ...] = new_chains(planned)
    if any(chain.startswith(_OURS + "_") and chain not in ours for chain in chains):
        return True
    for chain in ours:
        expected = sum(rule.chain is chain for rule in planned)
        if chain not in chains or len(chains[chain]) != expected:
            return True
    return any(rule.chain not in chains for rule in planned)
