"""The program: `lateen iptables`, and `istio-iptables` in a pod's init container.

Starts in a few hundredths of a second, because every pod waits for it: nothing heavy is imported here or below.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from lateen.iptables.apply import apply
from lateen.iptables.errors import ConfigurationError, InterceptionError
from lateen.iptables.host import detect
from lateen.iptables.options import Options, parse, usage
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host, captures_dns
from lateen.iptables.programs import RealPrograms, RecordedPrograms
from lateen.iptables.rules import Rule
from lateen.iptables.validate import validated


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
    if options.cni_mode:
        raise ConfigurationError("--cni-mode is not supported: run inside the pod's network namespace")
    host = detect(options)
    if options.redirect_dns and not captures_dns(options, host):
        _log("warning: no name server in /etc/resolv.conf, so DNS is not captured")
    if options.proxy_mark and (options.owner_groups != ("*",) or options.owner_groups_exclude):
        _log("warning: ISTIO_OUTBOUND_OWNER_GROUPS have no effect: the proxy is known by a mark, as there is one user")
    if options.why is not None or options.explain:
        from lateen.iptables.why import answer

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

        self_test.check(options, host.ipv6)
    return 0


def _program(options: Options, host: Host, rules: Sequence[Rule]) -> None:
    recorded = RecordedPrograms()
    # Istio's dry run still runs an nft transaction; ours changes nothing, as the word says.
    apply(options, host, rules, recorded if options.dry_run else RealPrograms(), _log)
    if options.dry_run:
        print("\n".join(recorded.lines))
        if options.dry_run_file:
            with open(options.dry_run_file, "w") as file:  # noqa: PTH123 (pathlib costs every pod 4 ms)
                file.writelines(f"{line}\n" for line in recorded.lines)
        return
    if not options.cleanup_only:
        tool = "nft" if options.native_nftables else "iptables"
        _log(f"{len(rules)} rules in force ({tool}, {' and '.join(host.families)})")


def _log(text: str) -> None:
    if text:
        print(text.rstrip("\n"), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
