"""What is in force in this network namespace, whichever tool made it, with counters and what each rule is for."""

from collections.abc import Mapping, Sequence

from lateen.iptables.errors import ApplyError
from lateen.iptables.iptables_save import parse_save
from lateen.iptables.options import Options
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.programs import Programs
from lateen.iptables.rules import Family
from lateen.iptables.why.iptables_words import ruleset as saved_ruleset
from lateen.iptables.why.nft_listing import ruleset as listed_ruleset
from lateen.iptables.why.ruleset import Entry, Ruleset, planned_iptables, planned_nft

_PROGRAM = {Family.IPV4: ("iptables", "ip"), Family.IPV6: ("ip6tables", "ip6")}


def in_force(family: Family, programs: Programs) -> Ruleset:
    """The rules that packets of the family meet: those of iptables, nft variant first, then those of nft itself.

    Raises `ApplyError` where no tool is there that could list them, or one refuses.
    """
    name, nft_family = _PROGRAM[family]
    variants = [tool for tool in (f"{name}-nft-save", f"{name}-legacy-save") if programs.has(tool)]
    if not variants and programs.has(f"{name}-save"):
        variants = [f"{name}-save"]
    if not variants and not programs.has("nft"):
        raise ApplyError(f"neither {name} nor nft is installed: the rules in force cannot be listed")
    found, tables = Ruleset(), list[str]()
    for tool in variants:
        saved = parse_save(programs.run([tool, "-c"]))
        found = found.joined(_beside(found, saved_ruleset(saved, family)))
        tables += [f"{nft_family} {table}" for table in saved]
    if programs.has("nft"):
        found = found.joined(listed_ruleset(programs.run(["nft", "-j", "list", "ruleset"]), family, tables))
    return found


def _beside(first: Ruleset, second: Ruleset) -> Ruleset:
    """The second with tables that the first has too named as the older variant's."""
    taken = {table for table, _ in first.chains}

    def named(table: str) -> str:
        return f"legacy {table}" if table in taken else table

    bases = tuple(base.replaced(table=named(base.table)) for base in second.bases)
    return Ruleset(bases, {(named(table), chain): entries for (table, chain), entries in second.chains.items()})


def with_purposes(live: Ruleset, options: Options, host: Host, family: Family) -> Ruleset:
    """The rules in force, each with its purpose where a plan of these options has the same rule in the same chain."""
    by_iptables = planned_iptables(plan(options.replaced(native_nftables=False), host), family)
    by_nft = planned_nft(plan(options.replaced(native_nftables=True), host))
    purposes = _purposes(by_iptables.joined(by_nft))

    def explained(place: tuple[str, str], entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return tuple(entry.replaced(why=purposes.get((place, entry.meaning), "")) for entry in entries)

    return Ruleset(live.bases, {place: explained(place, entries) for place, entries in live.chains.items()})


def _purposes(planned: Ruleset) -> Mapping[object, str]:
    return {(place, entry.meaning): entry.why for place, entries in planned.chains.items() for entry in entries}
