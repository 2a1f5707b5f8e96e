"""What `--why`, `--explain` and `--live` print: a packet's journey, or the rules with what each is for."""

import json
from collections.abc import Iterator, Sequence
from typing import assert_never

from lateen.iptables.host import interface_addresses
from lateen.iptables.options import Options
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.programs import Programs
from lateen.iptables.rules import Family
from lateen.iptables.why.judge import Answer
from lateen.iptables.why.live import in_force, with_purposes
from lateen.iptables.why.packet import parse_packet
from lateen.iptables.why.ruleset import Entry, Nothing, Ruleset, planned_iptables, planned_nft
from lateen.iptables.why.walk import (
    Dropped,
    HandedOver,
    Journey,
    Landing,
    LeftAlone,
    Redirected,
    Step,
    Undecided,
    walk,
)


def answer(options: Options, host: Host, programs: Programs) -> tuple[str, bool]:
    """What the options ask to be told, and whether it could be said: a packet's journey, or the rules.

    Both are those of the plan, or with `live` of what is in force.
    """
    if options.why is None:
        return "\n".join(explained(options, host, programs)), True
    packet = parse_packet(options.why, interface_addresses() if options.live else ())
    journey = walk(_rules(options, host, programs, packet.family), packet)
    text = json.dumps(as_json(journey), indent=2) if options.output == "json" else "\n".join(told(journey))
    return text, not isinstance(journey.landing, Undecided)


def _rules(options: Options, host: Host, programs: Programs, family: Family) -> Ruleset:
    if options.live:
        return with_purposes(in_force(family, programs), options, host, family)
    rules = plan(options, host)
    return planned_nft(rules) if options.native_nftables else planned_iptables(rules, family)


def explained(options: Options, host: Host, programs: Programs) -> list[str]:
    """Each rule as its tool writes it, with what it is for; per table and chain, in the order that packets see."""
    families = tuple(Family) if options.live else host.families
    rulesets = {family: _rules(options, host, programs, family) for family in families}
    places = dict.fromkeys(place for ruleset in rulesets.values() for place in ruleset.chains)
    lines: list[str] = []
    for table, chain in places:
        per_family = {family: ruleset.chains.get((table, chain), ()) for family, ruleset in rulesets.items()}
        entries = _merged(*per_family.values()) if len(per_family) > 1 else next(iter(per_family.values()))
        lines += [f"table {table}, chain {chain}"] if entries else []
        for entry in entries:
            own = [family for family in families if entry in per_family[family]]
            only = "" if len(own) == len(families) else f" [{own[0]}]"
            lines += [f"  {_counted(entry)}{entry.text}{only}", *([f"      {entry.why}"] if entry.why else [])]
    return lines


def _merged(first: Sequence[Entry], second: Sequence[Entry]) -> list[Entry]:
    """Both families' rules of a chain as one list that keeps the order of each."""
    merged: list[Entry] = []
    rest = list(second)
    for entry in first:
        if entry in rest:
            place = rest.index(entry)
            merged += rest[:place]
            del rest[: place + 1]
        merged.append(entry)
    return merged + rest


def _counted(entry: Entry) -> str:
    return "" if entry.packets is None else f"[{entry.packets}] "


def told(journey: Journey) -> list[str]:
    """The rules that had a say, one a line, and a last line with the verdict and the rule that decided."""
    said = [
        step for step in journey.steps if step.answer is not Answer.NO and not isinstance(step.entry.target, Nothing)
    ]
    places = [f"{step.hook}  {step.table} {step.chain}" for step in said]
    rules = [f"{_doubt(step)}{_counted(step.entry)}{step.entry.text}" for step in said]
    left, middle = (max(map(len, column), default=0) for column in (places, rules))
    lines = [
        f"{place:{left}}  {rule:{middle}}  {step.entry.why}".rstrip()
        for place, rule, step in zip(places, rules, said, strict=True)
    ]
    return [*lines, f"{verdict(journey.landing)}{_carried(journey)}: {_decision(journey)}"]


def _doubt(step: Step) -> str:
    return "? " if step.answer is Answer.UNKNOWN else ""


def verdict(landing: Landing) -> str:
    """The landing in words."""
    match landing:
        case Redirected(port):
            return f"redirected to port {port} of this host"
        case HandedOver(port, rewritten_to):
            rewritten = f", its destination rewritten to port {rewritten_to}" if rewritten_to else ""
            return f"handed to the transparent socket on port {port} of this host{rewritten}"
        case LeftAlone():
            return "left alone"
        case Dropped():
            return "dropped"
        case Undecided((without, within)) if without == within:
            return f"{verdict(without)}, with marks that cannot be said"
        case Undecided((without, within)):
            return f"cannot be said: {verdict(without)} without a rule that cannot be judged, {verdict(within)} with it"
        case Undecided():
            return "cannot be said"
        case _:
            assert_never(landing)


def _carried(journey: Journey) -> str:
    """Marks that the rules gave the packet or its connection, and its zone."""
    return "".join(f", {name} {value}" for name, value in _changes(journey))


def _changes(journey: Journey) -> Iterator[tuple[str, int]]:
    if journey.mark != journey.packet.mark:
        yield "mark", journey.mark
    if journey.connection_mark != journey.packet.connection_mark:
        yield "connmark", journey.connection_mark
    if journey.zone is not None:
        yield "zone", journey.zone


def _decision(journey: Journey) -> str:
    step = journey.decided
    if step is None:
        return "no rule takes it"
    return f"{step.table} {step.chain} {step.entry.text}" + (f" ({step.entry.why})" if step.entry.why else "")


def as_json(journey: Journey) -> dict[str, object]:
    """The journey with all the rules that were asked, for programs."""
    packet = {_camel(name): value for name, value in vars(journey.packet).items() if value is not None}
    return {
        "packet": packet,
        "steps": [_step_as_json(step) for step in journey.steps],
        "landing": _landing_as_json(journey.landing),
        "decidedBy": _step_as_json(journey.decided) if journey.decided else None,
        "mark": journey.mark,
        "connectionMark": journey.connection_mark,
        "zone": journey.zone,
    }


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _step_as_json(step: Step) -> dict[str, object]:
    entry = step.entry
    place = {"hook": step.hook, "table": step.table, "chain": step.chain}
    return {**place, "rule": entry.text, "matched": step.answer, "why": entry.why, "packets": entry.packets}


def _landing_as_json(landing: Landing) -> dict[str, object]:
    match landing:
        case Redirected(port):
            return {"kind": "redirected", "port": int(port)}
        case HandedOver(port, rewritten_to):
            rewritten = {"rewrittenTo": int(rewritten_to)} if rewritten_to else {}
            return {"kind": "handedOver", "port": int(port), **rewritten}
        case LeftAlone():
            return {"kind": "leftAlone"}
        case Dropped():
            return {"kind": "dropped"}
        case Undecided(either):
            return {"kind": "undecided", "either": [_landing_as_json(one) for one in either]}
        case _:
            assert_never(landing)
