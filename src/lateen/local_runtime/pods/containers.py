"""Which container of a pod a person means who names none."""

from typing import Any, Final

Json = dict[str, Any]

_CHOSEN: Final = "kubectl.kubernetes.io/default-container"
_SIDECAR: Final = "istio-proxy"


def container_names(pod: Json) -> list[str]:
    """Names of the pod's containers, then of its init containers."""
    spec = pod.get("spec") or {}
    return [each["name"] for kind in ("containers", "initContainers") for each in spec.get(kind) or []]


def default_container(pod: Json, asked: str | None) -> str:
    """The container asked for; else the one the pod's annotation names, else the first that is not the sidecar.

    Raises `ValueError`, naming those there are, for one that the pod does not have.
    """
    names = container_names(pod)
    if asked:
        if asked not in names:
            raise ValueError(
                f"container {asked} is not valid for pod {pod['metadata']['name']}; it has {', '.join(names)}"
            )
        return asked
    chosen = (pod["metadata"].get("annotations") or {}).get(_CHOSEN)
    if chosen in names:
        return str(chosen)
    own = [each["name"] for each in (pod.get("spec") or {}).get("containers") or [] if each["name"] != _SIDECAR]
    if not own and not names:
        raise ValueError(f"pod {pod['metadata']['name']} has no containers")
    return own[0] if own else names[0]
