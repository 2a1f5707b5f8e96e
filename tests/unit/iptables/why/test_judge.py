import pytest

from lateen.iptables.rules import (
    Address,
    ConnectionState,
    Direction,
    Interface,
    Mark,
    Marked,
    Owner,
    OwnerKind,
    Port,
    Protocol,
    Side,
    Transport,
)
from lateen.iptables.why.canonical import Condition, OtherProtocol, Unmodelled, canonical, canonical_of_iptables
from lateen.iptables.why.judge import Answer, judged
from lateen.iptables.why.packet import parse_packet

TO_53 = Port(Transport.TCP, Side.DESTINATION, ("53",))


@pytest.mark.parametrize(
    ("match", "words", "answer"),
    [
        (TO_53, "out tcp 10.0.0.1:53", Answer.YES),
        (TO_53, "out udp 10.0.0.1:53", Answer.NO),
        (TO_53.replaced(negated=True), "out tcp 10.0.0.1:54", Answer.YES),
        (TO_53.replaced(negated=True), "out udp 10.0.0.1:54", Answer.NO),
        (Port(Transport.UDP, Side.SOURCE, ("50:60",)), "in udp 10.0.0.1:9 from 10.0.0.2:55", Answer.YES),
        (OtherProtocol("icmp"), "in udp 10.0.0.1:9", Answer.NO),
        (Address(Side.DESTINATION, "10.0.0.0/8", True), "out tcp 9.0.0.1:1", Answer.YES),
        (Address(Side.DESTINATION, "10.0.0.0/8", True), "out tcp [fd00::1]:1", Answer.NO),
        (Address(Side.SOURCE, "10.0.0.0/8"), "out tcp 9.0.0.1:1", Answer.UNKNOWN),
        (Address(Side.SOURCE, "127.0.0.6/32"), "out tcp 9.0.0.1:1", Answer.NO),
        (Owner(OwnerKind.USER, "7-9"), "out tcp 9.0.0.1:1 uid=8", Answer.YES),
        (Owner(OwnerKind.GROUP, "7", True), "out tcp 9.0.0.1:1 uid=7", Answer.YES),
        (Owner(OwnerKind.GROUP, "no-such-group"), "out tcp 9.0.0.1:1", Answer.UNKNOWN),
        (Owner(OwnerKind.USER, "7", True), "in tcp 10.0.0.1:1", Answer.NO),
        (Interface(Direction.IN, "lo"), "out tcp 127.0.0.1:1", Answer.NO),
        (ConnectionState(("NEW", "RELATED")), "out tcp 9.0.0.1:1", Answer.YES),
        (Mark(Marked.CONNECTION, "7", True), "out tcp 9.0.0.1:1 mark=7", Answer.YES),
    ],
)
def test_each_match(match: Condition, words: str, answer: Answer) -> None:
    assert judged((match,), parse_packet(words)) is answer


def test_one_match_that_does_not_apply_is_enough() -> None:
    packet = parse_packet("out tcp 10.0.0.1:53")
    assert judged((Unmodelled("odd"), Protocol(Transport.UDP)), packet) is Answer.NO
    assert judged((Unmodelled("odd"), TO_53), packet) is Answer.UNKNOWN
    assert judged((), packet) is Answer.YES


def test_one_spelling() -> None:
    written = (
        Protocol(Transport.TCP),
        Port(Transport.TCP, Side.DESTINATION, ("15008", "053", "53", "7:7")),
        Address(Side.SOURCE, "10.96.0.1/24"),
        Mark(Marked.PACKET, "0x539"),
        ConnectionState(("RELATED", "ESTABLISHED")),
        Owner(OwnerKind.GROUP, "root"),
    )
    assert set(canonical(written)) == {
        Port(Transport.TCP, Side.DESTINATION, ("7", "53", "15008")),
        Address(Side.SOURCE, "10.96.0.0/24"),
        Mark(Marked.PACKET, "1337"),
        ConnectionState(("ESTABLISHED", "RELATED")),
        Owner(OwnerKind.GROUP, "0"),
    }


def test_the_spelling_of_iptables() -> None:
    written = (Interface(Direction.OUT, "eth+"), Address(Side.SOURCE, "0.0.0.0/0"))
    assert canonical_of_iptables(written) == (Interface(Direction.OUT, "eth*"),)
