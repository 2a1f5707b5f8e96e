"""Whatever a client does, and whatever it is offered: once quiet it holds what is offered, and never a broken mesh.

The client is a model: it applies responses in order, refuses what it does not like, and may come back on a new stream
with what it holds. Bodies are texts; those that begin with "bad" are refused.
"""

from collections import deque
from collections.abc import Mapping

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Offer, Resource
from lateen.xds.stream import AdsStream
from lateen.xds.subscription import Ask, Edit, Names
from lateen.xds.update import Response, Updates
from lateen.xds.variant import DELTA, VARIANTS, Removal, Request, Variant
from lateen.xds.wire import version_text

TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
WILDCARD = (CLUSTER, LISTENER)
NAMES = ("a", "b", "c", "d")


def resource(name: str, text: str) -> Resource:
    """A body of two pieces that says its name too, which the state of the world does not tell otherwise."""
    return Resource(name, (name.encode(), b"=" + text.encode()))


def offer_of(type_url: str, contents: Mapping[str, str]) -> Offer:
    """Half of the resources in a nested part, as publishers do."""
    resources = [resource(name, text) for name, text in sorted(contents.items())]
    parts = (Offer(resources[::2]), Offer(resources[1::2]))
    return Offer(parts, (lambda name: resource(name, "")) if type_url == ENDPOINT else None)


class Client:
    """An honest client of either variant: partial or whole refusals."""

    def __init__(self, variant: Variant, updates: Updates, *, partial: bool) -> None:
        self.variant = variant
        self.updates = updates
        self.partial = partial
        self.held: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
        self.wanted: dict[str, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.versions: dict[str, str] = {}
        self.connect({})

    def connect(self, offers: Mapping[str, Offer]) -> None:
        self.stream = AdsStream(self.variant, self.updates)
        self.inbox: deque[Response] = deque()
        self.inbox.extend(self.stream.offer(offers))
        for type_url in TYPES:
            if self.variant is DELTA:
                wanted = frozenset(self.wanted.get(type_url, ()))
                held = {name: version_text(resource(name, text).version) for name, text in self.held[type_url].items()}
                self.send(type_url, Edit(wanted, held=held))
            else:
                self.send(type_url, self.names(type_url))

    def names(self, type_url: str) -> Names:
        return Names(frozenset(self.wanted.get(type_url, ())), self.versions.get(type_url, ""))

    def send(self, type_url: str, ask: Ask, nonce: str = "", error: str | None = None) -> None:
        self.inbox.extend(self.stream.receive(Request(type_url, ask, nonce, error)))

    def want(self, type_url: str, names: set[str]) -> None:
        now = self.wanted[type_url]
        self.wanted[type_url] = names
        for name in now - names:
            self.held[type_url].pop(name, None)
        edit = Edit(frozenset(names - now), frozenset(now - names))
        self.send(type_url, edit if self.variant is DELTA else self.names(type_url))

    def read_one(self) -> None:
        if not self.inbox:
            return
        type_url, nonce, contents, gone, version = self.read(self.inbox.popleft())
        bad = {name for name, text in contents.items() if text.startswith("bad")}
        if not bad or self.partial:
            held = self.held[type_url]
            wanted = self.wanted.get(type_url)
            held.update((n, text) for n, text in contents.items() if n not in bad and (wanted is None or n in wanted))
            for name in gone:
                held.pop(name, None)
        if not bad:
            self.versions[type_url] = version
        error = "there is something wrong" if bad else None
        self.send(type_url, Edit() if self.variant is DELTA else self.names(type_url), nonce, error)

    def read(self, response: Response) -> tuple[str, str, dict[str, str], list[str], str]:
        """Type, nonce, contents by name, what is removed, version."""
        body = response.message.body
        type_url = response.type_url
        if self.variant is DELTA:
            delta = DeltaDiscoveryResponse.FromString(body)
            contents = dict(each.resource.value.decode().split("=") for each in delta.resources)
            return type_url, delta.nonce, contents, list(delta.removed_resources), ""
        world = DiscoveryResponse.FromString(body)
        contents = dict(each.value.decode().split("=") for each in world.resources)
        whole = type_url in WILDCARD
        gone = [name for name in self.held[type_url] if whole and name not in contents]
        return type_url, world.nonce, contents, gone, world.version_info

    def settle(self) -> None:
        for _ in range(1000):
            if self.inbox:
                self.read_one()
            elif self.stream.waiting:
                self.inbox.extend(self.stream.release())
            else:
                return
        pytest.fail("the stream does not come to rest")


contents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("1", "2", "3", "bad", "badder")))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(TYPES), contents),
        st.tuples(st.just("read")),
        st.tuples(st.just("read")),
        st.tuples(st.just("want"), st.sampled_from((ENDPOINT, ROUTE)), st.sets(st.sampled_from(NAMES))),
        st.tuples(st.just("reconnect")),
        st.tuples(st.just("release")),
    ),
    max_size=40,
)


