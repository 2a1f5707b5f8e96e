"""The annotation by which the multus plug-in learns of Istio's network."""

import json

ISTIO_NETWORK = "default/istio-cni"


def networks(existing: str, network: str = ISTIO_NETWORK) -> str:
    """The list with a network in it, in whichever of the two notations it is written; else left as it is."""
    text = existing.strip()
    if not text:
        return network
    if "]" not in text:
        return existing if network in [item.strip() for item in text.split(",")] else f"{existing}, {network}"
    namespace, slash, name = network.rpartition("/")
    try:
        listed = json.loads(text)
    except ValueError:
        return existing
    named = [(item.get("namespace", ""), item.get("name")) for item in listed if isinstance(item, dict)]
    if (namespace, name) in named:
        return existing
    before, bracket, after = existing.rpartition("]")
    place = f', "namespace": "{namespace}"' if slash else ""
    return f'{before}, {{"name": "{name}"{place}}}{bracket}{after}'
