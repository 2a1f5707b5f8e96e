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
from lateen.iptables.options import Options, parse, usage
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host, captures_dns
from lateen.iptables.programs import RealPrograms, RecordedPrograms
from lateen.iptables.rules import Rule
from lateen.iptables.validate import unknown_owners, validated


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the program with the arguments after its name; the exit code, with every error already printed."""
    try:
        options = parse(argv, environ)
        if options.help:
            print(usage())
            return 0
        return _run(options)
    except InterceptionError as error:
        _log(f"error: {error}")
        return error.exit_code


def _run(written: Options) -> int:
    options = validated(written)
    if options.output != "text" and options.why is None:
        raise ConfigurationError("--output goes with --why: nothing else is printed as JSON")
    if options.inbound_mode not in ("", "REDIRECT", "TPROXY"):
        _log(f"warning: inbound interception mode {options.inbound_mode!r} acts as REDIRECT (-m knows TPROXY besides)")
    if options.network_namespace:
        namespaces.enter_network(options.network_namespace)
    host = detect(options)
    if options.redirect_dns and not captures_dns(options, host):
        _log("warning: no name server in /etc/resolv.conf, so DNS is not captured")
    if options.proxy_mark and (options.owner_groups != ("*",) or options.owner_groups_exclude):
        _log("warning: ISTIO_OUTBOUND_OWNER_GROUPS have no effect: the proxy is known by a mark, as there is one user")
    if options.why is not None or options.explain:
        from lateen.iptables.why.answer import answer

        text, known = answer(options, host, RealPrograms())
        print(text)
        return 0 if known else 1
    if options.live:
        raise ConfigurationError("--live goes with --why or --explain: it tells what is in force and changes nothing")
    rules = plan(options, host)
    if not options.skip_rule_apply:
        _program(options, host, rules)
    if options.run_validation and not options.dry_run:
        from lateen.iptables import self_test

        self_test.check(options, ":" in host.address)
    return 0


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


def _log(text: str) -> None:
    if text:
        print(text.rstrip("\n"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
