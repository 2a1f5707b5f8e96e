"""The program: `lateen iptables`, and `istio-iptables` in a pod's init container.

Starts in a few hundredths of a second, because every pod waits for it: nothing heavy is imported here or below.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from lateen.iptables import namespaces
from lateen.iptables.apply import apply
from lateen.iptables.errors import ApplyError, ConfigurationError, InterceptionError
from lateen.iptables.host import detect
from lateen.iptables.nft import body, chain_name
from lateen.iptables.options import Options, parse, usage
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host, captures_dns
from lateen.iptables.programs import RealPrograms, RecordedPrograms
from lateen.iptables.restore import command
from lateen.iptables.rules import Rule
from lateen.iptables.validate import unknown_owners, validated


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the program with the arguments after its name; the exit code, with every error already printed."""
    try:
        options = parse(argv, environ)
        if options.help:
            print(usage())
            return 0
        _run(options)
    except InterceptionError as error:
        _log(f"error: {error}")
        return error.exit_code
    return 0


def _run(written: Options) -> None:
    options = validated(written)
    if options.inbound_mode not in ("", "REDIRECT", "TPROXY"):
        _log(f"warning: inbound interception mode {options.inbound_mode!r} acts as REDIRECT (-m knows TPROXY besides)")
    if options.network_namespace:
        namespaces.enter_network(options.network_namespace)
    host = detect(options)
    if options.redirect_dns and not captures_dns(options, host):
        _log("warning: no name server in /etc/resolv.conf, so DNS is not captured")
    rules = plan(options, host)
    if options.explain:
        print("\n".join(explained(rules, host, options.native_nftables)))
        return
    if not options.skip_rule_apply:
        _program(options, host, rules)
    if options.run_validation and not options.dry_run:
        from lateen.iptables import self_test

        self_test.check(options, ":" in host.address)


def _program(options: Options, host: Host, rules: Sequence[Rule]) -> None:
    # Istio's dry run still runs an nft transaction; ours changes nothing, as the word says.
    if options.dry_run:
        recorded = RecordedPrograms()
        apply(options, host, rules, recorded, _log)
        _show(recorded.lines, options.dry_run_file)
        return
    try:
        apply(options, host, rules, _programs(options), _log)
    except ApplyError as error:
        raise ApplyError("; ".join([str(error), *unknown_owners(options)])) from None
    if not options.cleanup_only:
        tool = "nft" if options.native_nftables else "iptables"
        _log(f"{len(rules)} rules in force ({tool}, {' and '.join(host.families)})")


def _programs(options: Options) -> RealPrograms:
    """How programs run: as they are, or as a CNI plug-in on the node needs them."""
    if not options.cni_mode:
        return RealPrograms()
    lock_file = options.network_namespace or namespaces.OWN_NETWORK
    variables = {"XTABLES_LOCKFILE": lock_file}
    try:
        namespaces.enclose_xtables(lock_file)
    except OSError as error:
        _log(f"warning: programs run without mounts of their own, and lock the whole host: {error}")
        variables = {}
    return RealPrograms("the host's file system", variables)


def _show(lines: Sequence[str], path: str) -> None:
    print("\n".join(lines))
    if not path:
        return
    try:
        with open(path, "w") as file:  # noqa: PTH123 (pathlib costs every pod 4 ms)
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise ConfigurationError(f"DRY_RUN_FILE_PATH {path} cannot be written: {error.strerror}") from None


def explained(rules: Sequence[Rule], host: Host, nftables: bool) -> list[str]:
    """Each rule as its tool writes it, with what it is for; per table and chain, in the order that packets see."""
    lines: list[str] = []
    for table, chain in dict.fromkeys((rule.table, rule.chain) for rule in rules):
        lines.append(f"table {table}, chain {chain_name(chain) if nftables else chain}")
        for rule in in_force([rule for rule in rules if (rule.table, rule.chain) == (table, chain)]):
            families = "" if rule.families == host.families else f" [{' and '.join(rule.families)}]"
            text = body(rule) if nftables else " ".join(command(rule)[2 if rule.position is None else 3 :])
            lines += [f"  {text}{families}", f"      {rule.why}"]
    return lines


def in_force(rules: Sequence[Rule]) -> list[Rule]:
    """One chain's rules in the order in which packets meet them, inserts carried out."""
    chain: list[Rule] = []
    for rule in rules:
        chain.insert(len(chain) if rule.position is None else rule.position - 1, rule)
    return chain


def _log(text: str) -> None:
    if text:
        print(text.rstrip("\n"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
