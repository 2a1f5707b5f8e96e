"""What the protocol carries: resources as bytes, and offers, the trees of shared resources that a stream may be sent.

Nothing here knows what a resource means. A body is built once, by whoever offers it, and shared by every stream.
"""

from collections.abc import Iterable, Iterator
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


class Offer:
    """Everything of one type that an audience may be sent: a tree whose parts are shared between audiences.

    Names are unique in a tree; of two resources of one name the first counts. Equal versions mean equal content.
    """

    __slots__ = ("_by_name", "parts", "version")

    def __init__(self, parts: Iterable["Resource | Offer"] = ()) -> None:
        self.parts = tuple(parts)
        self.version = digest(*(part.version for part in self.parts))
        self._by_name: dict[str, Resource] | None = None

    def by_name(self) -> dict[str, Resource]:
        """Name to resource, in order; made at the first call and kept. Not to be changed."""
        if self._by_name is None:
            found: dict[str, Resource] = {}
            for resource in self:
                found.setdefault(resource.name, resource)
            self._by_name = found
        return self._by_name

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
    """What a client that holds `old` lacks of `new`. Parts that both share are not walked."""
    before, after = _unshared(old, new)
    changed = tuple(r for name, r in after.items() if name not in before or before[name].version != r.version)
    removed = tuple(name for name in before if name not in after)
    return Difference(changed, removed)


def _unshared(old: Offer, new: Offer) -> tuple[dict[str, Resource], dict[str, Resource]]:
    kept = {part.version for part in old.parts} & {part.version for part in new.parts}
    before = Offer(part for part in old.parts if part.version not in kept)
    after = Offer(part for part in new.parts if part.version not in kept)
    return before.by_name(), after.by_name()
