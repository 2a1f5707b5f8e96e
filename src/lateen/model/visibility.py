"""exportTo: to which namespaces an object is visible. Source: Istio API, `exportTo` of services and routing objects."""

from collections.abc import Sequence

EVERYONE = "*"
NOBODY = "~"
_OWN = "."


def audiences(export_to: Sequence[str], owner: str) -> tuple[str, ...]:
    """The namespaces that see an object of namespace `owner`: `("*",)` for all, or sorted names, or none.

    `*` beats `~`, and `~` beats names. The caller has put the mesh's default in place of an empty list.
    """
    if EVERYONE in export_to:
        return (EVERYONE,)
    if NOBODY in export_to:
        return ()
    return tuple(sorted({owner if name == _OWN else name for name in export_to}))


def is_visible(export_to: Sequence[str], owner: str, client: str | None) -> bool:
    """Whether a client of the namespace sees the object; without a client, whether everyone does."""
    seen_by = audiences(export_to, owner)
    return EVERYONE in seen_by or client in seen_by
