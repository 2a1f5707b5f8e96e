from lateen.xds.resource import EMPTY_OFFER, Offer, Resource, difference


def resource(name: str, content: str = "1") -> Resource:
    return Resource(name, (content.encode(),))


def test_equal_contents_make_equal_offers() -> None:
    assert Offer([resource("a")]) == Offer([resource("a")])
    assert Offer([resource("a")]) != Offer([resource("a", "2")])
    assert Offer([resource("a")]) != Offer([resource("b")])


def test_a_resource_is_found_at_any_depth() -> None:
    offer = Offer([Offer([Offer([resource("a")])]), resource("b")])
    assert offer.get("a") == resource("a")
    assert offer.get("b") == resource("b")
    assert offer.get("c") is None
    assert list(offer.by_name()) == ["a", "b"]


def test_the_difference_of_offers_is_what_changed_and_what_is_gone() -> None:
    old = Offer([resource("a"), Offer([resource("b"), resource("c")])])
    new = Offer([resource("a"), Offer([resource("b", "2"), resource("d")])])
    found = difference(old, new)
    assert [r.name for r in found.changed] == ["b", "d"]
    assert found.removed == ("c",)


def test_a_resource_that_moves_between_parts_is_unchanged() -> None:
    found = difference(Offer([Offer([resource("a")]), Offer()]), Offer([Offer(), Offer([resource("a")])]))
    assert (found.changed, found.removed) == ((), ())


def test_everything_differs_from_nothing() -> None:
    offer = Offer([Offer([resource("a")]), resource("b")])
    assert {r.name for r in difference(EMPTY_OFFER, offer).changed} == {"a", "b"}
    assert set(difference(offer, EMPTY_OFFER).removed) == {"a", "b"}


def test_parts_that_both_have_are_not_opened() -> None:
    class Closed(Offer):
        def __iter__(self):
            raise AssertionError("a shared part was walked")

    shared = Closed([resource("a")])
    found = difference(Offer([shared, Offer([resource("b")])]), Offer([shared, Offer([resource("b", "2")])]))
    assert [r.name for r in found.changed] == ["b"]
