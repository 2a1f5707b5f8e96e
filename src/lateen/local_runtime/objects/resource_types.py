"""The kinds of object the local API serves: their plurals, versions and scope.

A kind that is not among `lateen.config.known_types` is guessed when an object of one arrives, so that nothing of a
user's manifests is lost.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from lateen.config.known_types import ResourceType, known_types
from lateen.config.schema import by_api


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group and version: `apps/v1` is `("apps", "v1")`, `v1` is `("", "v1")`."""
    group, _, version = api_version.rpartition("/")
    return group, version


def guess_plural(kind: str) -> str:
    """The plural a kind most likely has: `HTTPRoute` is `httproutes`, `Gateway` `gateways`, `Policy` `policies`."""
    lowered = kind.lower()
    if lowered.endswith("y") and lowered[-2:-1] not in ("a", "e", "i", "o", "u"):
        return lowered[:-1] + "ies"
    if lowered.endswith(("s", "x", "ch", "sh")):
        return lowered + "es"
    return lowered + "s"


class ResourceTypes:
    """The resource types a server knows. Grows when an object of an unknown kind is stored; never shrinks."""

    def __init__(self, types: Iterable[ResourceType] | None = None) -> None:
        types = known_types() if types is None else tuple(types)
        self._by_kind: dict[tuple[str, str], ResourceType] = {(t.group, t.kind): t for t in types}
        self._by_plural: dict[tuple[str, str], ResourceType] = {(t.group, t.plural): t for t in types}

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._by_kind.values())

    def of_kind(self, group: str, kind: str) -> ResourceType | None:
        return self._by_kind.get((group, kind))

    def of_plural(self, group: str, plural: str) -> ResourceType | None:
        return self._by_plural.get((group, plural))

    def named(self, text: str) -> list[ResourceType]:
        """Types a person may mean by `deploy`, `deployment`, `Deployment`, `deployments` or `deployments.apps`."""
        word, _, group = text.lower().partition(".")
        found = [
            t for t in self if word in (t.kind.lower(), t.plural, *t.short_names) and (not group or t.group == group)
        ]
        return found or [t for t in self if t.plural == text.lower()]

    def recognise(self, api_version: str, kind: str) -> ResourceType:
        """The type of an object as written: a known one, or the one it most likely has (namespaced, a regular plural).

        A version not seen before is taken as served, except for kinds the mesh reads, whose versions are fixed.
        """
        group, version = split_api_version(api_version)
        known = self._by_kind.get((group, kind))
        if known is None:
            return ResourceType(group=group, versions=(version,), kind=kind, plural=guess_plural(kind))
        if version in known.versions or by_api(api_version, kind) is not None:
            return known
        return msgspec.structs.replace(known, versions=(*known.versions, version))

    def define(self, added: ResourceType) -> None:
        """Add a type, or replace the one of the same group and kind."""
        self._by_kind[(added.group, added.kind)] = added
        self._by_plural[(added.group, added.plural)] = added


def defined_by(definition: Mapping[str, Any]) -> ResourceType | None:
    """The type that a CustomResourceDefinition declares; None for a kind the mesh reads, and where something lacks."""
    try:
        spec = definition["spec"]
        names = spec["names"]
        declared = ResourceType(
            group=spec["group"],
            versions=tuple(each["name"] for each in spec["versions"] if each.get("served", True)),
            kind=names["kind"],
            plural=names["plural"],
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
        )
    except (KeyError, TypeError, AttributeError):
        return None
    return declared if by_api(declared.api_version(), declared.kind) is None else None
