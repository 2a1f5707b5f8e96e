import pytest

from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Offer, Resource
from lateen.xds.stream import MOST_TYPES, Accepted, AdsStream, Refused, Subscribed
from lateen.xds.subscription import Edit, Names
from lateen.xds.update import Updates
from lateen.xds.variant import DELTA, VARIANTS, Request, Variant
from lateen.xds.wire import version_text


def offer(**contents: str) -> Offer:
    return Offer(Resource(name, (text.encode(),)) for name, text in contents.items())


def request(type_url: str, *subscribe: str, nonce: str = "", error: str | None = None) -> Request:
    return Request(type_url, Edit(frozenset(subscribe)), nonce, error)


def test_events_tell_what_the_client_asked_for_and_answered() -> None:
    stream = AdsStream(DELTA, Updates())
    offered = offer(a="1", b="1")
    stream.offer({CLUSTER: offered})
    stream.receive(request(CLUSTER))
    stream.receive(request(CLUSTER, nonce="1"))
    assert stream.take_events() == [Subscribed(CLUSTER), Accepted(CLUSTER, offered.version.hex())]
    assert stream.take_events() == []


def test_names_that_are_new_are_told_and_others_are_not() -> None:
    stream = AdsStream(DELTA, Updates())
    stream.receive(request(ENDPOINT, "a"))
    stream.take_events()
    stream.receive(request(ENDPOINT, "a"))
    assert stream.take_events() == []
    stream.receive(request(ENDPOINT, "a", "b"))
    assert stream.take_events() == [Subscribed(ENDPOINT)]


def test_a_refusal_names_resource_version_and_error() -> None:
    stream = AdsStream(DELTA, Updates())
    bad = Resource("a", (b"bad",))
    stream.offer({CLUSTER: Offer([bad])})
    stream.receive(request(CLUSTER))
    stream.receive(request(CLUSTER, nonce="1", error="no such thing"))
    assert stream.take_events()[1:] == [Refused(CLUSTER, ("a",), (bad.version,), "no such thing")]
    status = stream.status()[CLUSTER]
    assert (status.error, status.refused, status.synced) == ("no such thing", ("a",), False)
    stream.offer({CLUSTER: offer(a="good")})
    stream.receive(request(CLUSTER, nonce="2"))
    status = stream.status()[CLUSTER]
    assert (status.error, status.refused, status.synced) == ("", (), True)


@pytest.mark.parametrize("bad", ["a", "b"])
def test_an_acceptance_tells_whether_anything_of_the_type_is_still_refused(bad: str) -> None:
    stream = AdsStream(DELTA, Updates())
    answers: list[Accepted | Refused] = []

    def answer(error: str | None = None) -> None:
        stream.receive(request(CLUSTER, nonce=stream.status()[CLUSTER].nonce_sent, error=error))
        answers.extend(event for event in stream.take_events() if not isinstance(event, Subscribed))

    stream.offer({CLUSTER: offer(a="1", b="1")})
    stream.receive(request(CLUSTER))
    answer("one of them is wrong")
    for name in "ab":  # sent again one by one
        answer("this one" if name == bad else None)
    stream.offer({CLUSTER: offer(a="1", b="1", c="1")})
    answer()
    assert [event.clean for event in answers if isinstance(event, Accepted)] == [False, False]
    stream.offer({CLUSTER: offer(a="2", b="2", c="1")})
    answer()
    assert isinstance(answers[-1], Accepted)
    assert answers[-1].clean


def test_a_client_that_came_back_with_what_is_offered_is_in_sync_though_nothing_was_sent() -> None:
    offered = offer(a="1")
    stream = AdsStream(DELTA, Updates())
    stream.offer({ROUTE: offered})
    held = {"a": version_text(next(iter(offered)).version)}
    stream.receive(Request(ROUTE, Edit(frozenset({"a"}), held=held), "", None))
    status = stream.status()[ROUTE]
    assert (status.nonce_sent, status.synced) == ("", True)
    stream.offer({ROUTE: offer(a="2")})
    assert not stream.status()[ROUTE].synced


