"""Where a packet goes and why: netfilter's walk through the rules in force, as a pure function.

A packet that is sent passes the chains of OUTPUT; if it leaves by `lo`, or is redirected to a port of this host, it
comes in again by `lo` and passes those of PREROUTING. One that arrives passes PREROUTING only. Not followed: INPUT,
FORWARD, POSTROUTING, and routing rules that look at marks.
"""

from typing import TypeAlias, assert_never

from lateen.iptables.rules import (
    Direction,
    Redirect,
    RestoreMark,
    SaveMark,
    SetMark,
    TransparentProxy,
    Verdict,
    Zone,
)
from lateen.iptables.value import Value
from lateen.iptables.why.canonical import Unmodelled
from lateen.iptables.why.judge import Answer, judged
from lateen.iptables.why.packet import Packet
from lateen.iptables.why.ruleset import BaseChain, Call, Consequence, Entry, Hook, Nothing, Ruleset

_MOST_GUESSES = 6
"""How many rules that cannot be judged are tried both ways before the walk gives up."""
_DEEPEST = 16
"""How many chains may call one another. Source: NFT_JUMP_STACK_SIZE of the kernel."""
_CONNTRACK = -200
"""The priority at which connection tracking places a packet. Source: NF_IP_PRI_CONNTRACK of the kernel."""


class Redirected(Value):
    """The connection goes to a port of this host."""

    port: str


class HandedOver(Value):
    """The connection goes to the transparent socket on a port of this host, as a rule with both addresses unchanged.

    A redirect that follows does not move it to another socket, but rewrites its destination to `rewritten_to`.
    """

    port: str
    rewritten_to: str = ""


class LeftAlone(Value):
    """The connection goes on to its destination."""


class Dropped(Value):
    """The packet goes nowhere."""


class Undecided(Value):
    """It depends on a rule that cannot be judged: where it goes without the rule and with it, empty if nobody knows."""

    either: "tuple[Landing, ...]" = ()


Landing: TypeAlias = Redirected | HandedOver | LeftAlone | Dropped | Undecided


class Step(Value):
    """One rule that was asked, with what it said."""

    hook: Hook
    table: str
    chain: str
    entry: Entry
    answer: Answer


class Journey(Value):
    """A packet's way: every rule it met in order, where it lands, which rule decided that, and what it carries then.

    `decided` is None where no rule had a say; `zone` is that of connection tracking, None for the usual one.
    """

    packet: Packet
    steps: tuple[Step, ...]
    landing: Landing
    decided: Step | None
    mark: int
    connection_mark: int
    zone: int | None


def walk(ruleset: Ruleset, packet: Packet) -> Journey:
    """The packet's journey. Rules that cannot be judged are tried both ways; it is undecided only if that differs."""
    return _explored(ruleset, packet, ())


def _explored(ruleset: Ruleset, packet: Packet, guesses: tuple[bool, ...]) -> Journey:
    run = _Run(ruleset, packet, guesses)
    try:
        return run.journey()
    except _NotToBeSaid as where:
        if where.final or len(guesses) == _MOST_GUESSES:
            return run.told(Undecided(), run.steps[-1])
    without = _explored(ruleset, packet, (*guesses, False))
    within = _explored(ruleset, packet, (*guesses, True))
    if _outcome(without) == _outcome(within):
        return without
    return run.told(Undecided((without.landing, within.landing)), run.steps[-1])


def _outcome(journey: Journey) -> tuple[object, ...]:
    return journey.landing, journey.mark, journey.connection_mark, journey.zone


class _NotToBeSaid(Exception):
    """The last step cannot be judged, and no guess is left; with `final` guessing would not help."""

    def __init__(self, final: bool) -> None:
        self.final = final


class _Landed(Exception):
    """The packet goes no further."""


