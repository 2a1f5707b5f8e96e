"""Which iptables: the legacy or the nft variant, chosen per family by what is usable and what already holds rules."""

from collections.abc import Sequence
from typing import NamedTuple

from lateen.iptables.errors import ApplyError
from lateen.iptables.options import Options
from lateen.iptables.programs import Programs
from lateen.iptables.rules import Family

_HARMLESS = ("INPUT", "-p", "255", "-j", "RETURN")
_LINES_WITH_RULES = 3
_WAITS_SINCE = (1, 6, 2)
_UNKNOWN_VERSION = (0, 0, 0)
_LOCK_HELD = "xtables lock"


class Binaries(NamedTuple):
    """The names of one variant's programs, and the lock option that its write commands take."""

    tables: str
    save: str
    restore: str
    wait: tuple[str, ...] = ()


def choose(family: Family, options: Options, programs: Programs) -> Binaries:
    """The forced variant; else legacy where it already holds rules, else nft, else whatever the plain name is.

    Raises `ApplyError` where there is no usable one, and where another program keeps the lock that legacy needs.
    """
    plain = "iptables" if family is Family.IPV4 else "ip6tables"
    if options.dry_run:
        return _named(plain)
    if forced := options.force_iptables_binary:
        return _forced(f"{plain}-{forced}", forced, programs)
    legacy, nft = f"{plain}-legacy", f"{plain}-nft"
    if programs.has(f"{legacy}-save") and _holds_rules(f"{legacy}-save", programs):
        usable = _if_usable(legacy, programs)
        if usable is not None:
            return usable
    if programs.has(f"{nft}-save"):
        usable = _if_usable(nft, programs)
        if usable is not None:
            return usable
    if not programs.has(plain):
        raise ApplyError(f"{plain} is not installed: install iptables, or use --native-nftables with nftables")
    return _versioned(plain, programs)


def _forced(name: str, forced: str, programs: Programs) -> Binaries:
    try:
        return _usable(name, programs)
    except ApplyError as error:
        raise ApplyError(
            f"--force-iptables-binary {forced}: {name} is missing or cannot change rules here: {error}"
        ) from None


def _if_usable(name: str, programs: Programs) -> Binaries | None:
    try:
        return _usable(name, programs)
    except ApplyError as error:
        # The lock is another program's for a while; rules of both variants at once would be there for good.
        if _LOCK_HELD in str(error):
            raise
        return None


def _usable(name: str, programs: Programs) -> Binaries:
    """Its programs, if a rule that matches nothing of interest can be added and taken away, else `ApplyError`."""
    binaries = _versioned(name, programs)
    for verb in ("-A", "-D"):
        programs.run([binaries.tables, *binaries.wait, "-t", "nat", verb, *_HARMLESS])
    return binaries


def _versioned(name: str, programs: Programs) -> Binaries:
    """The programs, with the lock option if their version has one: legacy from 1.6.2; the nft variant has no lock."""
    try:
        told = programs.run([f"{name}-save", "--version"])
    except ApplyError as error:
        if "unrecognized option" not in str(error):
            raise
        return _named(name)
    waits = "nf_tables" not in told and _version(told.split()) >= _WAITS_SINCE
    return _named(name, ("--wait=30",) if waits else ())


def _version(words: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the word `v1.8.9`; a text without one counts as the oldest."""
    for word in words:
        numbers = word[1:].split(".")
        if word.startswith("v") and all(number.isdigit() for number in numbers):
            return tuple(map(int, numbers))
    return _UNKNOWN_VERSION


def _named(name: str, wait: tuple[str, ...] = ()) -> Binaries:
    return Binaries(name, f"{name}-save", f"{name}-restore", wait)


def _holds_rules(save: str, programs: Programs) -> bool:
    try:
        return len(programs.run([save]).splitlines()) >= _LINES_WITH_RULES
    except ApplyError:
        return False
