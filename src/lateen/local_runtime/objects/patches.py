"""Patches of JSON values: pure functions from a value and a patch to the new value. Neither argument is changed.

Source: RFC 7386 (merge patch), RFC 6902 (JSON patch), Kubernetes' strategic merge patch.
"""

from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]

_MERGE_KEYS: Final = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port", "name"),
}
"""Lists that a strategic merge patch merges by a key of their items; the first of these that an item has counts."""


class PatchFailed(Exception):
    """A patch that cannot be applied to this value."""


def merge(value: Any, patch: Any) -> Any:
    """A JSON merge patch: mappings are merged, null removes a key, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, part in patch.items():
        if part is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), part)
    return merged


def strategic_merge(value: Any, patch: Json) -> Any:
    """A merge patch in which certain lists are merged by key, and `$patch: delete|replace` removes or replaces."""
    if patch.get("$patch") == "replace":
        return {key: part for key, part in patch.items() if key != "$patch"}
    merged = dict(value) if isinstance(value, dict) else {}
    for key, part in patch.items():
        if key.startswith("$"):
            _directive(merged, key, part)
        elif part is None or (isinstance(part, dict) and part.get("$patch") == "delete"):
            merged.pop(key, None)
        elif isinstance(part, dict):
            merged[key] = strategic_merge(merged.get(key), part)
        elif isinstance(part, list) and key in _MERGE_KEYS:
            merged[key] = _merge_list(merged.get(key) or [], part, _MERGE_KEYS[key])
        else:
            merged[key] = part
    return merged


def _directive(merged: Json, directive: str, part: Any) -> None:
    if directive == "$retainKeys":
        for key in [key for key in merged if key not in part]:
            del merged[key]
    elif directive.startswith("$deleteFromPrimitiveList/"):
        key = directive.partition("/")[2]
        merged[key] = [item for item in merged.get(key) or [] if item not in part]


def _merge_list(items: Sequence[Any], patch: Sequence[Any], keys: Sequence[str]) -> list[Any]:
    if any(isinstance(part, dict) and part.get("$patch") == "replace" for part in patch):
        return [part for part in patch if not (isinstance(part, dict) and "$patch" in part)]
    merged = list(items)
    for part in patch:
        key = next((key for key in keys if isinstance(part, dict) and key in part), None)
        at = next(
            (i for i, item in enumerate(merged) if key and isinstance(item, dict) and item.get(key) == part[key]), None
        )
        if isinstance(part, dict) and part.get("$patch") == "delete":
            if at is not None:
                del merged[at]
        elif at is None:
            merged.append(part)
        else:
            merged[at] = strategic_merge(merged[at], part)
    return merged


def json_patch(value: Any, operations: Sequence[Json]) -> Any:
    """A JSON patch: add, remove, replace, move, copy and test, in order. Raises `PatchFailed`."""
    document = value
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PatchFailed(f"{operation.get('op')} {operation.get('path')}: no such place in the object") from error
    return document


def _operate(document: Any, operation: Json) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            return _changed(document, path, _add, operation["value"])
        case "replace":
            _at(document, path)
            return _changed(document, path, _set, operation["value"])
        case "remove":
            return _changed(document, path, _remove, None)
        case "copy":
            return _changed(document, path, _add, _at(document, _pointer(operation["from"])))
        case "move":
            source = _pointer(operation["from"])
            moved = _at(document, source)
            return _changed(_changed(document, source, _remove, None), path, _add, moved)
        case "test":
            if _at(document, path) != operation["value"]:
                raise PatchFailed(f"test {operation['path']}: the value there differs")
            return document
        case unknown:
            raise PatchFailed(f"unknown operation {unknown!r}")


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: Sequence[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _changed(document: Any, path: Sequence[str], change: Any, value: Any) -> Any:
    """A copy of the document along the path, with the change made at its end."""
    if not path:
        return value
    copy = list(document) if isinstance(document, list) else dict(document)
    if len(path) == 1:
        change(copy, path[0], value)
    else:
        key: Any = int(path[0]) if isinstance(copy, list) else path[0]
        copy[key] = _changed(copy[key], path[1:], change, value)
    return copy


def _add(container: Any, key: str, value: Any) -> None:
    if isinstance(container, list):
        container.insert(len(container) if key == "-" else int(key), value)
    else:
        container[key] = value


def _set(container: Any, key: str, value: Any) -> None:
    container[int(key) if isinstance(container, list) else key] = value


def _remove(container: Any, key: str, _: Any) -> None:
    del container[int(key) if isinstance(container, list) else key]
