"""What a client wants of one type, and how its requests change that.

A subscription is a value: streams that want the same share one. Rules: the xDS protocol's "how the client specifies
what resources to return"; in both variants the first request of a wildcard type without names asks for everything.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from lateen.xds.resource import WILDCARD_TYPES

NOTHING: Final[frozenset[str]] = frozenset()
WILDCARD: Final = "*"


class Subscription(msgspec.Struct, frozen=True):
    """Everything that is offered (`wildcard`), and these names, whether offered or not."""

    wildcard: bool = False
    names: frozenset[str] = NOTHING

    def covers(self, name: str) -> bool:
        """True if the client wants to know of this name."""
        return self.wildcard or name in self.names


UNSUBSCRIBED: Final = Subscription()


class Change(msgspec.Struct, frozen=True):
    """The subscription after a request, and what the request asks to be answered, known to the client or not.

    `everything` is set when the wildcard is newly subscribed: the whole type is to be answered.
    """

    subscription: Subscription
    asked: frozenset[str] = NOTHING
    everything: bool = False


def first_delta(type_url: str, subscribe: Iterable[str], unsubscribe: Iterable[str], held: Mapping[str, str]) -> Change:
    """The first delta request of a type on a stream; `held` are its `initial_resource_versions`.

    A client names in `held` what it wants to keep, so for named subscriptions those names count as subscribed.
    """
    wanted, unwanted = frozenset(subscribe), frozenset(unsubscribe)
    wildcard = WILDCARD in wanted or (not wanted and type_url in WILDCARD_TYPES)
    names = wanted - {WILDCARD} - unwanted
    if wildcard and WILDCARD not in unwanted:
        return Change(Subscription(True, names), names, everything=True)
    names |= held.keys() - unwanted
    return Change(Subscription(False, names), names)


def later_delta(now: Subscription, subscribe: Iterable[str], unsubscribe: Iterable[str]) -> Change:
    """A further delta request. Names subscribed again are asked for again: the client may have forgotten them.

    A name given up under a wildcard is asked for, since the client cannot know whether the wildcard holds it.
    """
    wanted, unwanted = frozenset(subscribe), frozenset(unsubscribe)
    asked = wanted - unwanted - {WILDCARD}
    names = (now.names | asked) - unwanted
    wildcard = (now.wildcard or WILDCARD in wanted) and WILDCARD not in unwanted
    if wildcard:
        asked |= unwanted & now.names
    same = names == now.names and wildcard == now.wildcard
    after = now if same else Subscription(wildcard, names)
    return Change(after, asked, everything=wildcard and WILDCARD in wanted)
