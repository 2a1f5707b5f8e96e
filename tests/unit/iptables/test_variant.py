from collections.abc import Mapping, Sequence

import pytest

from lateen.iptables.errors import ApplyError
from lateen.iptables.options import Options
from lateen.iptables.rules import Family
from lateen.iptables.variant import choose

NFT, LEGACY = "iptables-save v1.8.9 (nf_tables)", "iptables-save v1.8.9 (legacy)"
RULES = "*nat\n-A OUTPUT -j RETURN\nCOMMIT"


class Machine:
    """Programs by name, with what their -save says of version and rules; commands that fail, with a reason."""

    def __init__(self, saves: Mapping[str, tuple[str, str]], failing: Mapping[str, str] | None = None) -> None:
        self.saves, self.failing = saves, failing or {}

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        assert not lines
        command = " ".join(argv)
        for part, reason in self.failing.items():
            if part in command:
                raise ApplyError(f"{command} failed: {reason}")
        name = argv[0].removesuffix("-save")
        if name not in self.saves:
            raise ApplyError(f"{argv[0]} is not installed")
        version, rules = self.saves[name]
        return version if argv[-1] == "--version" else rules if argv[0].endswith("-save") else ""

    def has(self, program: str) -> bool:
        return program.removesuffix("-save") in self.saves


BOTH = {"iptables": (NFT, ""), "iptables-nft": (NFT, ""), "iptables-legacy": (LEGACY, "")}


def chosen(machine: Machine, forced: str = "") -> tuple[str, tuple[str, ...]]:
    binaries = choose(Family.IPV4, Options(force_iptables_binary=forced), machine)
    return binaries.tables, binaries.wait


def test_nft_unless_legacy_holds_rules() -> None:
    assert chosen(Machine(BOTH)) == ("iptables-nft", ())
    assert chosen(Machine({**BOTH, "iptables-legacy": (LEGACY, RULES)})) == ("iptables-legacy", ("--wait=30",))


def test_what_cannot_change_rules_is_passed_over() -> None:
    holding = {**BOTH, "iptables-legacy": (LEGACY, RULES)}
    assert chosen(Machine(holding, {"iptables-legacy --wait=30 -t nat -D": "no"})) == ("iptables-nft", ())
    assert chosen(Machine(BOTH, {"iptables-nft -t nat -A": "no"})) == ("iptables", ())


def test_a_held_lock_does_not_lead_to_rules_of_the_other_variant() -> None:
    holding = {**BOTH, "iptables-legacy": (LEGACY, RULES)}
    with pytest.raises(ApplyError, match="holding the xtables lock"):
        chosen(Machine(holding, {"iptables-legacy --wait=30": "Another app is currently holding the xtables lock."}))


@pytest.mark.parametrize(
    ("version", "wait"),
    [
        (LEGACY, ("--wait=30",)),
        ("iptables-save v1.6.2", ("--wait=30",)),
        ("iptables-save v1.6.1", ()),
        ("no number", ()),
    ],
)
def test_the_lock_is_waited_for_by_versions_that_can(version: str, wait: tuple[str, ...]) -> None:
    assert chosen(Machine({"iptables": (version, "")})) == ("iptables", wait)


def test_a_program_too_old_to_tell_its_version_is_legacy_without_the_option() -> None:
    machine = Machine({"iptables": ("", "")}, {"--version": "unrecognized option '--version'"})
    assert chosen(machine) == ("iptables", ())


def test_a_forced_variant_must_be_usable() -> None:
    assert chosen(Machine(BOTH), "legacy") == ("iptables-legacy", ("--wait=30",))
    with pytest.raises(ApplyError, match="--force-iptables-binary legacy: iptables-legacy is missing"):
        chosen(Machine({"iptables": (NFT, "")}), "legacy")


def test_no_iptables_at_all_says_what_to_install() -> None:
    with pytest.raises(ApplyError, match="iptables is not installed: install iptables"):
        chosen(Machine({}))