@pytest.mark.parametrize("variant", VARIANTS, ids=["delta", "state of the world"])
@settings(max_examples=400, deadline=None)
@given(steps=steps, partial=st.booleans())
def test_once_quiet_the_client_holds_what_is_offered(variant: Variant, steps: list[tuple], partial: bool) -> None:
    offers = {type_url: offer_of(type_url, {}) for type_url in TYPES}
    offered: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
    client = Client(variant, Updates(), partial=partial)
    client.inbox.extend(client.stream.offer(offers))
    for step in steps:
        match step:
            case ("offer", type_url, contents):
                offered[type_url] = contents
                offers[type_url] = offer_of(type_url, contents)
                client.inbox.extend(client.stream.offer({type_url: offers[type_url]}))
            case ("read",):
                client.read_one()
            case ("want", type_url, names):
                client.want(type_url, names)
            case ("reconnect",):
                client.connect(offers)
            case ("release",):
                client.inbox.extend(client.stream.release())
    client.settle()
    refused = {name for type_url in TYPES for name in client.stream.status()[type_url].refused}
    for type_url in TYPES:
        held = client.held[type_url]
        wanted = client.wanted.get(type_url, offered[type_url].keys())
        for name in wanted:
            text = offered[type_url].get(name)
            if text is not None and not text.startswith("bad"):
                assert held.get(name) == text, (type_url, name)
            elif text is None and not refused:  # what a refused resource may use stays as it was
                if type_url == ENDPOINT:
                    assert held.get(name) == "", name
                elif variant.removal(type_url) is not Removal.UNTOLD:
                    assert name not in held
        if not refused:
            assert held.keys() <= wanted
            assert client.stream.status()[type_url].synced


@pytest.mark.parametrize("variant", VARIANTS, ids=["delta", "state of the world"])
@settings(max_examples=300, deadline=None)
@given(
    targets=st.lists(st.tuples(st.fixed_dictionaries({"r": st.sampled_from(NAMES), "s": st.sampled_from(NAMES)}),
                               st.lists(st.sampled_from(("read", "reconnect")), max_size=6)), max_size=12),
)  # fmt: skip
def test_no_route_ever_points_to_a_cluster_that_is_not_there(variant: Variant, targets: list) -> None:
    client = Client(variant, Updates(), partial=False)
    client.want(ROUTE, {"r", "s"})
    empty = {LISTENER: offer_of(LISTENER, {"l": "1"}), ENDPOINT: offer_of(ENDPOINT, {})}

    def read() -> None:
        client.read_one()
        clusters = client.held[CLUSTER].keys()
        assert set(client.held[ROUTE].values()) <= clusters

    offers: dict[str, Offer] = {}
    for routes, then in targets:
        clusters = offer_of(CLUSTER, dict.fromkeys(routes.values(), "1"))
        offers = {**empty, CLUSTER: clusters, ROUTE: offer_of(ROUTE, routes)}
        client.inbox.extend(client.stream.offer(offers))
        for what in then:
            if what == "read":
                read()
            elif variant is DELTA:  # with state of the world a client that comes back does not say what it has
                client.connect(offers)
    while client.inbox:
        read()
    if offers:
        assert client.held[ROUTE] == targets[-1][0]
