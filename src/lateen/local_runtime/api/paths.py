"""Paths of the REST API: which objects, or which part of one, a path means. Pure."""

from typing import Final

import msgspec

_NAMESPACE_PARTS: Final = ("status", "finalize")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a path names. Without `name` a collection; `namespace` None is all namespaces, or a cluster-wide object."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str | None = None
    subresource: str = ""
    rest: str = ""


def parse(path: str) -> Target | None:
    """The target of `/api/v1/…` or `/apis/<group>/<version>/…`; None for any other path, discovery among them."""
    match path.strip("/").split("/"):
        case ["api", version, plural, *more]:
            return _below("", version, [plural, *more])
        case ["apis", group, version, plural, *more]:
            return _below(group, version, [plural, *more])
        case _:
            return None


def _below(group: str, version: str, parts: list[str]) -> Target:
    match parts:
        case ["namespaces", namespace, plural, *more] if not (group == "" and plural in _NAMESPACE_PARTS):
            return _named(group, version, plural, namespace, more)
        case [plural, *more]:
            return _named(group, version, plural, None, more)
    raise AssertionError("a path below a version has a part")


def _named(group: str, version: str, plural: str, namespace: str | None, more: list[str]) -> Target:
    return Target(
        group=group,
        version=version,
        plural=plural,
        namespace=namespace,
        name=more[0] if more else None,
        subresource=more[1] if len(more) > 1 else "",
        rest="/".join(more[2:]),
    )
