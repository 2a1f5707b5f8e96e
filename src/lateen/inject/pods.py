"""Reading pods in their JSON shape: the places that injection looks at, whatever is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

JsonMap = dict[str, Any]
"""A JSON object of Kubernetes' API."""

PROXY = "istio-proxy"
INIT = "istio-init"
VALIDATION = "istio-validation"
CORE_DUMP = "enable-core-dump"
LISTS = ("containers", "initContainers")


def annotations(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return (pod.get("metadata") or {}).get("annotations") or {}


def labels(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return (pod.get("metadata") or {}).get("labels") or {}


def spec(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod.get("spec") or {}


def containers(pod: Mapping[str, Any], place: str = "containers") -> Sequence[JsonMap]:
    """The containers of one of the two lists."""
    found: Sequence[JsonMap] = spec(pod).get(place) or ()
    return found


def named(items: Sequence[JsonMap], name: str) -> JsonMap | None:
    """The item of that name."""
    return next((item for item in items if item.get("name") == name), None)


def proxy_container(pod: Mapping[str, Any]) -> JsonMap | None:
    """The pod's proxy, wherever it runs."""
    return named(containers(pod), PROXY) or named(containers(pod, "initContainers"), PROXY)


def application_containers(pod: Mapping[str, Any]) -> list[JsonMap]:
    """The pod's own containers, init containers left aside."""
    return [container for container in containers(pod) if container.get("name") != PROXY]