def test_status_tells_sent_and_accepted_apart() -> None:
    stream = AdsStream(DELTA, Updates())
    first, second = offer(a="1"), offer(a="2")
    stream.offer({CLUSTER: first})
    stream.receive(request(CLUSTER))
    assert not stream.status()[CLUSTER].synced
    stream.receive(request(CLUSTER, nonce="1"))
    assert stream.status()[CLUSTER].synced
    stream.offer({CLUSTER: second})
    status = stream.status()[CLUSTER]
    assert (status.nonce_sent, status.nonce_accepted, status.synced) == ("2", "1", False)
    assert (status.version_sent, status.version_accepted) == (second.version.hex(), first.version.hex())


def test_a_stream_keeps_the_offer_and_no_list_of_its_own() -> None:
    updates = Updates()
    offered = offer(**{f"n{number}": "1" for number in range(100)})
    names = sorted(offered.by_name())
    streams = [AdsStream(DELTA, updates) for _ in range(2)]
    bodies = set()
    for stream in streams:
        stream.offer({ENDPOINT: offered})
        (response,) = stream.receive(request(ENDPOINT, *names))
        bodies.add(id(response.message))
        stream.receive(request(ENDPOINT, nonce="1"))
    assert len(bodies) == 1


@pytest.mark.parametrize("variant", VARIANTS, ids=["delta", "state of the world"])
def test_streams_in_lockstep_are_sent_one_message_made_once(variant: Variant) -> None:
    updates = Updates()
    streams = [AdsStream(variant, updates) for _ in range(5)]
    for content in "12":
        sent = [stream.offer({CLUSTER: offer(a=content)}) or stream.receive(named(variant)) for stream in streams]
        (message,) = {response.message for responses in sent for response in responses}
        for stream in streams:
            assert stream.receive(named(variant, nonce=sent[0][0].nonce)) == []
            assert stream.status()[CLUSTER].synced
    late = AdsStream(variant, updates)
    late.offer({CLUSTER: offer(a="2")})
    assert late.receive(named(variant))[0].message is not message


def named(variant: Variant, nonce: str = "") -> Request:
    return Request(CLUSTER, Edit() if variant is DELTA else Names(), nonce)


def test_a_response_is_forgotten_once_no_stream_awaits_an_answer_to_it() -> None:
    updates = Updates()
    stream, other = (AdsStream(DELTA, updates) for _ in range(2))
    nonces = []
    for each in (stream, other):
        each.offer({CLUSTER: offer(a="1")})
        nonces.append(each.receive(request(CLUSTER))[0].nonce)
        each.receive(request(CLUSTER, nonce=nonces[-1]))
    assert len(set(nonces)) == 2


def test_no_nonce_comes_twice_on_a_stream_even_if_what_is_sent_does() -> None:
    stream = AdsStream(DELTA, Updates())
    stream.receive(request(CLUSTER))
    sent = [
        response for content in "121212" for response in (*stream.offer({CLUSTER: offer(a=content)}), *stream.release())
    ]
    assert len(sent) == len({response.nonce for response in sent}) == 6


def test_a_client_that_never_answers_is_not_sent_more_than_it_is_released_for() -> None:
    stream = AdsStream(DELTA, Updates())
    stream.receive(request(LISTENER))
    sent = [len(stream.offer({LISTENER: offer(a=str(number))})) for number in range(10)]
    assert sent == [1] + [0] * 9
    assert stream.waiting
    assert len(stream.release()) == 1
    assert not stream.waiting


@pytest.mark.parametrize(
    ("requests", "status"),
    [
        ([request("")], Status.INVALID_ARGUMENT),
        ([request(f"type{number}") for number in range(MOST_TYPES + 1)], Status.RESOURCE_EXHAUSTED),
        ([request(ENDPOINT, *map(str, range(200_001)))], Status.RESOURCE_EXHAUSTED),
        (
            [request(ENDPOINT, *map(str, range(150_000))), request(ENDPOINT, *map(str, range(100_000, 250_000)))],
            Status.RESOURCE_EXHAUSTED,
        ),
    ],
    ids=["no type", "too many types", "too many names", "too many names in all"],
)
def test_what_a_stream_does_not_take(requests: list[Request], status: Status) -> None:
    stream = AdsStream(DELTA, Updates())
    *taken, refused = requests
    for each in taken:
        stream.receive(each)
    with pytest.raises(CallError) as error:
        stream.receive(refused)
    assert error.value.status is status
