"""The annotation by which the multus plug-in learns of Istio's network."""

import json

_NAME, _NAMESPACE = "istio-cni", "default"
_LISTED = f"{_NAMESPACE}/{_NAME}"


def networks(existing: str) -> str:
    """The list with Istio's network in it, in whichever of the two notations it is written; else left as it is."""
    text = existing.strip()
    if not text:
        return _LISTED
    if "]" not in text:
        return existing if _LISTED in [item.strip() for item in text.split(",")] else f"{existing}, {_LISTED}"
    try:
        listed = json.loads(text)
    except ValueError:
        return existing
    named = {(item.get("namespace"), item.get("name")) for item in listed if isinstance(item, dict)}
    if (_NAMESPACE, _NAME) in named:
        return existing
    before, bracket, after = existing.rpartition("]")
    return f'{before}, {{"name": "{_NAME}", "namespace": "{_NAMESPACE}"}}{bracket}{after}'
