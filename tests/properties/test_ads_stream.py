"""Whatever a client does, and whatever it is offered: once quiet it holds what is offered, and never a broken mesh.

The client is a model: it applies responses in order, refuses what it does not like, changes its mind about what it
wants, repeats itself, loses things, and may come back on a new stream with what it holds or with nothing. Bodies are
texts; those that begin with "bad" are refused, and must not come again before they differ.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, Offer, Resource
from lateen.xds.stream import USERS, AdsStream
from lateen.xds.subscription import Ask, Edit, Names
from lateen.xds.update import Response, Updates
from lateen.xds.variant import DELTA, VARIANTS, Removal, Request, Variant
from lateen.xds.wire import version_text

TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
WILDCARD = frozenset({CLUSTER, LISTENER})
NAMES = ("a", "b", "ab", "d")


def resource(name: str, text: str) -> Resource:
    """A body of two pieces that says its name too, which the state of the world does not tell otherwise."""
    return Resource(name, (name.encode(), b"=" + text.encode()))


def offer_of(type_url: str, contents: Mapping[str, str]) -> Offer:
    """Half of the resources in a nested part, as publishers do."""
    resources = [resource(name, text) for name, text in sorted(contents.items())]
    parts = (Offer(resources[::2]), Offer(resources[1::2]))
    return Offer(parts, (lambda name: resource(name, "")) if type_url == ENDPOINT else None)


class Refusing(Enum):
    """What a client that refuses a response does with the rest of it."""

    WHOLE = "refuses all of it"
    PARTIAL = "takes over the rest"
    NAMING = "takes over the rest, and names the bad clusters and listeners as Envoy does"


class Client:
    """An honest client of either variant. Of a type in `wanted` it wants these names, of others everything."""

    def __init__(self, variant: Variant, updates: Updates, refusing: Refusing = Refusing.WHOLE) -> None:
        self.variant = variant
        self.updates = updates
        self.refusing = refusing
        self.held: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
        self.wanted: dict[str, set[str]] = {ENDPOINT: set(), ROUTE: set()}
        self.versions: dict[str, str] = {}
        self.connect({})

    def connect(self, offers: Mapping[str, Offer], order: Sequence[str] = TYPES) -> None:
        """On a new stream, with what it holds; types are asked for in that order."""
        self.stream = AdsStream(self.variant, self.updates)
        self.inbox: deque[Response] = deque()
        self.answered: dict[str, list[str]] = {type_url: [] for type_url in TYPES}
        self.blamed: dict[tuple[str, str, str], int] = {}
        self.spoken: set[str] = set()
        self.take(self.stream.offer(offers))
        for type_url in order:
            if self.variant is DELTA:
                wanted = frozenset(self.wanted.get(type_url, ()))
                held = {name: version_text(resource(name, text).version) for name, text in self.held[type_url].items()}
                self.send(type_url, Edit(wanted, held=held))
            else:
                self.send(type_url, self.names(type_url))

    def take(self, responses: Iterable[Response]) -> None:
        for response in responses:
            type_url, _, contents, gone, _ = self.read(response)
            assert self.wanted.get(type_url, contents.keys() | gone) >= contents.keys() | gone, "sent, and not wanted"
            self.inbox.append(response)

    def names(self, type_url: str) -> Names:
        """The whole subscription: a wildcard is spoken only after names."""
        everything = WILDCARD & self.spoken if type_url not in self.wanted else frozenset()
        names = {"*"} if type_url in everything else self.wanted.get(type_url, set())
        return Names(frozenset(names), self.versions.get(type_url, ""))

    def send(self, type_url: str, ask: Ask, nonce: str = "", error: str | None = None) -> None:
        self.take(self.stream.receive(Request(type_url, ask, nonce, error)))

    def want(self, type_url: str, names: set[str] | None) -> None:
        """These names from now on, and nothing else; None for everything."""
        now = self.wanted.pop(type_url, None)
        if names is not None:
            self.wanted[type_url] = names
            for name in self.held[type_url].keys() - names:
                del self.held[type_url][name]
        if now is None or names is None:
            self.spoken.add(type_url)
        self.forgive(type_url)
        before, after = now if now is not None else {"*"}, names if names is not None else {"*"}
        edit = Edit(frozenset(after - before), frozenset(before - after))
        self.send(type_url, edit if self.variant is DELTA else self.names(type_url))

    def forget(self, type_url: str, position: int) -> None:
        """Lose one of the resources it holds and ask for it again, which only delta can."""
        held = sorted(self.held[type_url])
        if self.variant is DELTA and held:
            name = held[position % len(held)]
            del self.held[type_url][name]
            self.forgive(type_url)
            self.send(type_url, Edit(frozenset({name})))

    def forgive(self, type_url: str, kept: Mapping[str, str] | None = None) -> None:
        """What was refused may come again, except names that are offered as these contents say."""
        self.blamed = {
            key: sent for key, sent in self.blamed.items() if key[0] != type_url or (kept or {}).get(key[1]) == key[2]
        }

    def repeat(self, type_url: str, error: str | None) -> None:
        """Answer once more what has been answered, or what never came."""
        nonce = next(iter(self.answered[type_url]), "never sent")
        self.send(type_url, Edit() if self.variant is DELTA else self.names(type_url), nonce, error)

    def read_one(self) -> None:
        if not self.inbox:
            return
        type_url, nonce, contents, gone, version = self.read(self.inbox.popleft())
        for name, text in contents.items():
            assert int(nonce) <= self.blamed.get((type_url, name, text), int(nonce)), "refused, and sent again"
        bad = {name for name, text in contents.items() if text.startswith("bad")}
        if not bad or self.refusing is not Refusing.WHOLE:
            wanted = self.wanted.get(type_url, contents.keys())
            self.apply(type_url, {name: contents[name] for name in contents.keys() & wanted - bad}, gone)
        if not bad:
            self.versions[type_url] = version
        self.answered[type_url].append(nonce)
        self.send(type_url, Edit() if self.variant is DELTA else self.names(type_url), nonce, self.error(type_url, bad))
        self.blame(type_url, contents, bad)

    def apply(self, type_url: str, contents: Mapping[str, str], gone: Iterable[str]) -> None:
        """Take resources over. Like Envoy, a client needs the load assignment of a changed cluster again."""
        held = self.held[type_url]
        for name in gone:
            held.pop(name, None)
        for name, text in contents.items():
            if type_url == CLUSTER and held.get(name) != text:
                self.held[ENDPOINT].pop(name, None)
            held[name] = text

    def error(self, type_url: str, bad: set[str]) -> str | None:
        if not bad:
            return None
        if self.refusing is Refusing.NAMING and type_url in WILDCARD:
            kind = "cluster" if type_url == CLUSTER else "listener"
            return f"Error adding/updating {kind}(s) " + ", ".join(f"{name}: wrong" for name in sorted(bad))
        return "there is something wrong"

    def blame(self, type_url: str, contents: Mapping[str, str], bad: set[str]) -> None:
        """Note what the stream knows now to be refused; responses under way do not know it yet."""
        if type_url == ENDPOINT:
            return  # sent again whenever its cluster is, which would wait for it
        under_way = [int(each.nonce) for each in self.inbox if each.type_url == type_url]
        for name in bad & set(self.stream.status()[type_url].refused):
            latest = max([*under_way, int(self.answered[type_url][-1])])
            self.blamed.setdefault((type_url, name, contents[name]), latest)

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
                self.take(self.stream.release())
            else:
                return
        pytest.fail("the stream does not come to rest")


contents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("1", "2", "3", "4", "bad", "badder")))
types = st.sampled_from(TYPES)
some_names = st.sets(st.sampled_from(NAMES), min_size=1)
step = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 8)),
    st.tuples(st.just("offer"), types, contents),
    st.tuples(st.just("want"), st.sampled_from((ENDPOINT, ROUTE)), st.sets(st.sampled_from(NAMES))),
    st.tuples(st.just("want"), st.sampled_from(sorted(WILDCARD)), st.one_of(st.none(), some_names)),
    st.tuples(st.just("forget"), st.sampled_from((ENDPOINT, ROUTE)), st.integers(0, 3)),
    st.tuples(st.just("repeat"), types, st.sampled_from((None, "no"))),
    st.tuples(st.just("reconnect"), st.permutations(TYPES)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("release")),
)
steps = st.one_of(st.lists(step, max_size=10), st.lists(step, min_size=15, max_size=60))
"""Few, after which nothing mends what went wrong, or many."""


class Offered:
    """What a client is offered, by type: contents by name, and the offers made of them."""

    def __init__(self) -> None:
        self.contents: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
        self.offers = {type_url: offer_of(type_url, {}) for type_url in TYPES}

    def change(self, type_url: str, contents: dict[str, str]) -> None:
        self.contents[type_url] = contents
        self.offers[type_url] = offer_of(type_url, contents)


def do(step: tuple, client: Client, offered: Offered) -> None:
    match step:
        case ("offer", type_url, contents):
            offered.change(type_url, contents)
            client.forgive(type_url, kept=contents)
            client.take(client.stream.offer({type_url: offered.offers[type_url]}))
        case ("read", times):
            for _ in range(times):
                client.read_one()
        case ("want", type_url, names):
            client.want(type_url, names)
        case ("forget", type_url, position):
            client.forget(type_url, position)
        case ("repeat", type_url, error):
            client.repeat(type_url, error)
        case ("reconnect", order):
            client.connect(offered.offers, order)
        case ("restart",):
            client.held = {type_url: {} for type_url in TYPES}
            client.versions.clear()
            client.connect(offered.offers)
        case ("release",):
            client.take(client.stream.release())


@pytest.mark.parametrize("variant", VARIANTS, ids=["delta", "state of the world"])
@settings(max_examples=800, deadline=None)
@given(steps=steps, refusing=st.sampled_from(Refusing), capacity=st.sampled_from((1, 64 << 20)))
def test_once_quiet_the_client_holds_what_is_offered(
    variant: Variant, steps: list[tuple], refusing: Refusing, capacity: int
) -> None:
    offered = Offered()
    client = Client(variant, Updates(capacity), refusing)
    client.take(client.stream.offer(offered.offers))
    for step in steps:
        do(step, client, offered)
    client.settle()
    for type_url in TYPES:
        now, held, status = offered.contents[type_url], client.held[type_url], client.stream.status()[type_url]
        wanted = client.wanted.get(type_url, now.keys())
        assert set(status.refused) == {name for name in wanted if now.get(name, "").startswith("bad")}
        assert not (status.refused and status.synced)
        assert not (status.error and status.synced)
        in_use = any(client.stream.status()[user].refused for user in USERS.get(type_url, ()))
        for name in wanted:
            text = now.get(name)
            if text is not None and not text.startswith("bad"):
                assert held.get(name) == text, (type_url, name)
            elif text is None and not in_use:  # what a refused resource may use stays as it was
                if type_url == ENDPOINT:
                    assert held.get(name) == "", name
                elif variant.removal(type_url) is not Removal.UNTOLD:
                    assert name not in held
        if not in_use:
            # Who comes back with the state of the world and refuses does not say what it would lose with the rest.
            unsaid = variant.removal(type_url) is Removal.BY_ABSENCE and ("reconnect" in {step[0] for step in steps})
            assert held.keys() <= wanted or (unsaid and status.refused)
            assert status.refused or status.synced


@pytest.mark.parametrize("variant", VARIANTS, ids=["delta", "state of the world"])
@settings(max_examples=300, deadline=None)
@given(
    targets=st.lists(st.tuples(st.fixed_dictionaries({"r": st.sampled_from(NAMES), "s": st.sampled_from(NAMES)}),
                               st.lists(st.sampled_from(("read", "reconnect")), max_size=6)), max_size=12),
)  # fmt: skip
def test_no_route_ever_points_to_a_cluster_that_is_not_there(variant: Variant, targets: list) -> None:
    client = Client(variant, Updates())
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
        client.take(client.stream.offer(offers))
        for what in then:
            if what == "read":
                read()
            elif variant is DELTA:  # with state of the world a client that comes back does not say what it has
                client.connect(offers)
    while client.inbox:
        read()
    if offers:
        assert client.held[ROUTE] == targets[-1][0]
