"""Puts a plan into force in this network namespace, with nft in one transaction or with iptables family by family."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from lateen.iptables import routes
from lateen.iptables.errors import ApplyError
from lateen.iptables.iptables_save import Saved, parse_save
from lateen.iptables.live_state import LiveState, compare, occupied, remains
from lateen.iptables.nft import existing, removal, transaction
from lateen.iptables.options import Options
from lateen.iptables.planner import Host
from lateen.iptables.programs import Programs
from lateen.iptables.restore import new_chains, restore_lines, specification
from lateen.iptables.rules import HOOKS, Chain, Family, Jump, Rule, Table
from lateen.iptables.variant import Binaries, choose

Log = Callable[[str], None]


def apply(options: Options, host: Host, rules: Sequence[Rule], programs: Programs, log: Log) -> None:
    """Makes the rules of this network namespace those of the plan.

    Applying what is in force already is a success that changes nothing. Raises `ApplyError`; then either none of the
    rules is in force, or, where nothing was changed yet, those that were.
    """
    backend = (
        _Nft(options, rules, programs) if options.native_nftables else _Iptables(options, host, rules, programs, log)
    )
    if options.cleanup_only:
        backend.remove()
        if not options.dry_run:
            routes.remove(options, host, programs)
        return
    changed = backend.apply()
    if options.dry_run:
        return
    try:
        routes.add(options, host, programs)
    except ApplyError:
        if changed:
            backend.remove()
        raise


class _Nft:
    """One run with nft: every change is one transaction."""

    def __init__(self, options: Options, rules: Sequence[Rule], programs: Programs) -> None:
        self.options, self.rules, self.programs = options, rules, programs

    def apply(self) -> bool:
        """Whether anything was changed. Tables of an earlier plan without rules in this one leave at once."""
        lines = (*removal(self._left_over()), *transaction(self.rules))
        self.programs.run(["nft", "-f", "-"], lines)
        return True

    def _left_over(self) -> list[Table]:
        # Asked first: a transaction that deletes waits 10 ms for the kernel, and few pods have anything to delete.
        kept = {rule.table for rule in self.rules}
        there = [] if self.options.dry_run else existing(self.programs.run(["nft", "list", "tables"]))
        return [table for table in there if table not in kept]

    def remove(self) -> None:
        self.programs.run(["nft", "-f", "-"], removal(tuple(Table)))


class _Iptables:
    """One run with the iptables programs: look at what is there, decide, restore."""

    def __init__(self, options: Options, host: Host, rules: Sequence[Rule], programs: Programs, log: Log) -> None:
        self.options, self.host, self.rules, self.programs, self.log = options, host, rules, programs, log
        self.binaries: dict[Family, Binaries] = {}
        for family in Family:
            try:
                self.binaries[family] = choose(family, options, programs)
            except ApplyError as error:
                if family in host.families:
                    raise
                log(f"warning: {error}; IPv6 is off, so this is harmless")

    def apply(self) -> bool:
        """Whether anything was changed; the last word of the log is what is in force, also after an error."""
        try:
            return self._apply()
        finally:
            self._log_saved()

    def _apply(self) -> bool:
        saved = {family: self._saved(family) for family in self.binaries}
        # A family without planned rules is CLEAN here, whatever else it holds.
        states = {family: self._state(family, saved[family]) for family in self.binaries}
        clean = all(state is LiveState.CLEAN for state in states.values())
        in_force = not clean and all(states[family] is LiveState.IN_FORCE for family in self.host.families)
        if in_force and not self.options.force_apply:
            self.log("the rules are in force already")
            return False
        if not clean and not in_force and self.options.reconcile:
            self._replace()
            return True
        for family in self.host.families:
            if found := occupied(saved[family], self._planned(family)):
                raise ApplyError(
                    f"{family} chains are there already: {', '.join(found)}; nothing was changed: "
                    "--reconcile replaces rules that differ"
                )
        self._restore()
        return True

    def remove(self) -> None:
        """Takes away what this plan would add, as far as it is there, and what is left of chains of any plan."""
        try:
            self._remove()
        finally:
            self._log_saved()

    def _remove(self) -> None:
        for family in self.host.families:
            binaries, planned = self.binaries[family], self._planned(family)
            program = (binaries.tables, *binaries.wait)
            for rule in reversed(planned):
                if rule.chain in HOOKS or isinstance(rule.target, Jump):
                    self._attempt(*program, "-t", rule.table, "-D", rule.chain, *specification(rule))
            jumps, left = remains(self._saved(family))
            for table, words in jumps:
                self._attempt(*program, "-t", table, "-D", *words)
            made = [(table, chain) for table in Table for chain in _made(planned, table)]
            chains = dict.fromkeys([*made, *left])
            for verb in ("-F", "-X"):
                for table, chain in chains:
                    self._attempt(*program, "-t", table, verb, chain)

    def _planned(self, family: Family) -> list[Rule]:
        return [rule for rule in self.rules if family in rule.families]

    def _saved(self, family: Family) -> Saved:
        try:
            return parse_save(self.programs.run([self.binaries[family].save]))
        except ApplyError as error:
            self.log(f"warning: the rules in force cannot be read and count as none: {error}")
            return {}

    def _log_saved(self) -> None:
        for family in self.host.families:
            with suppress(ApplyError):
                self.log(self.programs.run([self.binaries[family].save]))

    def _state(self, family: Family, saved: Saved) -> LiveState:
        binaries = self.binaries[family]

        def exists(rule: Rule) -> bool:
            words = (binaries.tables, *binaries.wait, "-t", rule.table, "-C", rule.chain, *specification(rule))
            return self._attempt(*words)

        return compare(saved, self._planned(family), exists)

    def _attempt(self, *argv: str) -> bool:
        """Whether the command succeeded."""
        try:
            self.programs.run(argv)
        except ApplyError:
            return False
        return True

    def _restore(self) -> None:
        """Adds the rules of each family; when one fails, takes all away again."""
        try:
            for family in self.host.families:
                if lines := restore_lines(self.rules, family):
                    binaries = self.binaries[family]
                    self.programs.run([binaries.restore, "--noflush", *binaries.wait], lines)
        except ApplyError:
            self._remove()
            raise

    def _replace(self) -> None:
        """Takes the old rules away and adds the new ones; meanwhile nothing passes, so nothing passes unproxied."""
        for command in self._guardrails("-D"):
            self._attempt(*command)
        try:
            for command in self._guardrails("-I", "1"):
                self.programs.run(command)
            self._remove()
            self._restore()
        finally:
            for command in self._guardrails("-D"):
                self._attempt(*command)

    def _guardrails(self, *verb: str) -> Iterator[list[str]]:
        for family in self.host.families:
            binaries = self.binaries[family]
            for chain in ("INPUT", "FORWARD", "OUTPUT"):
                for transport in ("tcp", "udp"):
                    place = [verb[0], chain, *verb[1:]]
                    yield [binaries.tables, *binaries.wait, "-t", "filter", *place, "-p", transport, "-j", "DROP"]


def _made(rules: Sequence[Rule], table: Table) -> tuple[Chain, ...]:
    return new_chains([rule for rule in rules if rule.table is table])
