from lateen.xds.resource import CLUSTER, EMPTY_OFFER, ENDPOINT, LISTENER, Offer, Resource
from lateen.xds.subscription import Subscription
from lateen.xds.update import Updates
from lateen.xds.wire import delta_resources

EVERYTHING = Subscription(wildcard=True)


def resource(name: str, content: str = "1") -> Resource:
    return Resource(name, (content.encode(),))


def offer(**contents: str) -> Offer:
    return Offer(resource(name, text) for name, text in contents.items())


def test_streams_at_the_same_offer_get_the_same_bytes() -> None:
    updates = Updates()
    one = updates.between(CLUSTER, offer(a="1"), offer(a="2"), EVERYTHING)
    other = updates.between(CLUSTER, offer(a="1"), offer(a="2"), EVERYTHING)
    assert one[0].encoded(delta_resources) is other[0].encoded(delta_resources)


def test_the_shared_part_of_different_offers_is_worked_out_once() -> None:
    updates = Updates()
    before, after = offer(a="1"), offer(a="2")
    bodies = {
        id(updates.between(CLUSTER, Offer([before, own]), Offer([after, own]), EVERYTHING)[0].encoded(delta_resources))
        for own in (offer(x="1"), offer(y="1"), offer(z="1"))
    }
    assert len(bodies) == 1


def test_the_first_answer_of_different_offers_shares_the_shared_part() -> None:
    updates = Updates()
    shared = offer(a="1")
    one = updates.between(CLUSTER, EMPTY_OFFER, Offer([shared, offer(x="1")]), EVERYTHING)
    other = updates.between(CLUSTER, EMPTY_OFFER, Offer([shared, offer(y="1")]), EVERYTHING)
    assert one[0] is other[0]
    assert one[1].names == {"x"}


def test_only_wanted_names_are_in_an_update() -> None:
    wanted = Subscription(names=frozenset({"a", "c"}))
    (update,) = Updates().between(ENDPOINT, offer(a="1", b="1", c="1"), offer(a="2", b="2"), wanted)
    assert update.names == {"a"}
    assert update.gone == ("c",)


def test_a_large_restricted_update_is_shared_too() -> None:
    updates, names = Updates(), [f"n{i}" for i in range(100)]
    wanted = Subscription(names=frozenset(names[:50]))
    new = offer(**dict.fromkeys(names, "1"))
    one = updates.between(ENDPOINT, EMPTY_OFFER, new, wanted)
    assert one[0] is updates.between(ENDPOINT, EMPTY_OFFER, new, wanted)[0]
    assert one[0].names == wanted.names


def test_names_that_are_not_offered_get_what_the_offer_gives_otherwise() -> None:
    listed = Offer([resource("a")], lambda name: resource(name, "empty"))
    update = Updates().named(ENDPOINT, listed, frozenset("ab"), listed_only=frozenset())
    assert update.changed == (resource("a"), resource("b", "empty"))
    assert Updates().named(ENDPOINT, listed, frozenset("ab"), frozenset("b")).gone == ("b",)


def test_all_that_is_wanted_by_name_includes_what_the_offer_gives_otherwise() -> None:
    listed = Offer([resource("a"), resource("c")], lambda name: resource(name, "empty"))
    wanted = Subscription(names=frozenset("ab"))
    (update,) = Updates().whole(LISTENER, listed, wanted, frozenset(), ())
    assert update.changed == (resource("a"), resource("b", "empty"))
    (update,) = Updates().whole(LISTENER, listed, wanted, frozenset("a"), (resource("a", "kept"),))
    assert update.changed == (resource("b", "empty"), resource("a", "kept"))


def test_a_whole_has_what_the_client_kept_in_place_of_the_exceptions() -> None:
    updates, new = Updates(), offer(a="2", b="2")
    for kept in ((resource("b", "0"),), (resource("b", "1"),), ()):
        (update,) = updates.whole(CLUSTER, new, EVERYTHING, frozenset("b"), kept)
        assert update.changed == (resource("a", "2"), *kept)


def test_what_is_kept_stays_within_the_capacity() -> None:
    updates = Updates(capacity=20_000)
    for number in range(100):
        updates.between(CLUSTER, EMPTY_OFFER, offer(a=str(number) * 1000), EVERYTHING)
    assert updates.kept_bytes <= 20_000


def test_equal_subscriptions_become_one() -> None:
    updates = Updates()
    one = updates.shared(Subscription(names=frozenset({"a"})))
    assert updates.shared(Subscription(names=frozenset({"a"}))) is one
