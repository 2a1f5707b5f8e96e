"""Probes of the application, asked through the agent: the kubelet cannot pass the proxy's interception as a client."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lateen.inject import pods
from lateen.inject.encoding import compact_json
from lateen.inject.merge import without_nulls
from lateen.inject.pods import LISTS, PROXY, JsonMap

VARIABLE = "ISTIO_KUBE_APP_PROBERS"

_PROBES = {"readinessProbe": "readyz", "livenessProbe": "livez", "startupProbe": "startupz"}
_HOOKS = {"preStop": "prestopz", "postStart": "poststartz"}
_HANDLERS: Mapping[str, tuple[str, ...]] = {
    "httpGet": ("path", "port", "host", "scheme", "httpHeaders"),
    "tcpSocket": ("port", "host"),
    "grpc": ("port", "service"),
}

Handlers = dict[str, JsonMap]
"""What the agent asks, by the path that the kubelet asks it by."""


def rewritten(pod: Mapping[str, Any], agent_port: int, mesh_status_port: int) -> tuple[JsonMap, Handlers]:
    """The pod with its probes pointing to the agent, and the handlers they had. A probe that runs a command stays."""
    handlers: Handlers = {}

    def rewrite(container: JsonMap) -> JsonMap:
        return _container(container, agent_port, mesh_status_port, handlers)

    spec = dict(pods.spec(pod))
    for place in LISTS:
        if found := pods.containers(pod, place):
            spec[place] = [container if container.get("name") == PROXY else rewrite(container) for container in found]
    return {**pod, "spec": spec}, handlers


def variable(handlers: Handlers, existing: str = "") -> JsonMap | None:
    """The entry that tells the agent; handlers that an existing entry already has stay as they are there."""
    try:
        kept = json.loads(existing) if existing else {}
    except ValueError:
        kept = {}
    told = {**handlers, **kept}
    if not told:
        return None
    parts = (f"{compact_json('', path)}:{_json(told[path])}" for path in sorted(told))
    return {"name": VARIABLE, "value": "{" + ",".join(parts) + "}"}


def _container(container: JsonMap, agent_port: int, mesh_status_port: int, handlers: Handlers) -> JsonMap:
    changed = dict(container)
    name = container.get("name", "")
    for field, suffix in _PROBES.items():
        if probe := container.get(field):
            path = f"/app-health/{name}/{suffix}"
            changed[field] = _redirected(probe, path, agent_port)
            for handler in _handlers(probe, container, mesh_status_port):
                timeout = probe.get("timeoutSeconds")
                handlers[path] = {**handler, "timeoutSeconds": timeout} if timeout else handler
    if lifecycle := container.get("lifecycle"):
        hooks = {}
        for field, hook in lifecycle.items():
            path = f"/app-lifecycle/{name}/{_HOOKS.get(field, '')}"
            if field in _HOOKS and hook and "grpc" not in hook:
                hooks[field] = _redirected(hook, path, agent_port)
                for handler in _handlers(hook, container, mesh_status_port):
                    handlers[path] = handler
            else:
                hooks[field] = hook
        changed["lifecycle"] = hooks
    return changed


def _redirected(probe: JsonMap, path: str, agent_port: int) -> JsonMap:
    kept = {key: value for key, value in probe.items() if key not in ("tcpSocket", "grpc")}
    asked = probe.get("httpGet")
    if asked is not None:
        http = {**asked, "path": path, "port": agent_port}
        return {**kept, "httpGet": {**http, "scheme": "HTTP"} if asked.get("scheme") == "HTTPS" else http}
    if len(kept) < len(probe):
        return {**kept, "httpGet": {"path": path, "port": agent_port}}
    return probe


def _handlers(probe: JsonMap, container: JsonMap, mesh_status_port: int) -> Iterator[JsonMap]:
    """The probe's handler with its port as a number.

    None for a command, for a port name that is not there, and for what asks the agent already (by number).
    """
    for kind, fields in _HANDLERS.items():
        if (asked := probe.get(kind)) is None:
            continue
        port = _port_number(asked.get("port"), container)
        if port is None or (kind != "grpc" and asked.get("port") == mesh_status_port):
            return
        shown = {field: asked[field] for field in fields if asked.get(field) not in (None, "", [])}
        shown["port"] = port
        if kind == "grpc":
            shown["service"] = asked.get("service")
        yield {kind: shown}
        return


def _port_number(port: Any, container: JsonMap) -> int | None:
    if isinstance(port, int):
        return port
    ports = container.get("ports") or ()
    return next((item.get("containerPort") for item in ports if item.get("name") == port), None)


def _json(handler: JsonMap) -> str:
    """One handler; of unset fields only the service of a gRPC probe is written, as null."""
    return compact_json("", handler if "grpc" in handler else without_nulls(handler))
