"""Envoy's configuration dump, taken apart. Works on the JSON that `/config_dump` answers."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

_CONFIG_PREFIX = "/apis/networking.istio.io/"


def section(dump: Json, name: str) -> Json:
    """One part of the dump by its message's short name, such as `ClustersConfigDump`; empty where it is missing."""
    wanted = f".{name}"
    return next((part for part in dump.get("configs", []) if str(part.get("@type", "")).endswith(wanted)), {})


def clusters(dump: Json) -> list[Json]:
    found = section(dump, "ClustersConfigDump")
    return [entry["cluster"] for key in ("static_clusters", "dynamic_active_clusters") for entry in found.get(key, [])]


def listeners(dump: Json) -> list[Json]:
    """Every listener that is in force."""
    found = section(dump, "ListenersConfigDump")
    static = [entry["listener"] for entry in found.get("static_listeners", [])]
    dynamic = [entry.get("active_state", {}).get("listener") for entry in found.get("dynamic_listeners", [])]
    return [*static, *(listener for listener in dynamic if listener)]


def routes(dump: Json) -> list[Json]:
    """Every route configuration, those inline in listeners too."""
    found = section(dump, "RoutesConfigDump")
    keys = ("static_route_configs", "dynamic_route_configs")
    return [entry["route_config"] for key in keys for entry in found.get(key, [])]


def endpoints(dump: Json) -> list[Json]:
    """Every load assignment; there are some only if the dump was asked to include them."""
    found = section(dump, "EndpointsConfigDump")
    keys = ("static_endpoint_configs", "dynamic_endpoint_configs")
    return [entry["endpoint_config"] for key in keys for entry in found.get(key, [])]


def offered(dump: Json) -> dict[str, dict[str, Json]]:
    """What came from the control plane: by `Clusters`, `Listeners` and `Routes`, each by name."""
    clusters = section(dump, "ClustersConfigDump")
    listeners = section(dump, "ListenersConfigDump")
    routes = section(dump, "RoutesConfigDump")
    taken = [entry.get("active_state", {}) for entry in listeners.get("dynamic_listeners", [])]
    found = {
        "Clusters": [entry["cluster"] for entry in clusters.get("dynamic_active_clusters", [])],
        "Listeners": [state["listener"] for state in taken if "listener" in state],
        "Routes": [entry["route_config"] for entry in routes.get("dynamic_route_configs", [])],
    }
    return {title: {str(message.get("name", "")): message for message in listed} for title, listed in found.items()}


def routes_loaded(dump: Json) -> str:
    """When the Envoy last took over a route configuration, as it writes times; empty where it has none."""
    entries = section(dump, "RoutesConfigDump").get("dynamic_route_configs", [])
    return max((str(entry.get("last_updated", "")) for entry in entries), default="")


def config_of(message: Mapping[str, Any]) -> str:
    """`<name>.<namespace>` of the object that a cluster or route was made from, as its metadata says; or nothing."""
    path = str(message.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", ""))
    parts = path.removeprefix(_CONFIG_PREFIX).split("/")
    return f"{parts[4]}.{parts[2]}" if path.startswith(_CONFIG_PREFIX) and len(parts) == 5 else ""


def socket_addresses(listener: Json) -> Iterator[tuple[str, int]]:
    """Address and port of a listener, of its additional ones too."""
    for holder in (listener, *listener.get("additional_addresses", [])):
        found = holder.get("address", {}).get("socket_address", {})
        if found:
            yield str(found.get("address", "")), int(found.get("port_value", 0))
