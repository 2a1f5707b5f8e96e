"""What proxies refused, and which objects are behind it."""

from collections.abc import Iterable
from typing import Final

import msgspec

from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.objects import ObjectRef
from lateen.incremental.nodes import Node
from lateen.model.mesh import Diagnostic, Mesh
from lateen.model.proxy import ProxyId
from lateen.xds.resource import PUSH_ORDER, SHORT_NAMES, Resource
from lateen.xds.stream import Refused

NETWORKING: Final = VirtualService.GROUP
"""Of several objects that changed together, those of routing are to blame before Services and pods are."""


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

    def accepted(self, proxy: ProxyId, type_url: str) -> None:
        """Take an acceptance, which ends what was refused of the type before."""
        key = (proxy, type_url)
        self._accepted_at[key] = self._mesh.revision
        if self._standing:
            self._standing.pop(key, None)

    def refused(self, proxy: ProxyId, answer: Refused, offered: Iterable[Node]) -> Refusal:
        """Take a refusal; `offered` are the nodes offered of the type, and the one that says which those are."""
        key = (proxy, answer.type_url)
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
            message = (
                f"{who} what this means ({short}), and what was accepted before stays in force: {_one_line(error)}"
            )
            found += [Diagnostic(cause, "", message, "refused") for cause in causes]
        return sorted(found)

    def _causes(self, offered: Iterable[Node], names: frozenset[str], accepted_at: int) -> tuple[ObjectRef, ...]:
        """The objects to blame: of those behind the refused resources the ones that changed last.

        Where none did since the proxy accepted the type, those that made it that they are offered at all. A route
        configuration rests on the whole mesh, and what was accepted before is not to blame.
        """
        beneath = {node for offer in offered for node in self._mesh.beneath(offer)}
        refused = {node for node in beneath if isinstance(node.value, Resource) and node.value.name in names}
        facts = self._mesh.changed_last(refused, accepted_at) or self._mesh.changed_last(beneath, accepted_at)
        causes = {key for _, key in facts if isinstance(key, ObjectRef)}
        configured = {cause for cause in causes if cause.group == NETWORKING}
        return tuple(sorted(configured or causes))


def _one_line(error: str) -> str:
    """Envoy tells several errors in as many lines."""
    return "; ".join(filter(None, map(str.strip, error.splitlines())))
