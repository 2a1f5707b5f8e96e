"""The configuration an Envoy starts with: who it is, where its control plane is, and its two listeners of its own.

Everything else comes over xDS. Pure: a node and settings in, Envoy's `Bootstrap` in JSON form out; the agent writes it.
Names of clusters and listeners are those that Istio's tools know.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, assert_never

from lateen.common.ip_families import IpFamilies
from lateen.envoy.stats_config import StatsSettings, stats_config

Json = dict[str, Any]

# Values here are named tuples: msgspec and dataclasses each cost a pod's start 10 to 20 ms more.

MAX_CONNECTIONS = "2147483647"
"""Of all downstream connections together: as good as no limit. Envoy warns when there is none."""

_SOL_SOCKET, _SO_MARK = 1, 36

_TYPE = "type.googleapis.com/envoy.extensions."
_HTTP_CONNECTION_MANAGER = _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = _TYPE + "filters.http.router.v3.Router"
_UPSTREAM_HTTP = _TYPE + "upstreams.http.v3.HttpProtocolOptions"
_CONNECTION_LIMIT = _TYPE + "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"

STATIC_RUNTIME: Mapping[str, str] = {
    # Generated regexes (of paths, of policies) may be longer than Envoy's default allows.
    "re2.max_program_size.error_level": "32768",
    # A path with a fragment is served without it, as browsers mean it, not refused.
    "envoy.reloadable_features.http_reject_path_with_fragment": "false",
}


_DNS_LOOKUP: Mapping[IpFamilies, str] = {
    IpFamilies.IPV4: "V4_ONLY",
    IpFamilies.IPV6: "V6_ONLY",
    IpFamilies.DUAL: "ALL",
}


class UnixSocket(NamedTuple):
    """A control plane on a socket of the file system."""

    path: str


class HostPort(NamedTuple):
    """A control plane on a host name or address."""

    host: str
    port: int


class Locality(NamedTuple):
    region: str = ""
    zone: str = ""
    sub_zone: str = ""


class Node(NamedTuple):
    """Who the proxy says it is."""

    id: str
    cluster: str
    metadata: Mapping[str, Any]
    locality: Locality = Locality()


class BootstrapSettings(NamedTuple):
    """What of a bootstrap varies besides the node."""

    control_plane: UnixSocket | HostPort
    families: IpFamilies = IpFamilies.IPV4
    admin_port: int = 15000
    agent_port: int = 15020
    readiness_port: int = 15021
    prometheus_port: int = 15090
    stats: StatsSettings = StatsSettings()
    runtime: Mapping[str, str] = {}
    """Runtime values set by the user, above the static ones and below what is set by the admin interface."""
    outlier_log_path: str = ""
    """Where ejections of endpoints are logged; empty for nowhere."""
    mark: int | None = None
    """Of the packets of all connections that Envoy opens, which takes CAP_NET_ADMIN. DNS queries have none."""


def bootstrap(node: Node, settings: BootstrapSettings) -> Json:
    """Envoy's `Bootstrap`: static clusters and listeners, delta ADS that waits for the control plane, statistics."""
    localhost = settings.families.loopbacks[0]
    ads: Json = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    result: Json = {
        "node": _node(node),
        "admin": {
            "address": _socket_address(localhost, settings.admin_port),
            "ignore_global_conn_limit": True,
        },
        "layered_runtime": _layered_runtime(settings.runtime),
        "overload_manager": _overload_manager(),
        "stats_config": stats_config(settings.stats),
        "dynamic_resources": {"cds_config": ads, "lds_config": ads, "ads_config": _ads_config()},
        "static_resources": {
            "clusters": [
                _local_cluster("prometheus_stats", localhost, settings.admin_port),
                _local_cluster("agent", localhost, settings.agent_port),
                _control_plane_cluster(settings.control_plane, settings.families),
            ],
            "listeners": [
                _forwarding_listener(
                    settings.families, settings.prometheus_port, "stats", "/stats/prometheus", "prometheus_stats"
                ),
                _forwarding_listener(settings.families, settings.readiness_port, "agent", "/healthz/ready", "agent"),
            ],
        },
    }
    if manager := _cluster_manager(settings):
        result["cluster_manager"] = manager
    return result


