"""Kubernetes' strategic merge: a partial pod laid over a pod, lists merged by key.

`$patch: delete` and `$patch: replace` work in maps and in items of keyed lists; a null deletes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LIST_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "schedulingGates": "name",
    "resourceClaims": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "ownerReferences": "uid",
}
"""Lists whose items are merged by this field; all other lists are replaced whole, `finalizers` united."""

_DIRECTIVE = "$patch"


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The base with the patch over it; neither is changed, but the result may share parts with both."""
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: without_nulls(value) for key, value in patch.items() if key != _DIRECTIVE and value is not None}
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below, value) if isinstance(below, Mapping) else _new(value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            merged[key] = _merge_list(key, merged.get(key) or [], value)
        else:
            merged[key] = value
    return merged


def without_nulls(value: Any) -> Any:
    """The value without null entries of maps, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _new(value: Mapping[str, Any]) -> dict[str, Any]:
    return merge({}, value)


def _merge_list(name: str, base: Sequence[Any], patch: Sequence[Any]) -> list[Any]:
    if name == "finalizers":
        return [*base, *(item for item in patch if item not in base)]
    key = LIST_KEYS.get(name)
    if key is None:
        return [without_nulls(item) for item in patch]
    if any(item == {_DIRECTIVE: "replace"} for item in patch):
        return [_new(item) for item in patch if item != {_DIRECTIVE: "replace"}]
    gone = {item.get(key) for item in patch if item.get(_DIRECTIVE) == "delete"}
    old = [item for item in base if item.get(key) not in gone]
    new = [item for item in patch if item.get(_DIRECTIVE) != "delete"]
    by_key = {item.get(key): item for item in old}
    merged = {item.get(key): merge(by_key.get(item.get(key), {}), item) for item in new}
    untouched = [item for item in old if item.get(key) not in merged]
    places = {item.get(key): place for place, item in enumerate(old)}
    return _interleave(untouched, list(merged.values()), lambda item: places.get(item.get(key)))


def _interleave(untouched: list[Any], patched: list[Any], place: Callable[[Any], int | None]) -> list[Any]:
    """Both lists in their own order; an untouched item stands before a patched one only where it did so before."""
    result: list[Any] = []
    rest = list(untouched)
    for item in patched:
        at = place(item)
        while rest and at is not None and (before := place(rest[0])) is not None and before < at:
            result.append(rest.pop(0))
        result.append(item)
    return [*result, *rest]
