"""What proxies refused, and which objects are behind it."""

from collections.abc import Iterable

import msgspec

from lateen.config.objects import ObjectRef
from lateen.incremental.nodes import Node
from lateen.model.mesh import Diagnostic, Mesh
from lateen.model.proxy import ProxyId
from lateen.xds.resource import PUSH_ORDER, SHORT_NAMES, Resource
from lateen.xds.stream import Accepted, Refused


class Refusal(msgspec.Struct, frozen=True):
    """A proxy keeps what it had of these resources; `causes` are the objects they were made from, sorted."""

    proxy: ProxyId
    type_url: str
    names: tuple[str, ...]
    error: str
    causes: tuple[ObjectRef, ...]


class Refusals:
    """The refusals that stand: a proxy's acceptance of a later version of the type ends one."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._standing: dict[tuple[ProxyId, str], Refusal] = {}
        self._accepted_at: dict[tuple[ProxyId, str], int] = {}
        self.count = 0

    def answered(self, proxy: ProxyId, answer: Accepted | Refused, offered: Iterable[Node]) -> Refusal | None:
        """Take an answer about a type of which these nodes were offered; returns a new refusal."""
        key = (proxy, answer.type_url)
        match answer:
            case Accepted():
                self._accepted_at[key] = self._mesh.revision
                self._standing.pop(key, None)
                return None
            case Refused():
                causes = self._causes(offered, frozenset(answer.names), self._accepted_at.get(key, 0))
                refusal = Refusal(proxy, answer.type_url, answer.names, answer.error, causes)
                self._standing[key] = refusal
                self.count += 1
                return refusal

    def forget(self, proxy: ProxyId) -> None:
        """Drop what is known of a proxy: it is gone."""
        self._standing = {key: value for key, value in self._standing.items() if key[0] != proxy}
        for type_url in PUSH_ORDER:
            self._accepted_at.pop((proxy, type_url), None)

    def standing(self) -> list[Refusal]:
        """Every refusal in force."""
        return list(self._standing.values())

    def diagnostics(self) -> list[Diagnostic]:
        """The refusals in force, on each object behind them, however many proxies refused alike; sorted."""
        alike: dict[tuple[tuple[ObjectRef, ...], str, str], int] = {}
        for refusal in self._standing.values():
            key = (refusal.causes, SHORT_NAMES.get(refusal.type_url, refusal.type_url), refusal.error)
            alike[key] = alike.get(key, 0) + 1
        found = []
        for (causes, short, error), count in alike.items():
            who = "1 proxy refuses" if count == 1 else f"{count} proxies refuse"
            message = f"{who} what this means ({short}), and what was accepted before stays in force: {error}"
            found += [Diagnostic(cause, "", message, "refused") for cause in causes]
        return sorted(found)

    def _causes(self, offered: Iterable[Node], names: frozenset[str], accepted_at: int) -> tuple[ObjectRef, ...]:
        """The objects behind the refused resources: those that changed since the proxy accepted the type, if any did.

        A route configuration rests on the whole mesh, and what was accepted before is not to blame.
        """
        refused = {
            node
            for offer in offered
            for node in self._mesh.beneath(offer)
            if isinstance(node.value, Resource) and node.value.name in names
        }
        recent = {fact for node in refused for fact in self._mesh.behind(node, accepted_at)}
        facts = recent or {fact for node in refused for fact in self._mesh.behind(node)}
        return tuple(sorted(key for of, key in facts if isinstance(of, type) and isinstance(key, ObjectRef)))