def _cluster_manager(settings: BootstrapSettings) -> Json:
    manager: Json = {}
    if settings.outlier_log_path:
        manager["outlier_detection"] = {"event_log_path": settings.outlier_log_path}
    if settings.mark is not None:
        # A cluster with a bind configuration of its own goes without: inbound ones, which are known by their address.
        option = {"level": _SOL_SOCKET, "name": _SO_MARK, "int_value": settings.mark, "state": "STATE_PREBIND"}
        manager["upstream_bind_config"] = {"socket_options": [option]}
    return manager


def _node(node: Node) -> Json:
    result: Json = {"id": node.id, "cluster": node.cluster, "metadata": dict(node.metadata)}
    if any(node.locality):
        result["locality"] = {key: value for key, value in node.locality._asdict().items() if value}
    return result


def _layered_runtime(values: Mapping[str, str]) -> Json:
    """Later layers win; one served by the control plane belongs before `admin`."""
    layers: list[Json] = [{"name": "global config", "static_layer": {**STATIC_RUNTIME, **values}}]
    return {"layers": [*layers, {"name": "admin", "admin_layer": {}}]}


def _overload_manager() -> Json:
    monitor = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {"@type": _CONNECTION_LIMIT, "max_active_downstream_connections": MAX_CONNECTIONS},
    }
    return {"resource_monitors": [monitor]}


def _ads_config() -> Json:
    reconnect = {"retry_back_off": {"base_interval": "0.200s", "max_interval": "10s"}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": reconnect}}],
    }


def _control_plane_cluster(address: UnixSocket | HostPort, families: IpFamilies) -> Json:
    match address:
        case UnixSocket(path):
            discovery: Json = {"type": "STATIC"}
            endpoint: Json = {"pipe": {"path": path}}
        case HostPort(host, port):
            discovery = {"type": "STATIC"} if _is_address(host) else _dns_discovery(families)
            endpoint = _socket_address(host, port)
        case _:
            assert_never(address)
    # Dead peers are noticed by HTTP/2 pings, also where the kernel's own probing never reaches them.
    http2 = {"connection_keepalive": {"interval": "30s", "timeout": "10s"}}
    limits = [
        {"priority": priority, "max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
        for priority in ("DEFAULT", "HIGH")
    ]
    return {
        "name": "xds-grpc",
        "alt_stat_name": "xds-grpc;",
        **discovery,
        "connect_timeout": "1s",
        "load_assignment": _load_assignment("xds-grpc", endpoint),
        "circuit_breakers": {"thresholds": limits},
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 300}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _UPSTREAM_HTTP,
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
    }


def _dns_discovery(families: IpFamilies) -> Json:
    return {"type": "STRICT_DNS", "dns_lookup_family": _DNS_LOOKUP[families]}


def _local_cluster(name: str, host: str, port: int) -> Json:
    return {
        "name": name,
        "alt_stat_name": f"{name};",
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "load_assignment": _load_assignment(name, _socket_address(host, port)),
    }


def _load_assignment(name: str, address: Json) -> Json:
    endpoints: Sequence[Json] = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"cluster_name": name, "endpoints": endpoints}


def _forwarding_listener(families: IpFamilies, port: int, stat_prefix: str, path: str, cluster: str) -> Json:
    """A listener that passes one path on to a cluster of this pod and knows no other."""
    route = {"match": {"path": path}, "route": {"cluster": cluster}}
    manager = {
        "@type": _HTTP_CONNECTION_MANAGER,
        "codec_type": "AUTO",
        "stat_prefix": f"{stat_prefix};",
        "route_config": {"virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    first, *others = families.any_addresses
    listener: Json = {
        "name": f"{first}_{port}",
        "address": _socket_address(first, port),
        # A proxy too busy for more connections must still be able to say so.
        "ignore_global_conn_limit": True,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    if others:
        listener["additional_addresses"] = [{"address": _socket_address(other, port)} for other in others]
    return listener


def _socket_address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
