"""Puts a plan into force in this network namespace, with nft in one transaction or with iptables family by family."""

from collections.abc import Callable, Iterator, Sequence

from lateen.iptables.errors import ApplyError
from lateen.iptables.iptables_save import parse_save
from lateen.iptables.live_state import LiveState, compare
from lateen.iptables.nft import removal, transaction
from lateen.iptables.options import Options
from lateen.iptables.planner import Host
from lateen.iptables.programs import Programs
from lateen.iptables.restore import new_chains, restore_lines, specification
from lateen.iptables.rules import HOOKS, Family, Jump, Rule, Table
from lateen.iptables.variant import Binaries, choose

Log = Callable[[str], None]

_ALREADY_THERE = ("File exists", "already assigned")
"""What `ip` says of an address, rule or route that is there; the words depend on the kernel."""


def apply(options: Options, host: Host, rules: Sequence[Rule], programs: Programs, log: Log) -> None:
    """Makes the rules of this network namespace those of the plan. Raises `ApplyError`; then none of them is in force.

    Applying what is in force already is a success that changes nothing.
    """
    if options.native_nftables:
        _apply_nft(options, rules, programs)
    else:
        _Iptables(options, host, rules, programs, log).apply()
    if not options.cleanup_only and not options.dry_run:
        _route(options, host, programs)


def _apply_nft(options: Options, rules: Sequence[Rule], programs: Programs) -> None:
    wanted = () if options.cleanup_only else transaction(rules)
    # Tables of an earlier plan without rules in this one would stay in force, so they leave in the same transaction.
    kept = {rule.table for rule in rules} if wanted else set()
    if lines := (*removal([table for table in Table if table not in kept]), *wanted):
        programs.run(["nft", "-f", "-"], lines)


def _route(options: Options, host: Host, programs: Programs) -> None:
    """The address that the proxy delivers from, and for TPROXY the routes that keep marked packets on this host."""
    if host.ipv6:
        _unless_present(programs, ["ip", "-6", "addr", "add", "::6/128", "dev", "lo"])
    if not options.transparent or not options.inbound_ports:
        return
    mark, table = options.tproxy_mark, options.tproxy_route_table
    for family in host.families:
        version = "-4" if family is Family.IPV4 else "-6"
        # Some kernels take the same rule twice, so it is looked for first.
        if not programs.run(["ip", version, "rule", "show", "fwmark", mark, "table", table]).strip():
            _unless_present(programs, ["ip", version, "rule", "add", "fwmark", mark, "lookup", table])
        local = ["ip", version, "route", "add", "local", "default", "dev", "lo", "table", table]
        _unless_present(programs, local)


def _unless_present(programs: Programs, argv: Sequence[str]) -> None:
    try:
        programs.run(argv)
    except ApplyError as error:
        if not any(words in str(error) for words in _ALREADY_THERE):
            raise


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

    def apply(self) -> None:
        states = {family: self.state(family) for family in self.binaries}
        # A family without planned rules is CLEAN here, whatever else it holds.
        clean = all(state is LiveState.CLEAN for state in states.values())
        in_force = not clean and all(states[family] is LiveState.IN_FORCE for family in self.host.families)
        if self.options.cleanup_only:
            self.remove()
        elif in_force and not self.options.force_apply:
            self.log("the rules are in force already")
            return
        elif clean or in_force or not self.options.reconcile:
            self.restore(undo=clean)
        else:
            self.replace()
        for family in self.host.families:
            self.log(self.programs.run([self.binaries[family].save]))

    def planned(self, family: Family) -> list[Rule]:
        return [rule for rule in self.rules if family in rule.families]

    def state(self, family: Family) -> LiveState:
        binaries = self.binaries[family]
        try:
            saved = parse_save(self.programs.run([binaries.save]))
        except ApplyError as error:
            self.log(f"warning: the rules in force cannot be read and count as none: {error}")
            return LiveState.CLEAN

        def exists(rule: Rule) -> bool:
            return self.attempt(binaries.tables, "-t", rule.table, "-C", rule.chain, *specification(rule))

        return compare(saved, self.planned(family), exists)

    def attempt(self, *argv: str) -> bool:
        """Whether the command succeeded."""
        try:
            self.programs.run(argv)
        except ApplyError:
            return False
        return True

    def restore(self, undo: bool) -> None:
        """Adds the rules of each family; when one fails and nothing of ours was there before, takes all away again."""
        try:
            for family in self.host.families:
                if lines := restore_lines(self.rules, family):
                    binaries = self.binaries[family]
                    self.programs.run([binaries.restore, "--noflush", *binaries.wait], lines)
        except ApplyError:
            if undo:
                self.remove()
            raise

    def replace(self) -> None:
        """Takes the old rules away and adds the new ones; meanwhile nothing passes, so nothing passes unproxied."""
        try:
            for command in self.guardrails("-I", "1"):
                self.programs.run(command)
            self.remove()
            self.restore(undo=False)
        finally:
            for command in self.guardrails("-D"):
                self.attempt(*command)

    def guardrails(self, *verb: str) -> Iterator[list[str]]:
        for family in self.host.families:
            binaries = self.binaries[family]
            for chain in ("INPUT", "FORWARD", "OUTPUT"):
                for transport in ("tcp", "udp"):
                    place = [verb[0], chain, *verb[1:]]
                    yield [binaries.tables, *binaries.wait, "-t", "filter", *place, "-p", transport, "-j", "DROP"]

    def remove(self) -> None:
        """Takes away what this plan would add, as far as it is there."""
        for family in self.host.families:
            binaries = self.binaries[family]
            program = (binaries.tables, *binaries.wait)
            planned = self.planned(family)
            for rule in reversed(planned):
                if rule.chain in HOOKS or isinstance(rule.target, Jump):
                    self.attempt(*program, "-t", rule.table, "-D", rule.chain, *specification(rule))
            for table in Table:
                for chain in new_chains([rule for rule in planned if rule.table is table]):
                    self.attempt(*program, "-t", table, "-F", chain)
                    self.attempt(*program, "-t", table, "-X", chain)
