import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.local_runtime.network.dns import Outcome, ServiceTarget, Zone, answer, resolv_conf

REVIEWS = "reviews.default.svc.cluster.local"
ZONE = Zone(
    {
        REVIEWS: ("198.19.1.1",),
        "headless.default.svc.cluster.local": ("198.18.1.1", "198.18.1.2"),
        "empty.default.svc.cluster.local": (),
        "dual.default.svc.cluster.local": ("198.19.1.2", "fd00::1"),
        "api.example.com": ("198.19.1.9",),
        "many.default.svc.cluster.local": tuple(f"198.18.2.{number}" for number in range(200)),
    },
    {f"_http._tcp.{REVIEWS}": (ServiceTarget(REVIEWS, 9080),)},
)


@pytest.mark.parametrize(
    ("name", "kind", "outcome", "records"),
    [
        (REVIEWS, "A", Outcome.FOUND, ("198.19.1.1",)),
        (REVIEWS.upper() + ".", "A", Outcome.FOUND, ("198.19.1.1",)),
        (REVIEWS, "AAAA", Outcome.NO_DATA, ()),
        (REVIEWS, "MX", Outcome.NO_DATA, ()),
        ("dual.default.svc.cluster.local", "AAAA", Outcome.FOUND, ("fd00::1",)),
        ("headless.default.svc.cluster.local", "A", Outcome.FOUND, ("198.18.1.1", "198.18.1.2")),
        ("empty.default.svc.cluster.local", "A", Outcome.NO_DATA, ()),
        ("default.svc.cluster.local", "A", Outcome.NO_DATA, ()),
        ("api.example.com", "A", Outcome.FOUND, ("198.19.1.9",)),
        ("nothing.default.svc.cluster.local", "A", Outcome.NO_NAME, ()),
        ("reviews", "A", Outcome.NO_NAME, ()),
        ("www.example.com", "A", Outcome.NO_NAME, ()),
        (f"_http._tcp.{REVIEWS}", "SRV", Outcome.FOUND, (f"0 100 9080 {REVIEWS}.",)),
    ],
)
def test_lookup(name: str, kind: str, outcome: Outcome, records: tuple[str, ...]) -> None:
    assert ZONE.lookup(name, kind) == (outcome, records)


def ask(name: str, kind: str = "A", *, datagram: bool = True, edns: bool = True) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=0 if edns else -1, payload=1232)
    reply = answer(ZONE, query.to_wire(), datagram=datagram)
    assert reply is not None
    response = dns.message.from_wire(reply)
    assert query.is_response(response)
    return response


def test_an_answer_carries_the_address() -> None:
    response = ask(REVIEWS)
    assert [item.to_text() for item in response.answer[0]] == ["198.19.1.1"]
    assert response.flags & dns.flags.AA


def test_absence_says_how_long_it_holds() -> None:
    for name, code in ((REVIEWS, dns.rcode.NOERROR), ("www.example.com", dns.rcode.NXDOMAIN)):
        response = ask(name, "AAAA")
        assert response.rcode() == code
        assert response.authority
        assert not response.answer


def test_a_long_answer_is_cut_in_a_datagram_and_whole_over_tcp() -> None:
    cut = ask("many.default.svc.cluster.local", edns=False)
    assert cut.flags & dns.flags.TC
    whole = ask("many.default.svc.cluster.local", datagram=False)
    assert len(whole.answer[0]) == 200


def test_an_answer_is_not_answered() -> None:
    query = dns.message.make_query(REVIEWS, "A")
    assert answer(ZONE, dns.message.make_response(query).to_wire(), datagram=True) is None


def test_other_operations_are_refused_as_not_implemented() -> None:
    query = dns.message.make_query(REVIEWS, "A")
    query.set_opcode(dns.opcode.NOTIFY)
    reply = answer(ZONE, query.to_wire(), datagram=True)
    assert reply is not None
    assert dns.message.from_wire(reply).rcode() == dns.rcode.NOTIMP


@given(st.binary(max_size=80))
def test_any_bytes_are_answered_or_dropped(packet: bytes) -> None:
    reply = answer(ZONE, packet, datagram=True)
    assert reply is None or len(reply) >= 12


@given(st.binary(min_size=1, max_size=40), st.integers(0, 60))
def test_damaged_questions_are_answered_or_dropped(noise: bytes, position: int) -> None:
    packet = bytearray(dns.message.make_query(REVIEWS, "A").to_wire())
    packet[position : position + len(noise)] = noise
    reply = answer(ZONE, bytes(packet), datagram=True)
    assert reply is None or len(reply) >= 12


def test_resolv_conf() -> None:
    assert resolv_conf("shop") == (
        "nameserver 198.19.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )
