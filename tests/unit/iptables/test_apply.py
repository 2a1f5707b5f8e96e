from collections.abc import Sequence

import pytest

from lateen.iptables.apply import apply
from lateen.iptables.errors import ApplyError
from lateen.iptables.iptables_save import parse_save
from lateen.iptables.live_state import LiveState, compare
from lateen.iptables.nft import transaction
from lateen.iptables.options import Options, parse
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.programs import RecordedPrograms
from lateen.iptables.restore import restore_lines
from lateen.iptables.rules import Family, Rule

DEFAULT = parse(["-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*", "-d", "15090"], {})
HOST = Host()
RULES = plan(DEFAULT, HOST)


class Kernel(RecordedPrograms):
    """Answers like a machine whose rules are given; what is run is kept as whole commands."""

    def __init__(self, saved: str = "", failing: Sequence[str] = ()) -> None:
        super().__init__()
        self.saved, self.failing = saved, failing
        self.commands: list[str] = []

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        command = " ".join(argv)
        self.commands.append(command)
        self.lines += lines
        if any(part in command for part in self.failing):
            raise ApplyError(f"{command} failed")
        if command.endswith("--version"):
            return "iptables-save v1.8.9 (nf_tables)"
        return self.saved if command in ("iptables-save", "nft list tables") else ""

    def has(self, program: str) -> bool:
        return program in ("iptables", "ip6tables")


def always(_: Rule) -> bool:
    return True


def saved(rules: Sequence[Rule]) -> str:
    lines = restore_lines(rules, Family.IPV4)
    return "\n".join(
        "*" + line[2:] if line.startswith("* ") else f":{line[3:]} - [0:0]" if line.startswith("-N") else line
        for line in [*lines[:1], ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *lines[1:]]
    )


def run(options: Options, kernel: Kernel) -> list[str]:
    messages: list[str] = []
    apply(options, HOST, RULES, kernel, messages.append)
    return messages


def test_an_empty_machine_gets_the_rules() -> None:
    kernel = Kernel()
    run(DEFAULT, kernel)

    assert "iptables-restore --noflush" in kernel.commands
    assert kernel.lines == list(restore_lines(RULES, Family.IPV4))


def test_rules_in_force_are_left_alone() -> None:
    kernel = Kernel(saved(RULES))
    messages = run(DEFAULT, kernel)

    assert messages[0] == "the rules are in force already"
    assert not kernel.lines


def test_a_rule_that_is_missing_is_a_difference() -> None:
    kernel = Kernel(saved(RULES), failing=["-C ISTIO_REDIRECT"])
    with pytest.raises(ApplyError, match="--reconcile"):
        run(DEFAULT, kernel)


def test_without_reconcile_rules_that_differ_stay_as_they_are() -> None:
    kernel = Kernel(saved(RULES[:-1]))
    with pytest.raises(ApplyError, match=r"ISTIO_INBOUND in nat.*nothing was changed"):
        run(DEFAULT, kernel)

    assert {command.split()[0] for command in kernel.commands} == {"iptables-save", "ip6tables-save"}


def test_foreign_rules_do_not_hinder() -> None:
    kernel = Kernel("*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p icmp -j ACCEPT\nCOMMIT")
    run(DEFAULT, kernel)

    assert "iptables-restore --noflush" in kernel.commands


def test_force_apply_of_what_is_in_force_is_refused_before_anything_changes() -> None:
    kernel = Kernel(saved(RULES))
    with pytest.raises(ApplyError, match="there already"):
        run(DEFAULT.replaced(force_apply=True), kernel)

    assert not kernel.lines


def test_reconciling_guards_cleans_applies_and_removes_the_guards() -> None:
    kernel = Kernel(saved(RULES[:-1]))
    run(parse(["-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*", "-d", "15090", "--reconcile"], {}), kernel)
    guards = [command for command in kernel.commands if "-t filter" in command]
    restored = kernel.commands.index("iptables-restore --noflush")

    assert [command.split()[3] for command in guards] == ["-D"] * 6 + ["-I"] * 6 + ["-D"] * 6
    assert kernel.commands.index(guards[6]) < kernel.commands.index("iptables -t nat -X ISTIO_OUTPUT") < restored
    assert restored < len(kernel.commands) - kernel.commands[::-1].index(guards[12]) - 1


def test_a_failed_restore_on_a_clean_machine_takes_everything_away_again() -> None:
    kernel = Kernel(failing=["iptables-restore"])
    with pytest.raises(ApplyError, match="iptables-restore"):
        run(DEFAULT, kernel)

    assert "iptables -t nat -D OUTPUT -j ISTIO_OUTPUT" in kernel.commands


def test_cleanup_takes_chains_of_another_plan_too_and_jumps_before_chains() -> None:
    other = (
        "*mangle\n:PREROUTING ACCEPT [0:0]\n:ISTIO_DROP - [0:0]\n-A PREROUTING -m mark --mark 1 -j ISTIO_DROP\nCOMMIT"
    )
    kernel = Kernel(other)
    run(DEFAULT.replaced(cleanup_only=True), kernel)
    order = [
        kernel.commands.index(f"iptables -t {words}")
        for words in (
            "mangle -D PREROUTING -m mark --mark 1 -j ISTIO_DROP",
            "mangle -F ISTIO_DROP",
            "nat -X ISTIO_INBOUND",
        )
    ]

    assert order == sorted(order)
    assert "iptables -t mangle -X ISTIO_DROP" in kernel.commands


