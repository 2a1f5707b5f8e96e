"""What proxies refused, and which objects are behind it."""

from collections.abc import Iterable

import msgspec

from lateen.config.objects import ObjectRef
from lateen.incremental.nodes import Node
from lateen.model.mesh import Mesh
from lateen.model.proxy import ProxyId
from lateen.xds.resource import Resource
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
        self.count = 0

    def answered(self, proxy: ProxyId, answer: Accepted | Refused, offered: Iterable[Node]) -> Refusal | None:
        """Take an answer about a type of which these nodes were offered; returns a new refusal."""
        match answer:
            case Accepted():
                if self._standing:
                    self._standing.pop((proxy, answer.type_url), None)
                return None
            case Refused():
                causes = self._causes(offered, frozenset(answer.names))
                refusal = Refusal(proxy, answer.type_url, answer.names, answer.error, causes)
                self._standing[proxy, answer.type_url] = refusal
                self.count += 1
                return refusal

    def forget(self, proxy: ProxyId) -> None:
        """Drop what a proxy refused: it is gone."""
        for key in [key for key in self._standing if key[0] == proxy]:
            del self._standing[key]

    def standing(self) -> list[Refusal]:
        """Every refusal in force."""
        return list(self._standing.values())

    def _causes(self, offered: Iterable[Node], names: frozenset[str]) -> tuple[ObjectRef, ...]:
        refused = {
            node
            for offer in offered
            for node in self._mesh.beneath(offer)
            if isinstance(node.value, Resource) and node.value.name in names
        }
        facts = {fact for node in refused for fact in self._mesh.behind(node)}
        return tuple(sorted(key for of, key in facts if isinstance(of, type) and isinstance(key, ObjectRef)))
