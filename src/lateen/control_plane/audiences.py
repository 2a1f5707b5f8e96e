"""Who is offered what: connected proxies, in audiences of those that are asked the same and so are offered the same.

proxy -> views (an answer) -> audience -> questions (answers that are watched once for all its members) -> offers
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from lateen.incremental.nodes import CLEAN, Node
from lateen.model.mesh import Mesh
from lateen.model.proxy import Proxy
from lateen.model.views import Views
from lateen.translate.catalogue import questions
from lateen.xds.ads import AdsConnection
from lateen.xds.resource import EMPTY_OFFER, Offer


class Subscriber:
    """A connected proxy: its stream, its views, and the audience that it belongs to by them.

    `number` counts connections. `behind_since`: when the change was taken of which it has not accepted everything, if
    there is.
    """

    __slots__ = ("audience", "behind_since", "connection", "number", "proxy", "views")

    def __init__(self, connection: AdsConnection, number: int, proxy: Proxy, views: Node) -> None:
        self.connection = connection
        self.number = number
        self.behind_since: float | None = None
        self.proxy = proxy
        self.views = views
        self.audience: Audience = _NOBODY

    def offers(self) -> dict[str, Offer]:
        """All that it may have, by type URL; what it asked for and is not served is empty."""
        asked = self.audience.asked
        if not asked:
            return {}
        unserved = {type_url: EMPTY_OFFER for type_url in self.connection.types if type_url not in asked}
        return self.audience.offers(asked) | unserved


class Audience:
    """Proxies of equal views. `asked` are the answers that they are offered together, by type URL."""

    __slots__ = ("asked", "members", "views")

    def __init__(self, views: Views | None, asked: Mapping[str, tuple[Node, ...]]) -> None:
        self.views = views
        self.asked = asked
        self.members: dict[Subscriber, None] = {}

    @property
    def answered(self) -> bool:
        """Whether everything that it is asked is up to date."""
        return all(node.state == CLEAN for nodes in self.asked.values() for node in nodes)

    def offers(self, type_urls: Iterable[str]) -> dict[str, Offer]:
        """What there is of these types now, without those that cannot be built.

        What proxies have of them is better than a part of what they should have.
        """
        found: dict[str, Offer] = {}
        for type_url in type_urls:
            parts = [node.value for node in self.asked[type_url]]
            if all(isinstance(part, Offer) for part in parts):
                found[type_url] = parts[0] if len(parts) == 1 else Offer(parts)
        return found


_NOBODY = Audience(None, {})
"""Whose views are not known asks nothing."""


class Audiences:
    """Keeps what somebody may be sent watched."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._by_views: dict[Views, Audience] = {}
        self._asking: defaultdict[Node, dict[Audience, str]] = defaultdict(dict)

    def asking(self, node: Node) -> Iterator[tuple[Audience, str]]:
        """Who is offered an answer, and as part of which type."""
        yield from self._asking.get(node, {}).items()

    def move(self, subscriber: Subscriber) -> None:
        """Make it a member of the audience that its views are those of now."""
        former, views = subscriber.audience, subscriber.views.value
        subscriber.audience = self._audience(views) if isinstance(views, Views) else _NOBODY
        if subscriber.audience is not former:
            if subscriber.audience is not _NOBODY:
                subscriber.audience.members[subscriber] = None
            self._leave(former, subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """The proxy is gone."""
        self._leave(subscriber.audience, subscriber)
        subscriber.audience = _NOBODY

    def _audience(self, views: Views) -> Audience:
        found = self._by_views.get(views)
        if found is None:
            watch = self._mesh.watch
            asked = {url: tuple(watch(query, *args) for query, args in each) for url, each in questions(views).items()}
            found = self._by_views[views] = Audience(views, asked)
            for type_url, nodes in asked.items():
                for node in nodes:
                    self._asking[node][found] = type_url
        return found

    def _leave(self, audience: Audience, subscriber: Subscriber) -> None:
        audience.members.pop(subscriber, None)
        if audience.members or audience.views is None:
            return
        del self._by_views[audience.views]
        for nodes in audience.asked.values():
            for node in nodes:
                self._mesh.unwatch(node)
                self._asking[node].pop(audience, None)
                if not self._asking[node]:
                    del self._asking[node]
