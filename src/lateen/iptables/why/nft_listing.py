"""What `nft -j list ruleset` prints, read back into rules: the inverse of `nft`.

What is not modelled stays as text, so that a walk can say that it depends on it.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from lateen.iptables.nft import match_words, statement
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
    Table,
    TransparentProxy,
    Transport,
    Verdict,
    Zone,
)
from lateen.iptables.why.canonical import Condition, OtherProtocol, Unmodelled, canonical, number
from lateen.iptables.why.ruleset import BaseChain, Call, Consequence, Entry, Hook, Nothing, Ruleset

FAMILIES = {"ip": (Family.IPV4,), "ip6": (Family.IPV6,), "inet": tuple(Family)}
"""The packets that tables of nft's families see; the others see no packets of IP at these hooks."""
_SIDES = {"saddr": Side.SOURCE, "daddr": Side.DESTINATION, "sport": Side.SOURCE, "dport": Side.DESTINATION}
_PACKET_MARK = {"meta": {"key": "mark"}}
_CONNECTION_MARK = {"ct": {"key": "mark"}}
_HARMLESS = frozenset({"counter", "log", "quota"})

_Json = Mapping[str, Any]


def ruleset(text: str, family: Family, elsewhere: Collection[str] = ()) -> Ruleset:
    """What was listed, as far as it sees packets of the family; tables in `elsewhere`, as `ip nat`, are left out."""
    bases: list[BaseChain] = []
    chains: dict[tuple[str, str], list[Entry]] = {}
    for item in json.loads(text)["nftables"]:
        (kind, what), *_ = item.items()
        table = f"{what.get('family')} {what.get('table')}"
        if kind not in ("chain", "rule") or table in elsewhere or family not in FAMILIES.get(what["family"], ()):
            continue
        if kind == "chain":
            chains[table, what["name"]] = []
            if what.get("hook", "").upper() in tuple(Hook):
                bases.append(_base(table, what))
        else:
            chains[table, what["chain"]].append(entry(what["expr"]))
    return Ruleset(tuple(bases), {place: tuple(entries) for place, entries in chains.items()})


def _base(table: str, what: _Json) -> BaseChain:
    policy = Verdict(what.get("policy", "accept").upper())
    return BaseChain(table, what["name"], Hook(what["hook"].upper()), what["prio"], what["type"] == "nat", policy)


def entry(expressions: Sequence[_Json]) -> Entry:
    """One rule; its text is what nft would take, with the counter left out."""
    packets = next((each["counter"]["packets"] for each in expressions if _is_count(each)), None)
    matches = [_condition(each) for each in expressions if _is_condition(each)]
    statements = [each for each in expressions if not _is_condition(each) and not _HARMLESS & each.keys()]
    target = _consequence(statements)
    words = [" ".join(_words(match)) for match in matches]
    return Entry(canonical(tuple(matches)), target, " ".join([*words, *_target_words(target)]), "", packets)


def _is_count(expression: _Json) -> bool:
    return isinstance(expression.get("counter"), dict)


def _is_condition(expression: _Json) -> bool:
    return bool({"match", "limit", "ct count"} & expression.keys()) or expression.get("xt", {}).get("type") == "match"


def _words(match: Condition) -> Iterator[str]:
    if isinstance(match, Unmodelled):
        yield match.text
    elif isinstance(match, OtherProtocol):
        yield f"meta l4proto {match.name}"
    else:
        yield from match_words(match, Table.NAT)


def _target_words(target: Consequence) -> Iterator[str]:
    match target:
        case Unmodelled(text):
            yield text
        case Call(chain, returns):
            yield f"{'jump' if returns else 'goto'} {chain}"
        case Nothing():
            pass
        case _:
            yield statement(target).replace("counter ", "")


def _condition(expression: _Json) -> Condition:
    """The match, or its text where a part is something else than the plan's tables have."""
    match = expression.get("match", {})
    negated = match.get("op") == "!="
    if match.get("op") in ("==", "!=", "in"):
        try:
            found = _known(match["left"], match["right"], negated)
            if found is not None and canonical((found,)):
                return found
        except (KeyError, ValueError, TypeError):
            pass
    return Unmodelled(json.dumps(expression))


def _known(left: _Json, right: Any, negated: bool) -> Condition | None:
    match left:
        case {"meta": {"key": "iifname" | "oifname" as key}} if not negated:
            return Interface(Direction.IN if key == "iifname" else Direction.OUT, _text(right))
        case {"meta": {"key": "l4proto"}} if not negated:
            name = _text(right)
            return Protocol(Transport(name)) if name in tuple(Transport) else OtherProtocol(name)
        case {"meta": {"key": "skuid" | "skgid" as key}}:
            kind = OwnerKind.USER if key == "skuid" else OwnerKind.GROUP
            (owner,) = _spans(right)
            return Owner(kind, owner.replace(":", "-"), negated)
        case {"payload": {"protocol": "ip" | "ip6", "field": "saddr" | "daddr" as field}}:
            return Address(_SIDES[field], _range(right), negated)
        case {"payload": {"protocol": "tcp" | "udp" as name, "field": "sport" | "dport" as field}}:
            return Port(Transport(name), _SIDES[field], _spans(right), negated)
        case {"ct": {"key": "state"}} if not negated:
            return ConnectionState(tuple(state.upper() for state in ([right] if isinstance(right, str) else right)))
        case {"meta": {"key": "mark"}}:
            return Mark(Marked.PACKET, number(str(right)), negated)
        case {"ct": {"key": "mark"}}:
            return Mark(Marked.CONNECTION, number(str(right)), negated)
    return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is more than one name")
    return value


def _range(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return f"{_text(value)}/{128 if ':' in value else 32}"


def _spans(value: Any) -> tuple[str, ...]:
    """Numbers, names and ranges, alone or in a set."""
    items = value["set"] if isinstance(value, dict) and "set" in value else [value]
    return tuple(f"{item['range'][0]}:{item['range'][1]}" if isinstance(item, dict) else str(item) for item in items)


def _consequence(statements: Sequence[_Json]) -> Consequence:
    match list(statements):
        case []:
            return Nothing()
        case [{"return": None}] | [{"accept": None}] | [{"drop": None}]:
            return Verdict(next(iter(statements[0])).upper())
        case [{"reject": _}]:
            return Verdict.DROP
        case [{"jump": {"target": chain}}]:
            return Call(chain)
        case [{"goto": {"target": chain}}]:
            return Call(chain, returns=False)
        case [{"redirect": {"port": int(port), **rest}}] if not rest:
            return Redirect(str(port))
        case [
            {"tproxy": {"family": family, "port": port}},
            {"mangle": {"key": key, "value": int(mark)}},
            {"accept": _},
        ]:
            if key == _PACKET_MARK:
                return TransparentProxy(str(port), str(mark), FAMILIES[family][0])
        case [{"mangle": {"key": key, "value": value}}]:
            return _set(key, value) or Unmodelled(json.dumps(statements))
    return Unmodelled(json.dumps(statements))


def _set(key: _Json, value: Any) -> Consequence | None:
    if key == _PACKET_MARK:
        return RestoreMark() if value == _CONNECTION_MARK else SetMark(str(value)) if isinstance(value, int) else None
    if key == _CONNECTION_MARK and value == _PACKET_MARK:
        return SaveMark()
    return Zone(value) if key == {"ct": {"key": "zone"}} and isinstance(value, int) else None
