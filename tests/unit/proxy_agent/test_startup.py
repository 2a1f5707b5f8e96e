import json
from pathlib import Path
from typing import Any

import pytest

from lateen.common.ip_families import IpFamilies
from lateen.proxy_agent import startup
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.options import proxy_options
from lateen.proxy_agent.startup import Proxy, bootstrap_of, read_proxy

ENVIRON = {"POD_NAME": "a", "POD_NAMESPACE": "ns", "INSTANCE_IP": "10.0.0.1"}


def proxy(directory: Path, config: dict[str, Any] | None = None, **environ: str) -> Proxy:
    return read_proxy(
        proxy_options(["sidecar"]), {**ENVIRON, "PROXY_CONFIG": json.dumps(config or {}), **environ}, str(directory)
    )


def patterns(bootstrap: dict[str, Any]) -> list[Any]:
    found: list[Any] = bootstrap["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    return found


def test_the_pods_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text('app="a"\n')
    (tmp_path / "annotations").write_text('x="y"\n')
    assert proxy(tmp_path).node.metadata["LABELS"] == {"app": "a"}
    assert proxy(tmp_path).node.metadata["ANNOTATIONS"] == {"x": "y"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("app=a")
    with pytest.raises(AgentError, match=f"{tmp_path}/labels: line 1"):
        proxy(tmp_path)


def test_the_environment_beats_proxy_metadata(tmp_path: Path) -> None:
    config = {"proxyMetadata": {"ISTIO_META_A": "1", "ISTIO_META_B": "1"}}
    metadata = proxy(tmp_path, config, ISTIO_META_B="2").node.metadata
    assert (metadata["A"], metadata["B"]) == ("1", "2")


def test_an_annotation_beats_the_stats_matcher_list_by_list(tmp_path: Path) -> None:
    (tmp_path / "annotations").write_text('sidecar.istio.io/statsInclusionPrefixes="http, tcp"')
    config = {"proxyStatsMatcher": {"inclusionPrefixes": ["cluster"], "inclusionSuffixes": ["rq_time"]}}
    found = patterns(bootstrap_of(proxy(tmp_path, config)))
    assert {"prefix": "http"} in found
    assert {"prefix": "tcp"} in found
    assert {"prefix": "cluster"} not in found
    assert {"suffix": "rq_time"} in found


def test_an_agent_that_waits_for_connections_keeps_their_count(tmp_path: Path) -> None:
    counted = {"suffix": "downstream_cx_active"}
    assert counted not in patterns(bootstrap_of(proxy(tmp_path)))
    assert counted in patterns(bootstrap_of(proxy(tmp_path, EXIT_ON_ZERO_ACTIVE_CONNECTIONS="true")))


def test_ports_and_control_plane_reach_the_bootstrap(tmp_path: Path) -> None:
    config = {"discoveryAddress": "unix:///run/x.sock", "statusPort": 1, "proxyAdminPort": 2}
    built = bootstrap_of(proxy(tmp_path, config, ENVOY_STATUS_PORT="3", ENVOY_PROMETHEUS_PORT="4"))
    assert built["admin"]["address"]["socket_address"]["port_value"] == 2
    assert [listener["name"] for listener in built["static_resources"]["listeners"]] == ["0.0.0.0_4", "0.0.0.0_3"]
    assert '"path": "/run/x.sock"' in json.dumps(built)


def test_a_proxy_with_a_mark_marks_what_it_sends_and_keeps_its_user(tmp_path: Path) -> None:
    marked = proxy(tmp_path, LATEEN_PROXY_MARK="1339")
    assert '"int_value": 1339' in json.dumps(bootstrap_of(marked))
    assert startup._envoy_user(marked) is None
    assert "upstream_bind_config" not in json.dumps(bootstrap_of(proxy(tmp_path)))


@pytest.mark.parametrize("text", ["x", "0", "-1", "4294967296"])
def test_what_is_no_mark_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(AgentError, match=f"LATEEN_PROXY_MARK: '{text}'"):
        proxy(tmp_path, LATEEN_PROXY_MARK=text)


def test_ipv6_addresses_are_told_where_both_families_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "if_inet6"
    table.write_text("fd6c61746565000000000000c6121dc7 02 70 00 82     eth0\n")
    monkeypatch.setattr(startup, "IPV6_ADDRESSES", str(table))
    asked = {"proxyMetadata": {"ISTIO_DUAL_STACK": "true"}}
    both = proxy(tmp_path, asked)
    assert both.node.metadata["INSTANCE_IPS"] == "10.0.0.1,fd6c:6174:6565::c612:1dc7"
    assert both.families is IpFamilies.DUAL
    assert proxy(tmp_path).node.metadata["INSTANCE_IPS"] == "10.0.0.1"
    table.unlink()
    assert proxy(tmp_path, asked).families is IpFamilies.IPV4


def test_name_servers_are_told_where_dns_is_captured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search a.svc\nnameserver 198.19.0.10\nnameserver fe80::1%eth0\nnameserver\n")
    monkeypatch.setattr(startup, "RESOLV_CONF", str(resolv_conf))
    captured = {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}
    assert proxy(tmp_path, captured).node.metadata["NAME_SERVERS"] == "198.19.0.10,fe80::1"
    assert "NAME_SERVERS" not in proxy(tmp_path).node.metadata
    resolv_conf.unlink()
    with pytest.raises(AgentError, match=str(resolv_conf)):
        proxy(tmp_path, captured)
