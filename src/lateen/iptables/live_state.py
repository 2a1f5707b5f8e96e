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
    for table in Table:
        planned = [rule for rule in rules if rule.table is table]
        if _differs(saved.get(table, {}), planned):
            return LiveState.DIFFERENT
    return LiveState.IN_FORCE if all(exists(rule) for rule in rules) else LiveState.DIFFERENT


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
