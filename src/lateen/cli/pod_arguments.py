"""Which pod a person means: `reviews-v1`, `reviews-v1-7d4b9.default`, `deploy/reviews-v1`, `svc/reviews`."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from lateen.cli.output import Failure
from lateen.local_runtime.api.client import ApiClient

Json = dict[str, Any]

DEFAULT_NAMESPACE: Final = "default"
_WORKLOADS: Final = ("deploy", "deployment", "deployments")
_SERVICES: Final = ("svc", "service", "services")
_PROXY: Final = "istio-proxy"
_GRPC_BOOTSTRAP: Final = "GRPC_XDS_BOOTSTRAP"
_PODS: Final = ("po", "pod", "pods")


def resolve(client: ApiClient, text: str, namespace: str | None) -> Json:
    """The one pod that is meant, as the API has it. Raises `Failure`, which names the candidates.

    Names come before prefixes, the named (or default) namespace before all others. Of a Deployment's or Service's pods
    the first ready one is taken.
    """
    pods = client.get("/api/v1/pods")["items"]
    kind, slash, rest = text.partition("/")
    if not slash:
        return _pod(pods, text, namespace)
    if kind in _PODS:
        return _pod(pods, rest, namespace)
    if kind in _WORKLOADS:
        owners = client.get("/apis/apps/v1/deployments")["items"]
        return _selected(pods, owners, rest, namespace, "Deployment", _deployment_labels)
    if kind in _SERVICES:
        owners = client.get("/api/v1/services")["items"]
        return _selected(pods, owners, rest, namespace, "Service", _service_labels)
    raise Failure(f"{text!r} is not a pod: write POD[.NAMESPACE], deploy/NAME or svc/NAME")


def _pod(pods: Sequence[Json], text: str, namespace: str | None) -> Json:
    for name, where in _readings(text, namespace):
        found = [pod for pod in pods if pod["metadata"]["name"] == name and _is_in(pod, where)]
        found = found or [pod for pod in pods if pod["metadata"]["name"].startswith(name) and _is_in(pod, where)]
        if len(found) > 1:
            raise Failure(f"{text!r} may be any of {_listed(found)}; name one, or use deploy/NAME")
        if found:
            return found[0]
    known = f"; there are {_listed(pods)}" if pods else "; the mesh has no pods"
    raise Failure(f"there is no pod {text!r}{f' in namespace {namespace}' if namespace else ''}{known}")


def _selected(
    pods: Sequence[Json],
    owners: Sequence[Json],
    text: str,
    namespace: str | None,
    kind: str,
    labels_of: Callable[[Json], Json],
) -> Json:
    for name, where in _readings(text, namespace):
        for owner in owners:
            if owner["metadata"]["name"] != name or not _is_in(owner, where):
                continue
            wanted = labels_of(owner).items()
            within = owner["metadata"]["namespace"]
            found = [p for p in pods if _is_in(p, within) and wanted and wanted <= _labels(p).items()]
            if not found:
                raise Failure(f"{kind} {within}/{name} has no pods")
            return min(found, key=lambda pod: (not is_ready(pod), pod["metadata"]["name"]))
    names = ", ".join(sorted(f"{o['metadata']['name']}.{o['metadata']['namespace']}" for o in owners)) or "none"
    raise Failure(f"there is no {kind} {text!r}; there are: {names}")


def _readings(text: str, namespace: str | None) -> list[tuple[str, str | None]]:
    """Name and namespace that a text may mean, the likelier first: dots are allowed in names, and may end one."""
    if namespace:
        return [(text, namespace)]
    name, dot, where = text.rpartition(".")
    split: list[tuple[str, str | None]] = [(name, where)] if dot and name else []
    return [(text, DEFAULT_NAMESPACE), *split, (text, None)]


def is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def without_envoy(pod: Json) -> str | None:
    """Why a pod has no Envoy; None for one that has."""
    spec = pod.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if any(variable.get("name") == _GRPC_BOOTSTRAP for each in containers for variable in each.get("env") or ()):
        return "it is a gRPC client that speaks xDS itself"
    return None if any(each.get("name") == _PROXY for each in containers) else "no sidecar was injected into it"


def _is_in(raw: Json, namespace: str | None) -> bool:
    return namespace is None or raw["metadata"].get("namespace") == namespace


def _labels(raw: Json) -> Json:
    return raw["metadata"].get("labels") or {}


def _deployment_labels(raw: Json) -> Json:
    return ((raw.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}


def _service_labels(raw: Json) -> Json:
    return (raw.get("spec") or {}).get("selector") or {}


def _listed(pods: Sequence[Json]) -> str:
    names = sorted(f"{pod['metadata']['name']}.{pod['metadata']['namespace']}" for pod in pods)
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
