"""Whatever a client does, and whatever it is offered: once quiet it holds what is offered, and never a broken mesh.

The client is a model: it applies responses in order, refuses what it does not like, and may come back on a new stream
with what it holds. Bodies are texts; those that begin with "bad" are refused.
"""

from collections import deque
from collections.abc import Mapping

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Offer, Resource
from lateen.xds.stream import AdsStream, Response
from lateen.xds.update import Updates

TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
WILDCARD = (CLUSTER, LISTENER)
NAMES = ("a", "b", "c", "d")


def empty_assignment(name: str) -> Resource:
    return Resource(name, (b"",))


def offer_of(type_url: str, contents: Mapping[str, str]) -> Offer:
    """Half of the resources in a nested part, as publishers do."""
    resources = [Resource(name, (text[:1].encode(), text[1:].encode())) for name, text in sorted(contents.items())]
    parts = (Offer(resources[::2]), Offer(resources[1::2]))
    return Offer(parts, empty_assignment if type_url == ENDPOINT else None)


class Client:
    """An honest client: partial or whole refusals, and names in its errors or not."""

    def __init__(self, updates: Updates, *, partial: bool) -> None:
        self.updates = updates
        self.partial = partial
        self.held: dict[str, dict[str, tuple[str, str]]] = {type_url: {} for type_url in TYPES}
        self.wanted: dict[str, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.connect({})

    def connect(self, offers: Mapping[str, Offer]) -> None:
        self.stream = AdsStream(self.updates)
        self.inbox: deque[DeltaDiscoveryResponse] = deque()
        self.take(self.stream.offer(offers))
        for type_url in TYPES:
            request = DeltaDiscoveryRequest(type_url=type_url)
            request.resource_names_subscribe.extend(sorted(self.wanted.get(type_url, ())))
            for name, (version, _) in self.held[type_url].items():
                request.initial_resource_versions[name] = version
            self.take(self.stream.receive(request))

    def take(self, responses: list[Response]) -> None:
        self.inbox.extend(DeltaDiscoveryResponse.FromString(b"".join(each.pieces)) for each in responses)

    def want(self, type_url: str, names: set[str]) -> None:
        now = self.wanted[type_url]
        request = DeltaDiscoveryRequest(type_url=type_url)
        request.resource_names_subscribe.extend(names - now)
        request.resource_names_unsubscribe.extend(now - names)
        self.wanted[type_url] = names
        for name in now - names:
            self.held[type_url].pop(name, None)
        self.take(self.stream.receive(request))

    def read_one(self) -> None:
        if not self.inbox:
            return
        response = self.inbox.popleft()
        request = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        contents = {each.name: (each.version, each.resource.value.decode()) for each in response.resources}
        bad = {name for name, (_, text) in contents.items() if text.startswith("bad")}
        if bad:
            request.error_detail.message = "there is something wrong"
        if not bad or self.partial:
            held = self.held[response.type_url]
            wanted = self.wanted.get(response.type_url)
            held.update((n, c) for n, c in contents.items() if n not in bad and (wanted is None or n in wanted))
            for name in response.removed_resources:
                held.pop(name, None)
        self.take(self.stream.receive(request))

    def settle(self) -> None:
        for _ in range(1000):
            if self.inbox:
                self.read_one()
            elif self.stream.waiting:
                self.take(self.stream.release())
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


@settings(max_examples=400, deadline=None)
@given(steps=steps, partial=st.booleans())
def test_once_quiet_the_client_holds_what_is_offered(steps: list[tuple], partial: bool) -> None:
    offers = {type_url: offer_of(type_url, {}) for type_url in TYPES}
    offered: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
    client = Client(Updates(), partial=partial)
    client.take(client.stream.offer(offers))
    for step in steps:
        match step:
            case ("offer", type_url, contents):
                offered[type_url] = contents
                offers[type_url] = offer_of(type_url, contents)
                client.take(client.stream.offer({type_url: offers[type_url]}))
            case ("read",):
                client.read_one()
            case ("want", type_url, names):
                client.want(type_url, names)
            case ("reconnect",):
                client.connect(offers)
            case ("release",):
                client.take(client.stream.release())
    client.settle()
    refused = {name for type_url in TYPES for name in client.stream.status()[type_url].refused}
    for type_url in TYPES:
        held = {name: text for name, (_, text) in client.held[type_url].items()}
        wanted = client.wanted.get(type_url, offered[type_url].keys())
        for name in wanted:
            text = offered[type_url].get(name, "" if type_url == ENDPOINT else None)
            if text is not None and not text.startswith("bad"):
                assert held.get(name) == text, (type_url, name)
            elif text is None and not refused:
                assert name not in held
        if not refused:
            assert held.keys() <= wanted
            assert client.stream.status()[type_url].synced


@settings(max_examples=300, deadline=None)
@given(
    targets=st.lists(st.tuples(st.fixed_dictionaries({"r": st.sampled_from(NAMES), "s": st.sampled_from(NAMES)}),
                               st.lists(st.sampled_from(("read", "reconnect")), max_size=6)), max_size=12),
)  # fmt: skip
def test_no_route_ever_points_to_a_cluster_that_is_not_there(targets: list) -> None:
    client = Client(Updates(), partial=False)
    client.want(ROUTE, {"r", "s"})
    empty = {LISTENER: offer_of(LISTENER, {"l": "1"}), ENDPOINT: offer_of(ENDPOINT, {})}

    def read() -> None:
        client.read_one()
        clusters = client.held[CLUSTER].keys()
        assert {text for _, text in client.held[ROUTE].values()} <= clusters

    offers: dict[str, Offer] = {}
    for routes, then in targets:
        clusters = offer_of(CLUSTER, dict.fromkeys(routes.values(), "1"))
        offers = {**empty, CLUSTER: clusters, ROUTE: offer_of(ROUTE, routes)}
        client.take(client.stream.offer(offers))
        for what in then:
            if what == "read":
                read()
            else:
                client.connect(offers)
    while client.inbox:
        read()
    if offers:
        assert {name: text for name, (_, text) in client.held[ROUTE].items()} == targets[-1][0]
