"""Who asks: what a client's namespace and labels mean to the rules that look at their source."""

import msgspec

from lateen.common.labels import Selector


class Audience(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """All that routes may know of a client.

    `selectors` are those source selectors used by any VirtualService of the mesh that the client's labels satisfy, in
    the order of `http_rules.source_selectors`. So clients with different labels but equal answers are equal.
    """

    namespace: str
    selectors: tuple[Selector, ...] = ()
