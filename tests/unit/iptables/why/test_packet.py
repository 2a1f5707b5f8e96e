import pytest

from lateen.iptables.errors import UsageError
from lateen.iptables.rules import Direction, Family, Transport
from lateen.iptables.why.packet import Packet, parse_packet


def test_words_of_a_packet_that_is_sent() -> None:
    found = parse_packet("out tcp 10.96.0.10:80 from 10.0.0.5 uid=1000 gid=0 mark=0x539 connmark=7 state=established")
    assert found == Packet(
        Direction.OUT, Transport.TCP, "10.96.0.10", 80, "eth0", "10.0.0.5", 32768, 1000, 0, 1337, 7, "ESTABLISHED"
    )


def test_words_of_a_packet_that_arrives() -> None:
    found = parse_packet("in udp [FD00:0::1]:53 from [fd00::9]:40000 via net1")
    assert found == Packet(Direction.IN, Transport.UDP, "fd00::1", 53, "net1", "fd00::9", 40000)
    assert found.family is Family.IPV6


def test_names_of_users_and_groups_become_numbers() -> None:
    found = parse_packet("out tcp 10.0.0.1:80 uid=root gid=root")
    assert (found.uid, found.gid) == (0, 0)


@pytest.mark.parametrize(
    ("words", "interface", "source"),
    [
        ("out tcp 10.96.0.10:80", "eth0", "10.0.0.5"),
        ("out tcp 10.0.0.5:80", "lo", "10.0.0.5"),
        ("out tcp 127.0.0.9:80", "lo", "127.0.0.1"),
        ("out tcp [::1]:80", "lo", "::1"),
        ("out tcp [fd00::9]:80", "eth0", None),
        ("out tcp 10.0.0.7:80 from 10.0.0.7", "lo", "10.0.0.7"),
        ("out tcp 10.0.0.7:80 from 127.0.0.6", "lo", "127.0.0.6"),
        ("out tcp 10.0.0.5:80 via eth0", "eth0", "10.0.0.5"),
        ("in tcp 10.0.0.5:80", "eth0", None),
    ],
)
def test_what_is_not_said_is_what_the_kernel_would_do(words: str, interface: str, source: str | None) -> None:
    found = parse_packet(words, ("127.0.0.1", "10.0.0.5", "::1"))
    assert (found.interface, found.source) == (interface, source)


@pytest.mark.parametrize(
    ("words", "named", "right"),
    [
        ("out tcp", "'out tcp'", "10.96.0.10:80"),
        ("up tcp 1.1.1.1:1", "'up'", "in or out"),
        ("out icmp 1.1.1.1:1", "'icmp'", "tcp or udp"),
        ("out tcp 1.1.1.1", "'1.1.1.1'", "port"),
        ("out tcp 1.1.1.300:80", "'1.1.1.300:80'", "10.0.0.5:80"),
        ("out tcp 1.1.1.1:http", "'http'", "0 to 65535"),
        ("out tcp 1.1.1.1:70000", "'70000'", "0 to 65535"),
        ("out tcp 1.1.1.1:80 to", "'to'", "from ADDRESS"),
        ("out tcp 1.1.1.1:80 from", "'from'", "an address"),
        ("out tcp 1.1.1.1:80 pid=1", "'pid=1'", "uid="),
        ("out tcp 1.1.1.1:80 uid=nobody-here", "uid=nobody-here", "number"),
        ("out tcp 1.1.1.1:80 gid=nobody-here", "gid=nobody-here", "number"),
        ("out tcp 1.1.1.1:80 mark=blue", "'blue'", "mark"),
        ("out tcp 1.1.1.1:80 state=OLD", "'OLD'", "ESTABLISHED"),
        ("out tcp 1.1.1.1:80 from fd00::1", "fd00::1", "one IP family"),
        ("in tcp 1.1.1.1:80 uid=0", "uid=", "'out'"),
    ],
)
def test_a_wrong_word_is_named_and_the_right_one_said(words: str, named: str, right: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_packet(words)
    assert named in str(error.value)
    assert right in str(error.value)
