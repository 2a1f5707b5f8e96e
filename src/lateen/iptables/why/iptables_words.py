"""One rule in the words of iptables, as `iptables-save` prints them, read back into matches and a target.

The inverse of `restore`. What is not modelled stays as text, so that a walk can say that it depends on it.
"""

from collections.abc import Callable, Mapping, Sequence

from lateen.iptables.iptables_save import Saved
from lateen.iptables.rules import (
    Address,
    ConnectionState,
    Direction,
    Family,
    Interface,
    Mark,
    Marked,
    Owner,
    OwnerKind,
    Port,
    Protocol,
    Redirect,
    RestoreMark,
    SaveMark,
    SetMark,
    Side,
    TransparentProxy,
    Transport,
    Verdict,
    Zone,
)
from lateen.iptables.why.canonical import Condition, OtherProtocol, Unmodelled, canonical, canonical_of_iptables, number
from lateen.iptables.why.ruleset import PRIORITIES, BaseChain, Call, Consequence, Entry, Hook, Nothing, Ruleset

_ONLY_TOLD = frozenset({"LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "TCPMSS", "TOS", "DSCP", "CLASSIFY", "CHECKSUM"})
"""Targets after which the next rule is asked and that change nothing a walk looks at."""


def ruleset(saved: Saved, family: Family) -> Ruleset:
    """What was saved, of the family whose program printed it."""
    bases: list[BaseChain] = []
    chains: dict[tuple[str, str], tuple[Entry, ...]] = {}
    for table, own in saved.items():
        for chain, printed in own.items():
            chains[table, chain] = tuple(entry(words, family, own, packets) for packets, words in printed.rules)
            if printed.policy and chain in tuple(Hook) and table in PRIORITIES:
                place = Hook(chain), PRIORITIES[table], table == "nat"
                bases.append(BaseChain(table, chain, *place, Verdict(printed.policy)))
    return Ruleset(tuple(bases), chains)


def entry(text: str, family: Family, chains: Mapping[str, object], packets: int | None = None) -> Entry:
    """The rule of the words after `-A CHAIN`; `chains` are those of its table, which it may call."""
    matches, target = list[Condition](), list[str]()
    rest = _words(text)
    while rest:
        if rest[0] in ("-j", "-g"):
            target, rest = rest, []
        else:
            matches += _next_match(rest, matches)
    return Entry(canonical_of_iptables(tuple(matches)), _consequence(target, family, chains), text, "", packets)


def _words(text: str) -> list[str]:
    """Split at spaces, except inside double quotes, which come off."""
    words: list[str] = []
    word, quoted, escaped = "", False, False
    for letter in text + " ":
        if escaped:
            word, escaped = word + letter, False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == " " and not quoted:
            words += [word] if word else []
            word = ""
        else:
            word += letter
    return words


def _next_match(rest: list[str], before: Sequence[Condition]) -> list[Condition]:
    """Takes the words of one match off; none for words that only announce one, such as `-m tcp`."""
    negated = rest[0] == "!"
    option = rest.pop(0) if not negated else (rest.pop(0), rest.pop(0))[1]
    if option == "-m":
        module = rest.pop(0)
        if module in _MARKED:
            return [_mark(_MARKED[module], rest)]
        return [] if module in _MODULES else [_unmodelled(["-m", module], rest)]
    if option == "--comment":
        rest.pop(0)
        return []
    reader = _MATCHES.get(option)
    if reader is None or not rest:
        return [_unmodelled([*(["!"] if negated else []), option], rest)]
    value = rest.pop(0)
    try:
        found = reader(value, negated, before)
        canonical(tuple(found))
        return found
    except (ValueError, StopIteration):
        return [Unmodelled(" ".join([*(["!"] if negated else []), option, value]))]


def _unmodelled(taken: list[str], rest: list[str]) -> Unmodelled:
    """The words up to what is certainly the next match or the target."""
    while rest and rest[0] not in ("-m", "-j", "-g", "!") and rest[0] not in _MATCHES:
        taken.append(rest.pop(0))
    return Unmodelled(" ".join(taken))


def _interface(direction: Direction) -> "_Reader":
    def read(value: str, negated: bool, _: Sequence[Condition]) -> list[Condition]:
        return [Unmodelled(f"! {direction} {value}") if negated else Interface(direction, value)]

    return read


def _protocol(value: str, negated: bool, _: Sequence[Condition]) -> list[Condition]:
    known = value in tuple(Transport)
    if not negated:
        return [Protocol(Transport(value)) if known else OtherProtocol(value)]
    return [Unmodelled(f"! -p {value}")] if known else []


def _address(side: Side) -> "_Reader":
    def read(value: str, negated: bool, _: Sequence[Condition]) -> list[Condition]:
        return [Address(side, value, negated)]

    return read


def _ports(side: Side) -> "_Reader":
    def read(value: str, negated: bool, before: Sequence[Condition]) -> list[Condition]:
        transport = next(match.transport for match in before if isinstance(match, Protocol))
        return [Port(transport, side, tuple(value.split(",")), negated)]

    return read


def _owner(kind: OwnerKind) -> "_Reader":
    return lambda value, negated, _: [Owner(kind, value, negated)]


def _mark(of: Marked, rest: list[str]) -> Condition:
    negated = rest[0] == "!"
    taken = [rest.pop(0) for _ in range(3 if negated else 2)]
    return Mark(of, number(taken[-1]), negated) if "/" not in taken[-1] else Unmodelled(f"-m {of} " + " ".join(taken))


def _state(value: str, negated: bool, _: Sequence[Condition]) -> list[Condition]:
    return [Unmodelled(f"! --ctstate {value}") if negated else ConnectionState(tuple(value.split(",")))]


_Reader = Callable[[str, bool, Sequence[Condition]], list[Condition]]

_MATCHES: Mapping[str, _Reader] = {
    "-i": _interface(Direction.IN),
    "-o": _interface(Direction.OUT),
    "-p": _protocol,
    "-s": _address(Side.SOURCE),
    "-d": _address(Side.DESTINATION),
    "--sport": _ports(Side.SOURCE),
    "--sports": _ports(Side.SOURCE),
    "--dport": _ports(Side.DESTINATION),
    "--dports": _ports(Side.DESTINATION),
    "--uid-owner": _owner(OwnerKind.USER),
    "--gid-owner": _owner(OwnerKind.GROUP),
    "--ctstate": _state,
    "--state": _state,
}
"""Readers by option; `--mark` is not among them because each of two modules has its own."""
_MODULES = frozenset({"tcp", "udp", "multiport", "owner", "conntrack", "state", "comment"})
_MARKED = {"mark": Marked.PACKET, "connmark": Marked.CONNECTION}


def _consequence(words: Sequence[str], family: Family, chains: Mapping[str, object]) -> Consequence:
    match list(words):
        case []:
            return Nothing()
        case ["-j" | "-g" as verb, name] if name in chains:
            return Call(name, verb == "-j")
        case ["-j", "RETURN" | "ACCEPT" | "DROP" as verdict]:
            return Verdict(verdict)
        case ["-j", "REJECT", *_]:
            return Verdict.DROP
        case ["-j", name, *_] if name in _ONLY_TOLD:
            return Nothing()
        case ["-j", "REDIRECT", "--to-ports", port] if port.isdecimal():
            return Redirect(port)
        case ["-j", "TPROXY", "--on-port", port, "--on-ip", "0.0.0.0" | "::", "--tproxy-mark", mark] if _whole(mark):
            return TransparentProxy(port, number(mark.partition("/")[0]), family)
        case ["-j", "MARK", "--set-xmark", mark] if _whole(mark):
            return SetMark(number(mark.partition("/")[0]))
        case ["-j", "CONNMARK", copy, "--nfmask", nfmask, "--ctmask", ctmask] if _whole(f"/{nfmask}/{ctmask}"):
            return SaveMark() if copy == "--save-mark" else RestoreMark()
        case ["-j", "CT", "--zone", zone] if zone.isdecimal():
            return Zone(int(zone))
        case _:
            return Unmodelled(" ".join(words))


def _whole(mark: str) -> bool:
    """Whether the masks after the slashes leave no bit out."""
    return set(mark.split("/")[1:]) == {"0xffffffff"}
