"""What `iptables-save` shows, compared with the plan: is anything of ours there, and is it all there?"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from lateen.iptables.iptables_save import Saved, SavedChain
from lateen.iptables.restore import new_chains
from lateen.iptables.rules import Chain, Rule, Table

_TABLES = frozenset({"filter", *Table})
"""Those that a plan may touch."""
_OURS = "ISTIO"


class LiveState(Enum):
    """What was found: nothing, exactly the plan, or something else."""

    CLEAN = "clean"
    IN_FORCE = "in force"
    DIFFERENT = "different"


def compare(saved: Saved, rules: Sequence[Rule], exists: Callable[[Rule], bool]) -> LiveState:
    """How one family's saved rules stand to its planned ones; order is not compared.

    `exists` asks the kernel about one rule and is called only when chains and counts already agree.
    """
    if not rules or not _has_residue(saved):
        return LiveState.CLEAN
    for table in ("filter", *Table):
        planned = [rule for rule in rules if rule.table == table]
        if _differs(saved.get(table, {}), planned):
            return LiveState.DIFFERENT
    return LiveState.IN_FORCE if all(exists(rule) for rule in rules) else LiveState.DIFFERENT


def occupied(saved: Saved, rules: Sequence[Rule]) -> list[str]:
    """Chains that the plan would make and that are there already, as `ISTIO_OUTPUT in nat`."""
    planned = {table: new_chains([rule for rule in rules if rule.table is table]) for table in Table}
    return [f"{chain} in {table}" for table in Table for chain in planned[table] if chain in saved.get(table, {})]


def remains(saved: Saved) -> tuple[list[tuple[str, list[str]]], list[tuple[str, str]]]:
    """What is there of any plan: rules that jump into its chains, as (table, words after `-A`); and (table, chain)."""
    touched = {table: chains for table, chains in saved.items() if table in _TABLES}
    jumps = [
        (table, [chain, *words.split()])
        for table, chains in touched.items()
        for chain, printed in chains.items()
        for _, words in printed.rules
        if f"-j {_OURS}_" in words or f"-g {_OURS}_" in words
    ]
    ours = [(table, chain) for table, chains in touched.items() for chain in chains if chain.startswith(f"{_OURS}_")]
    return jumps, ours


def _has_residue(saved: Saved) -> bool:
    return any(
        printed.rules or chain.startswith(_OURS)
        for table, chains in saved.items()
        for chain, printed in chains.items()
        if table in _TABLES
    )


def _differs(chains: Mapping[str, SavedChain], planned: Sequence[Rule]) -> bool:
    ours: tuple[Chain, ...] = new_chains(planned)
    if any(chain.startswith(_OURS + "_") and chain not in ours for chain in chains):
        return True
    for chain in ours:
        expected = sum(rule.chain is chain for rule in planned)
        if chain not in chains or len(chains[chain].rules) != expected:
            return True
    return any(rule.chain not in chains for rule in planned)
