"""How far a proxy is with one type of resource, in istioctl's words."""

from collections.abc import Mapping
from typing import Any


def word_for(resource: Mapping[str, Any]) -> str:
    """Of a type in `/debug/syncz`. A proxy that came back with all that it is offered is sent nothing, and SYNCED."""
    if resource.get("lastError"):
        return "ERROR"
    if resource.get("synced"):
        return "SYNCED"
    return "STALE" if resource.get("sent") else "NOT SENT"
