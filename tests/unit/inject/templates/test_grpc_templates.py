from collections.abc import Mapping
from typing import Any

import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, inject
from lateen.inject.owner import Owner
from lateen.inject.settings import Mesh, Settings, Values

OWNER = Owner("apps/v1", "Deployment", "client", "shop")


def injected(template: str, annotations: Mapping[str, str] = {}, settings: Settings | None = None) -> dict[str, Any]:
    metadata = {"labels": {"app": "client"}, "annotations": {**annotations, "inject.istio.io/templates": template}}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "client", "image": "client:1"}]}}
    result = inject(pod, settings or Settings(), OWNER)
    assert isinstance(result, Injected)
    return result.pod


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def test_grpc_simple_writes_a_bootstrap_before_the_application_runs() -> None:
    spec = injected("grpc-simple")["spec"]

    (init,) = spec["initContainers"]
    assert init["image"] == "busybox:1.28"
    assert init["command"][:2] == ["sh", "-c"]
    assert init["command"][2].startswith('NODE_ID="sidecar~${INSTANCE_IP}')
    assert init["command"][2].endswith("}' > /var/lib/grpc/data/bootstrap.json")
    assert [entry["name"] for entry in init["env"]] == ["INSTANCE_IP", "POD_NAME", "POD_NAMESPACE", "ISTIO_NAMESPACE"]
    assert init["env"][-1]["value"] == "istio-system\n"
    (client,) = spec["containers"]
    assert client["env"][0] == {"name": "GRPC_XDS_BOOTSTRAP", "value": "/var/lib/grpc/data/bootstrap.json"}
    assert client["volumeMounts"] == init["volumeMounts"]
    assert spec["volumes"] == [{"name": "grpc-io-proxyless-bootstrap", "emptyDir": {}}]


def test_grpc_simple_has_no_labels_and_keeps_probes() -> None:
    metadata = injected("grpc-simple")["metadata"]
    assert metadata["labels"] == {"app": "client"}
    assert metadata["annotations"]["sidecar.istio.io/rewriteAppHTTPProbers"] == "false"


def test_every_mount_of_grpc_agent_has_its_volume() -> None:
    gke = Settings(values=Values(ca_name="GkeWorkloadCertificate"))
    for settings in (Settings(), gke):
        spec = injected("grpc-agent", settings=settings)["spec"]
        mounted = {mount["name"] for item in spec["containers"] for mount in item["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_grpc_agent_runs_without_envoy() -> None:
    settings = Settings(
        values=Values(network="n"), mesh=Mesh(inbound_to_localhost=True), compliance_policy="fips-140-3"
    )
    agent = named(injected("grpc-agent", settings=settings)["spec"]["containers"], "istio-proxy")
    names = [entry["name"] for entry in agent["env"]]

    assert names[:3] == ["ISTIO_META_GENERATOR", "OUTPUT_CERTS", "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION"]
    assert {"ISTIO_CPU_LIMIT", "GOMEMLIMIT", "COMPLIANCE_POLICY", "ISTIO_META_INTERCEPTION_MODE"}.isdisjoint(names)
    assert names[-3:] == ["ISTIO_META_DNS_CAPTURE", "DISABLE_ENVOY", "ISTIO_META_NETWORK"]
    assert agent["args"][1] == "sidecar"
    assert "securityContext" not in agent
    assert agent["readinessProbe"]["httpGet"]["port"] == 15020


def test_grpc_agent_without_a_status_port_has_no_probe_resources_and_mounts() -> None:
    off = {"status.sidecar.istio.io/port": "0"}
    agent = named(injected("grpc-agent", off)["spec"]["containers"], "istio-proxy")
    assert {"readinessProbe", "volumeMounts"}.isdisjoint(agent)
    assert agent["resources"] == {}
    with pytest.raises(InjectionError, match="userVolumeMount: template grpc-agent has no mounts"):
        injected("grpc-agent", {**off, "sidecar.istio.io/userVolumeMount": "{}"})


def test_application_containers_count_as_overridden() -> None:
    annotations = injected("grpc-agent")["metadata"]["annotations"]
    assert '"containers":["istio-proxy","client"]' in annotations["sidecar.istio.io/status"]
    assert '"name":"client"' in annotations["proxy.istio.io/overrides"]
