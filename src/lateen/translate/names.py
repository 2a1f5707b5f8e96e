"""Names of the resources and their parts. Source: Istio's naming, which users see in `proxy-config`."""

PASSTHROUGH_CLUSTER = "PassthroughCluster"
BLACK_HOLE_CLUSTER = "BlackHoleCluster"
INBOUND_PASSTHROUGH_CLUSTER = "InboundPassthroughCluster"
NAME_SERVERS_CLUSTER = "NameServersCluster"

VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"
VIRTUAL_OUTBOUND_BLACK_HOLE = "virtualOutbound-blackhole"
VIRTUAL_OUTBOUND_CATCH_ALL = "virtualOutbound-catchall-tcp"
VIRTUAL_INBOUND_BLACK_HOLE = "virtualInbound-blackhole"
PASSTHROUGH_FILTER_CHAIN = "PassthroughFilterChain"

WILDCARD_ADDRESS = "0.0.0.0"


def outbound_cluster(port: int, subset: str, hostname: str) -> str:
    return f"outbound|{port}|{subset}|{hostname}"


def inbound_cluster(target_port: int) -> str:
    return f"inbound|{target_port}||"


def inbound_virtual_host(port: int) -> str:
    return f"inbound|http|{port}"


def listener(address: str, port: int) -> str:
    return f"{address}_{port}"


def api_listener(host: str, port: int) -> str:
    """The listener that a gRPC client asks for which calls `xds:///<host>:<port>`."""
    return f"{host}:{port}"


def outbound_route(port: int) -> str:
    """The route configuration that all sidecars' HTTP listeners of a port use."""
    return str(port)


def gateway_route(port: int, bind: str = "") -> str:
    """The route configuration of a gateway's plain HTTP servers on a port."""
    return f"http.{port}.{bind}" if bind else f"http.{port}"


def virtual_host(host: str, port: int) -> str:
    return f"{host}:{port}"


def alternative_stat_name(cluster: str) -> str:
    """The `;` ends the name for the expressions that take statistics apart."""
    return f"{cluster};"
