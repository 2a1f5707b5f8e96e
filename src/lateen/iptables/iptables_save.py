"""What `iptables-save` and `ip6tables-save` print, with or without counters, as tables and chains of printed rules."""

from collections.abc import Mapping

from lateen.iptables.value import Value


class SavedChain(Value):
    """One chain as printed: its policy, empty for a chain that the kernel does not call, and its rules.

    A rule is its counted packets, None where they are not printed, and its words after `-A CHAIN`.
    """

    policy: str = ""
    rules: tuple[tuple[int | None, str], ...] = ()


Saved = Mapping[str, Mapping[str, SavedChain]]
"""Table, chain, what it holds."""


def parse_save(text: str) -> Saved:
    """Every table, with every chain that is declared or has rules.

    Left out are those of which the program says that nft made them and that it cannot print all.
    """
    policies: dict[str, dict[str, str]] = {}
    rules: dict[tuple[str, str], list[tuple[int | None, str]]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
            policies.setdefault(table, {})
        elif line.startswith(":"):
            chain, policy = line[1:].split()[:2]
            policies[table][chain] = policy.strip("-")
        elif line.startswith(("[", "-A ")):
            counters, _, rule = line.partition("-A ")
            chain, _, words = rule.partition(" ")
            policies[table].setdefault(chain, "")
            packets = int(counters[1:].partition(":")[0]) if counters else None
            rules.setdefault((table, chain), []).append((packets, words))
    return {
        table: {chain: SavedChain(policy, tuple(rules.get((table, chain), ()))) for chain, policy in chains.items()}
        for table, chains in policies.items()
        if not any(line.startswith(f"# Table `{table}'") and "incompatible" in line for line in text.splitlines())
    }