class _Run:
    """One walk, in which the n-th rule that cannot be judged is taken to match or not as the n-th guess says."""

    def __init__(self, ruleset: Ruleset, packet: Packet, guesses: tuple[bool, ...]) -> None:
        self.ruleset, self.asked, self.packet = ruleset, packet, packet
        self.guesses = list(guesses)
        self.steps: list[Step] = []
        self.landing: Landing = LeftAlone()
        self.decided: Step | None = None
        self.zone: int | None = None
        self.tracked = False
        self.hook = Hook.OUTPUT if packet.direction is Direction.OUT else Hook.PREROUTING

    def journey(self) -> Journey:
        try:
            self.pass_hook(translated=False)
            if self.hook is Hook.OUTPUT and (self.packet.interface == "lo" or isinstance(self.landing, Redirected)):
                self.hook = Hook.PREROUTING
                self.packet = self.packet.replaced(direction=Direction.IN, interface="lo")
                # OUTPUT has settled the translation of the connection, also where it was to translate nothing.
                self.pass_hook(translated=True)
        except _Landed:
            pass
        return self.told(self.landing, self.decided)

    def told(self, landing: Landing, decided: Step | None) -> Journey:
        packet = self.packet
        steps = tuple(self.steps)
        return Journey(self.asked, steps, landing, decided, packet.mark, packet.connection_mark, self.zone)

    def pass_hook(self, translated: bool) -> None:
        for base in self.ruleset.at(self.hook):
            self.tracked = self.tracked or base.priority > _CONNTRACK
            # Translation is decided by the first packet of a connection; RELATED is the first of an expected one.
            if base.translates and (translated or self.packet.state not in ("NEW", "RELATED")):
                continue
            verdict = self.pass_chain(base, base.chain, 0)
            if base.translates and isinstance(self.landing, Redirected):
                translated = True
            if verdict is None and base.policy is Verdict.DROP:
                self.land(Dropped(), None)
        self.tracked = True

    def pass_chain(self, base: BaseChain, chain: str, depth: int) -> Verdict | None:
        """What ended the table: ACCEPT, or None where the chain came to its end or returned."""
        if depth > _DEEPEST:
            return None
        for entry in self.ruleset.chains.get((base.table, chain), ()):
            step = self.ask(base, chain, entry)
            if step.answer is not Answer.YES:
                continue
            match entry.target:
                case Verdict.RETURN:
                    self.except_by(step)
                    return None
                case Call(called, returns):
                    verdict = self.pass_chain(base, called, depth + 1)
                    if verdict is not None or not returns:
                        return verdict
                case _:
                    if self.follow(entry.target, step):
                        return Verdict.ACCEPT
        return None

    def ask(self, base: BaseChain, chain: str, entry: Entry) -> Step:
        answer = judged(entry.matches, self.packet)
        step = Step(self.hook, base.table, chain, entry, answer)
        self.steps.append(step)
        if answer is Answer.UNKNOWN and not isinstance(entry.target, Nothing):
            if not self.guesses:
                raise _NotToBeSaid(final=False)
            answer = Answer.YES if self.guesses.pop(0) else Answer.NO
            return step.replaced(answer=answer)
        return step

    def follow(self, target: Consequence, step: Step) -> bool:
        """Does what a matching rule says; whether its table has nothing more to say."""
        match target:
            case Verdict.ACCEPT:
                self.except_by(step)
                return True
            case Verdict.DROP:
                self.land(Dropped(), step)
            case Redirect(port):
                self.redirect(port, step)
                return True
            case TransparentProxy(port, mark):
                self.packet = self.packet.replaced(mark=int(mark))
                self.landing, self.decided = HandedOver(port), step
                return True
            case SetMark(value):
                self.packet = self.packet.replaced(mark=int(value))
            case SaveMark():
                self.packet = self.packet.replaced(connection_mark=self.packet.mark)
            case RestoreMark():
                self.packet = self.packet.replaced(mark=self.packet.connection_mark)
            case Zone(number):
                # The first zone stays; a packet that is tracked already keeps its own.
                if self.zone is None and not self.tracked:
                    self.zone = number
            case Unmodelled():
                raise _NotToBeSaid(final=True)
            case Nothing() | Verdict() | Call():
                pass
            case _:
                assert_never(target)
        return False

    def redirect(self, port: str, step: Step) -> None:
        if isinstance(self.landing, HandedOver):
            self.landing = self.landing.replaced(rewritten_to=port)
        else:
            self.landing, self.decided = Redirected(port), step
        if self.hook is Hook.OUTPUT:
            loopback = "::1" if ":" in self.packet.destination else "127.0.0.1"
            self.packet = self.packet.replaced(destination=loopback, destination_port=int(port))

    def except_by(self, step: Step) -> None:
        """Remembers the last rule that let the packet pass, as long as none has taken it."""
        if isinstance(self.landing, LeftAlone):
            self.decided = step

    def land(self, landing: Landing, step: Step | None) -> None:
        self.landing, self.decided = landing, step
        raise _Landed
