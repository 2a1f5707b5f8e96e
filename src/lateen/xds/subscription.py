"""What a client wants of one type, and how its requests change that, in both variants of the protocol.

A subscription is a value: streams that want the same share one. Rules: the xDS protocol's "how the client specifies
what resources to return"; in both variants the first request of a wildcard type without names asks for everything.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

import msgspec

from lateen.xds.grpc.status import CallError, Status
from lateen.xds.resource import WILDCARD_TYPES

NOTHING: Final[frozenset[str]] = frozenset()
WILDCARD: Final = "*"

MOST_NAMES: Final = 200_000
"""Names that one stream may subscribe to in one type; a request for more ends it."""


class Subscription(msgspec.Struct, frozen=True):
    """Everything that is offered (`wildcard`), and these names, whether offered or not.

    `unspoken`: the wildcard was never asked for by name, so a list of no names still means it.
    """

    wildcard: bool = False
    names: frozenset[str] = NOTHING
    unspoken: bool = False

    def covers(self, name: str) -> bool:
        """True if the client wants to know of this name."""
        return self.wildcard or name in self.names


UNSUBSCRIBED: Final = Subscription()


class Edit(msgspec.Struct, frozen=True):
    """What a delta request says: names to add and to take away. `held` are its `initial_resource_versions`."""

    subscribe: frozenset[str] = NOTHING
    unsubscribe: frozenset[str] = NOTHING
    held: Mapping[str, str] = MappingProxyType({})


class Names(msgspec.Struct, frozen=True):
    """What a state-of-the-world request says: all names wanted from now on, and the version last accepted."""

    names: frozenset[str] = NOTHING
    version: str = ""


Ask = Edit | Names


class Change(msgspec.Struct, frozen=True):
    """The subscription after a request, and what the request asks to be answered, known to the client or not.

    `everything` is set when the wildcard is newly subscribed: the whole type is to be answered.
    """

    subscription: Subscription
    asked: frozenset[str] = NOTHING
    everything: bool = False


def limit(type_url: str, names: int) -> None:
    """Raises `CallError` for more names of a type than one stream may have."""
    if names > MOST_NAMES:
        raise CallError(Status.RESOURCE_EXHAUSTED, f"{type_url}: more than {MOST_NAMES} names on one stream")


def first(type_url: str, ask: Ask) -> Change:
    """What the first request of a type on a stream asks for."""
    match ask:
        case Edit():
            return _first_edit(type_url, ask)
        case Names(names=names):
            unspoken = not names and type_url in WILDCARD_TYPES
            wildcard = unspoken or WILDCARD in names
            named = names - {WILDCARD} if WILDCARD in names else names
            return Change(Subscription(wildcard, named, unspoken), named, everything=wildcard)
        case _:
            assert_never(ask)


def later(now: Subscription, ask: Ask) -> Change:
    """What a further request asks for."""
    match ask:
        case Edit():
            return _later_edit(now, ask)
        case Names():
            return _later_names(now, ask)
        case _:
            assert_never(ask)


def _first_edit(type_url: str, edit: Edit) -> Change:
    """A client names in `held` what it wants to keep, so for named subscriptions those names count as subscribed."""
    wanted, unwanted = edit.subscribe, edit.unsubscribe
    wildcard = WILDCARD in wanted or (not wanted and type_url in WILDCARD_TYPES)
    names = wanted - {WILDCARD} - unwanted
    if wildcard and WILDCARD not in unwanted:
        return Change(Subscription(True, names), names, everything=True)
    names |= edit.held.keys() - unwanted
    return Change(Subscription(False, names), names)


def _later_edit(now: Subscription, edit: Edit) -> Change:
    """Names subscribed again are asked for again: the client may have forgotten them.

    A name given up under a wildcard is asked for, since the client cannot know whether the wildcard holds it.
    """
    wanted, unwanted = edit.subscribe, edit.unsubscribe
    if not (wanted or unwanted):
        return Change(now)
    asked = wanted - unwanted - {WILDCARD}
    names = (now.names | asked) - unwanted
    wildcard = (now.wildcard or WILDCARD in wanted) and WILDCARD not in unwanted
    if wildcard:
        asked |= unwanted & now.names
    same = names == now.names and wildcard == now.wildcard
    after = now if same else Subscription(wildcard, names)
    return Change(after, asked, everything=wildcard and WILDCARD in wanted)


def _later_names(now: Subscription, ask: Names) -> Change:
    """Only names that are new are asked for. Without names a spoken wildcard ends like everything else."""
    if now.unspoken and not ask.names:
        return Change(now)
    wildcard = WILDCARD in ask.names
    names = ask.names - {WILDCARD} if wildcard else ask.names
    if wildcard == now.wildcard and names == now.names:
        return Change(now)
    return Change(Subscription(wildcard, names), names - now.names, everything=wildcard and not now.wildcard)
