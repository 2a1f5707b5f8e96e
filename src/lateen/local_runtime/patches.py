"""Patches of JSON values: pure functions from a value and a patch to the new value. Neither argument is changed."""

from typing import Any

Json = dict[str, Any]


def merge(value: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386): mappings are merged, null removes a key, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, part in patch.items():
        if part is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), part)
    return merged
