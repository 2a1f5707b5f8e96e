"""What the protocol carries: resources as bytes, and offers, the trees of shared resources that a stream may be sent.

Nothing here knows what a resource means. A body is built once, by whoever offers it, and shared by every stream.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Final

_PREFIX = "type.googleapis.com/"
CLUSTER: Final = _PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT: Final = _PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = _PREFIX + "envoy.config.listener.v3.Listener"
ROUTE: Final = _PREFIX + "envoy.config.route.v3.RouteConfiguration"
SECRET: Final = _PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"

PUSH_ORDER: Final = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)
"""Additions go out in this order and removals after them: make before break."""

WILDCARD_TYPES: Final = frozenset({CLUSTER, LISTENER})
"""Types whose first request without names asks for everything."""

SHORT_NAMES: Final = {CLUSTER: "CDS", ENDPOINT: "EDS", LISTENER: "LDS", ROUTE: "RDS", SECRET: "SDS"}


def digest(*pieces: bytes) -> bytes:
    """The content version of some bytes: 16 bytes of BLAKE2b over the pieces joined."""
    hasher = blake2b(digest_size=16)
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


class Resource:
    """One resource: its name, and its serialised message as a rope of pieces that others may share.

    Equal versions mean equal content; the version of a rope may be the digest of its parts' versions.
    """

    __slots__ = ("name", "pieces", "version")

    def __init__(self, name: str, pieces: tuple[bytes, ...], version: bytes | None = None) -> None:
        self.name = name
        self.pieces = pieces
        self.version = version if version is not None else digest(name.encode(), *pieces)

    @property
    def body(self) -> bytes:
        """The serialised message, joined."""
        return b"".join(self.pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resource) and self.version == other.version and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"Resource({self.name!r}, {self.version.hex()[:8]})"


Fallback = Callable[[str], Resource]
"""Makes the resource of a name that an offer does not list, such as an empty load assignment."""


class Offer:
    """Everything of one type that an audience may be sent: a tree whose parts are shared between audiences.

    Names are unique in a tree; should two resources have one name, a direct part counts before those in nested offers,
    and then the first. Equal versions mean equal content. `otherwise` answers a client that asks by name for what is
    not listed; without it such a name is answered as removed. Of nested offers only the outermost `otherwise` counts.
    """

    __slots__ = ("_direct", "_nested", "otherwise", "parts", "version")

    def __init__(self, parts: Iterable["Resource | Offer"] = (), otherwise: Fallback | None = None) -> None:
        self.parts: tuple[Resource | Offer, ...] = tuple(parts)
        self.version: bytes = digest(*(part.version for part in self.parts))
        self.otherwise = otherwise
        self._direct: dict[str, Resource] | None = None
        self._nested: tuple[Offer, ...] = ()

    def get(self, name: str) -> Resource | None:
        """The listed resource of that name. Indexes are made at the first call, one for each shared part."""
        if self._direct is None:
            self._nested = tuple(part for part in self.parts if isinstance(part, Offer))
            self._direct = {}
            for part in self.parts:
                if isinstance(part, Resource):
                    self._direct.setdefault(part.name, part)
        found = self._direct.get(name)
        if found is None:
            for nested in self._nested:
                found = nested.get(name)
                if found is not None:
                    break
        return found

    def by_name(self) -> dict[str, Resource]:
        """Name to resource, in order; a new dictionary at each call."""
        return {resource.name: self.get(resource.name) or resource for resource in self}

    def __iter__(self) -> Iterator[Resource]:
        for part in self.parts:
            if isinstance(part, Offer):
                yield from part
            else:
                yield part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Offer) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"Offer({len(self.parts)} parts, {self.version.hex()[:8]})"


EMPTY_OFFER: Final = Offer()


class Difference:
    """What turns one offer into another: resources new or changed, and names gone."""

    __slots__ = ("changed", "removed")

    def __init__(self, changed: tuple[Resource, ...], removed: tuple[str, ...]) -> None:
        self.changed = changed
        self.removed = removed


def difference(old: Offer, new: Offer) -> Difference:
    """What a client that holds `old` lacks of `new`. Parts that both share, at whatever depth, are not walked."""
    before, after = _unshared(old, new)
    changed = tuple(r for name, r in after.items() if name not in before or before[name].version != r.version)
    removed = tuple(name for name in before if name not in after)
    return Difference(changed, removed)


def _unshared(old: Offer, new: Offer) -> tuple[dict[str, Resource], dict[str, Resource]]:
    """Both trees' resources by name, without what both have; nested offers are opened only if they differ."""
    before: tuple[Resource | Offer, ...] = old.parts
    after: tuple[Resource | Offer, ...] = new.parts
    while True:
        kept = {part.version for part in before} & {part.version for part in after}
        before = tuple(part for part in before if part.version not in kept)
        after = tuple(part for part in after if part.version not in kept)
        if not any(isinstance(part, Offer) for part in (*before, *after)):
            break
        before, after = _opened(before), _opened(after)
    return Offer(before).by_name(), Offer(after).by_name()


def _opened(parts: tuple[Resource | Offer, ...]) -> tuple[Resource | Offer, ...]:
    return tuple(inner for part in parts for inner in (part.parts if isinstance(part, Offer) else (part,)))
