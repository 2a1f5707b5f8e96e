"""Which iptables: the legacy or the nft variant, chosen per family by what is usable and what already holds rules."""

from typing import NamedTuple

from lateen.iptables.errors import ApplyError
from lateen.iptables.options import Options
from lateen.iptables.programs import Programs
from lateen.iptables.rules import Family

_HARMLESS = ("INPUT", "-p", "255", "-j", "RETURN")
_LINES_WITH_RULES = 3


class Binaries(NamedTuple):
    """The names of one variant's programs, and the lock option that its write commands take."""

    tables: str
    save: str
    restore: str
    wait: tuple[str, ...] = ()


def choose(family: Family, options: Options, programs: Programs) -> Binaries:
    """The forced variant; else legacy where it already holds rules, else nft, else whatever the plain name is.

    Raises `ApplyError` where there is no usable one.
    """
    plain = "iptables" if family is Family.IPV4 else "ip6tables"
    if options.dry_run:
        return _named(plain)
    if forced := options.force_iptables_binary:
        binaries = _named(f"{plain}-{forced}", legacy=forced == "legacy")
        if not _usable(binaries, programs):
            raise ApplyError(
                f"--force-iptables-binary {forced}: {binaries.tables} is missing or cannot change rules here"
            )
        return binaries
    legacy = _named(f"{plain}-legacy", legacy=True)
    if programs.has(legacy.save) and _holds_rules(legacy, programs) and _usable(legacy, programs):
        return legacy
    nft = _named(f"{plain}-nft")
    if programs.has(nft.save) and _usable(nft, programs):
        return nft
    if not programs.has(plain):
        raise ApplyError(f"{plain} is not installed: install iptables, or use --native-nftables with nftables")
    return _named(plain, legacy="nf_tables" not in programs.run([f"{plain}-save", "--version"]))


def _named(name: str, legacy: bool = False) -> Binaries:
    # The nft variant has no lock to wait for.
    return Binaries(name, f"{name}-save", f"{name}-restore", ("--wait=30",) if legacy else ())


def _holds_rules(binaries: Binaries, programs: Programs) -> bool:
    try:
        return len(programs.run([binaries.save]).splitlines()) >= _LINES_WITH_RULES
    except ApplyError:
        return False


def _usable(binaries: Binaries, programs: Programs) -> bool:
    """Whether a rule that matches nothing of interest can be added and taken away again."""
    try:
        programs.run([binaries.tables, *binaries.wait, "-t", "nat", "-A", *_HARMLESS])
        programs.run([binaries.tables, *binaries.wait, "-t", "nat", "-D", *_HARMLESS])
    except ApplyError:
        return False
    return True
