import json
import socket
import subprocess
from pathlib import Path

import pytest

from lateen.common.ip_families import IpFamilies
from lateen.envoy import binary
from lateen.envoy.bootstrap import (
    BootstrapSettings,
    HostPort,
    Json,
    Locality,
    Node,
    UnixSocket,
    bootstrap,
)
from lateen.envoy.stats_config import StatsSettings

NODE = Node("sidecar~10.0.0.1~a.ns~ns.svc.cluster.local", "a.ns", {"NAMESPACE": "ns"}, Locality("r", "z"))
SOCKET = UnixSocket("/run/lateen/xds.sock")


def built(**settings: object) -> Json:
    return bootstrap(NODE, BootstrapSettings(**{"control_plane": SOCKET, **settings}))  # type: ignore[arg-type]


def cluster(config: Json, name: str) -> Json:
    found: Json = next(c for c in config["static_resources"]["clusters"] if c["name"] == name)
    return found


def endpoint(config: Json, name: str) -> Json:
    address: Json = cluster(config, name)["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    return address


def test_the_node_says_who_and_where_the_proxy_is() -> None:
    assert built()["node"] == {
        "id": "sidecar~10.0.0.1~a.ns~ns.svc.cluster.local",
        "cluster": "a.ns",
        "metadata": {"NAMESPACE": "ns"},
        "locality": {"region": "r", "zone": "z"},
    }


def test_an_unknown_locality_is_left_out() -> None:
    assert "locality" not in bootstrap(NODE._replace(locality=Locality()), BootstrapSettings(SOCKET))["node"]


def test_discovery_is_delta_ads_that_waits_for_the_control_plane() -> None:
    dynamic = built()["dynamic_resources"]
    assert dynamic["ads_config"]["api_type"] == "DELTA_GRPC"
    assert dynamic["ads_config"]["transport_api_version"] == "V3"
    assert dynamic["ads_config"]["set_node_on_first_message_only"] is True
    assert dynamic["ads_config"]["grpc_services"][0]["envoy_grpc"]["cluster_name"] == "xds-grpc"
    for service in ("cds_config", "lds_config"):
        assert dynamic[service] == {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


@pytest.mark.parametrize(
    ("address", "discovery", "expected"),
    [
        (SOCKET, "STATIC", {"pipe": {"path": "/run/lateen/xds.sock"}}),
        (HostPort("istiod.sys.svc", 15010), "STRICT_DNS", {"address": "istiod.sys.svc", "port_value": 15010}),
        (HostPort("10.1.2.3", 15010), "STATIC", {"address": "10.1.2.3", "port_value": 15010}),
        (HostPort("fd00::1", 15010), "STATIC", {"address": "fd00::1", "port_value": 15010}),
    ],
)
def test_the_control_plane_is_on_a_socket_an_address_or_a_name(
    address: UnixSocket | HostPort, discovery: str, expected: Json
) -> None:
    config = built(control_plane=address)
    assert cluster(config, "xds-grpc")["type"] == discovery
    found = endpoint(config, "xds-grpc")
    assert found.get("socket_address", found) == expected


def test_the_control_plane_is_spoken_to_in_http2_with_pings() -> None:
    options = cluster(built(), "xds-grpc")["typed_extension_protocol_options"]
    http2 = options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"]
    assert http2["http2_protocol_options"]["connection_keepalive"] == {"interval": "30s", "timeout": "10s"}


def test_readiness_and_metrics_listeners_pass_one_path_on() -> None:
    config = built(agent_port=25020, readiness_port=25021, prometheus_port=25090, admin_port=25000)
    listeners = {listener["name"]: listener for listener in config["static_resources"]["listeners"]}
    assert set(listeners) == {"0.0.0.0_25021", "0.0.0.0_25090"}
    routes = {}
    for name, listener in listeners.items():
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        routes[name] = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert routes["0.0.0.0_25021"] == [{"match": {"path": "/healthz/ready"}, "route": {"cluster": "agent"}}]
    assert routes["0.0.0.0_25090"] == [
        {"match": {"path": "/stats/prometheus"}, "route": {"cluster": "prometheus_stats"}}
    ]
    assert endpoint(config, "agent") == {"socket_address": {"address": "127.0.0.1", "port_value": 25020}}
    assert endpoint(config, "prometheus_stats") == {"socket_address": {"address": "127.0.0.1", "port_value": 25000}}


def test_the_admin_interface_is_on_loopback() -> None:
    assert built()["admin"]["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": 15000}}
    ipv6 = built(families=IpFamilies.IPV6)["admin"]["address"]
    assert ipv6 == {"socket_address": {"address": "::1", "port_value": 15000}}


def test_runtime_of_the_user_beats_the_static_one_and_loses_to_the_admin_interface() -> None:
    layers = built(runtime={"re2.max_program_size.error_level": "1", "a": "b"})["layered_runtime"]["layers"]
    assert [layer["name"] for layer in layers] == ["global config", "admin"]
    assert layers[0]["static_layer"]["re2.max_program_size.error_level"] == "1"
    assert layers[0]["static_layer"]["a"] == "b"


def test_ejections_are_logged_where_asked() -> None:
    assert "cluster_manager" not in built()
    logged = built(outlier_log_path="/dev/stdout")["cluster_manager"]
    assert logged == {"outlier_detection": {"event_log_path": "/dev/stdout"}}


@pytest.mark.parametrize("families", list(IpFamilies))
@pytest.mark.parametrize("control_plane", [SOCKET, HostPort("istiod.sys.svc", 15010)])
def test_the_real_envoy_accepts_it_without_a_warning(
    tmp_path: Path, families: IpFamilies, control_plane: UnixSocket | HostPort
) -> None:
    stats = StatsSettings(("cluster.outbound",), (".rq_total",), (r"a\.b",), ("my.tag",), active_connections=True)
    path = tmp_path / "bootstrap.json"
    config = built(families=families, control_plane=control_plane, stats=stats, outlier_log_path="/dev/stdout")
    path.write_text(json.dumps(config))
    envoy = [binary.find({}), "--mode", "validate", "--disable-hot-restart", "-l", "warning", "-c", str(path)]
    result = subprocess.run(envoy, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_what_envoy_sends_is_marked_beside_the_log_of_outliers() -> None:
    manager = built(mark=1339, outlier_log_path="/dev/stdout")["cluster_manager"]
    (option,) = manager["upstream_bind_config"]["socket_options"]
    assert option == {"level": socket.SOL_SOCKET, "name": socket.SO_MARK, "int_value": 1339, "state": "STATE_PREBIND"}
    assert manager["outlier_detection"] == {"event_log_path": "/dev/stdout"}
    assert "cluster_manager" not in built()