def test_an_unplanned_chain_of_ours_in_any_table_is_a_difference() -> None:
    found = parse_save(saved(RULES) + "\n*filter\n:ISTIO_OLD - [0:0]\nCOMMIT")
    assert compare(found, RULES, always) is LiveState.DIFFERENT


def test_the_last_word_of_the_log_is_what_is_in_force_also_after_an_error() -> None:
    messages: list[str] = []
    with pytest.raises(ApplyError):
        apply(DEFAULT, HOST, RULES, Kernel("*nat\nCOMMIT", failing=["iptables-restore"]), messages.append)
    assert messages[-1] == "*nat\nCOMMIT"

    assert run(DEFAULT, Kernel(saved(RULES)))[-1] == saved(RULES)


@pytest.mark.parametrize("native", [False, True])
def test_when_a_route_is_refused_no_rule_stays(native: bool) -> None:
    kernel = Kernel(failing=["ip -4 rule add"])
    options = parse(["-m", "TPROXY", "-b", "*", *(["--native-nftables"] if native else [])], {})
    with pytest.raises(ApplyError, match="rule add"):
        apply(options, HOST, RULES, kernel, print)

    gone = "delete table inet istio-proxy-nat" if native else "iptables -t nat -D OUTPUT -j ISTIO_OUTPUT"
    assert gone in (kernel.lines if native else kernel.commands)


def test_cleanup_takes_routes_and_addresses_away() -> None:
    kernel = Kernel()
    options = parse(["-m", "TPROXY", "-b", "*", "--native-nftables", "--cleanup-only"], {})
    apply(options, Host(ipv6=True), RULES, kernel, print)

    assert kernel.commands[1:] == [
        "ip -6 addr del ::6/128 dev lo",
        "ip -4 rule del fwmark 1337 lookup 133",
        "ip -4 route del local default dev lo table 133",
        "ip -6 rule del fwmark 1337 lookup 133",
        "ip -6 route del local default dev lo table 133",
    ]


def test_a_missing_ip6tables_matters_only_with_ipv6() -> None:
    kernel = Kernel(failing=["ip6tables-save --version"])
    assert "warning" in run(DEFAULT, kernel)[0]

    with pytest.raises(ApplyError, match="ip6tables-save"):
        apply(DEFAULT, Host(ipv6=True), RULES, kernel, print)


def test_nft_takes_one_transaction() -> None:
    kernel = Kernel()
    run(parse(["-u", "1337", "--native-nftables"], {}), kernel)

    assert kernel.commands == ["nft list tables", "nft -f -"]
    assert kernel.lines == list(transaction(RULES))


def test_the_same_transaction_drops_tables_of_an_earlier_plan() -> None:
    kernel = Kernel("table inet istio-proxy-mangle\ntable inet istio-proxy-nat\ntable ip nat\n")
    run(parse(["-u", "1337", "--native-nftables"], {}), kernel)

    dropped = ["add table inet istio-proxy-mangle", "delete table inet istio-proxy-mangle"]
    assert kernel.lines == [*dropped, *transaction(RULES)]


def test_a_dry_run_with_nft_records_the_transaction_alone() -> None:
    recorded = RecordedPrograms()
    apply(parse(["-n", "--native-nftables"], {}), HOST, RULES, recorded, print)

    assert recorded.lines == list(transaction(RULES))


def test_cleanup_with_nft_deletes_every_table() -> None:
    kernel = Kernel()
    run(parse(["--native-nftables", "--cleanup-only"], {}), kernel)

    assert [line for line in kernel.lines if line.startswith("delete")] == [
        "delete table inet istio-proxy-nat",
        "delete table inet istio-proxy-mangle",
        "delete table inet istio-proxy-raw",
    ]


def test_ipv6_gets_the_address_that_the_proxy_delivers_from() -> None:
    kernel = Kernel()
    options = parse(["-m", "TPROXY", "-b", "*", "--native-nftables"], {})
    apply(options, Host(ipv6=True), RULES, kernel, print)

    assert kernel.commands[2:] == [
        "ip -6 addr add ::6/128 dev lo",
        "ip -4 rule show fwmark 1337 table 133",
        "ip -4 rule add fwmark 1337 lookup 133",
        "ip -4 route add local default dev lo table 133",
        "ip -6 rule show fwmark 1337 table 133",
        "ip -6 rule add fwmark 1337 lookup 133",
        "ip -6 route add local default dev lo table 133",
    ]


def test_a_dry_run_records_saves_restore_input_and_nothing_else() -> None:
    recorded = RecordedPrograms()
    apply(parse(["-n"], {}), HOST, RULES, recorded, print)

    assert recorded.lines == ["iptables-save", "ip6tables-save", *restore_lines(RULES, Family.IPV4), "iptables-save"]


def test_foreign_rules_in_the_kernels_own_chains_are_no_difference() -> None:
    found = parse_save(saved(RULES) + "\n-A OUTPUT -p icmp -j ACCEPT")
    assert compare(found, RULES, always) is LiveState.IN_FORCE


def test_a_chain_of_ours_that_is_not_planned_is_a_difference() -> None:
    found = parse_save(saved(RULES).replace("COMMIT", ":ISTIO_DROP - [0:0]\nCOMMIT"))
    assert compare(found, RULES, always) is LiveState.DIFFERENT
