import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, Skipped, inject
from lateen.inject.owner import Owner
from lateen.inject.settings import Mesh, Settings, Values

INTERCEPTION = ["istio-iptables", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", ""]
INTERCEPTION += ["-b", "*", "-d", "15090,15021,15020", "--log_output_level=default:info"]
DEFAULT = Settings()
WEB = Owner("apps/v1", "Deployment", "web", "shop")


def pod(annotations: Mapping[str, str] = {}, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80, "name": "http"}]}]
    return {
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": dict(annotations)},
        "spec": {"containers": containers, **spec},
    }


def injected(given: Mapping[str, Any], settings: Settings = DEFAULT) -> dict[str, Any]:
    result = inject(given, settings, WEB)
    assert isinstance(result, Injected), result
    return result.pod


def container(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    places = [*given["spec"]["containers"], *given["spec"].get("initContainers", [])]
    found: dict[str, Any] = next(item for item in places if item["name"] == name)
    return found


def variables(given: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container(given, "istio-proxy")["env"]}


def test_a_classic_sidecar_by_default() -> None:
    result = injected(pod())

    assert [item["name"] for item in result["spec"]["initContainers"]] == ["istio-init"]
    assert [item["name"] for item in result["spec"]["containers"]] == ["web", "istio-proxy"]
    assert container(result, "istio-init")["args"] == INTERCEPTION
    assert container(result, "istio-proxy")["args"][:2] == ["proxy", "sidecar"]
    assert variables(result)["ISTIO_META_OWNER"] == "kubernetes://apis/apps/v1/namespaces/shop/deployments/web"
    assert variables(result)["ISTIO_META_POD_PORTS"] == '[\n    {"name":"http","containerPort":80}\n]'
    assert result["metadata"]["labels"]["service.istio.io/canonical-name"] == "web"


def test_the_given_pod_is_not_changed() -> None:
    given = pod({"prometheus.io/port": "9090"}, initContainers=[{"name": "prepare", "image": "i"}])
    before = copy.deepcopy(given)
    injected(given)
    assert given == before


def test_a_mesh_without_identities_has_no_token_and_no_root_certificate() -> None:
    result = injected(pod(), Settings(values=Values(certificate_provider="")))
    volumes = {volume["name"] for volume in result["spec"]["volumes"]}
    mounts = {mount["name"] for mount in container(result, "istio-proxy")["volumeMounts"]}

    assert not {"istio-token", "istiod-ca-cert", "istio-ca-crl"} & (volumes | mounts)
    assert mounts == volumes
    assert not {"PILOT_CERT_PROVIDER", "CA_ADDR"} & set(variables(result))


def test_every_mount_has_its_volume() -> None:
    for template in ("sidecar", "gateway"):
        result = injected(pod({"inject.istio.io/templates": template}))
        mounts = {mount["name"] for mount in container(result, "istio-proxy")["volumeMounts"]}
        assert mounts == {volume["name"] for volume in result["spec"]["volumes"]}


def test_traffic_annotations_become_flags() -> None:
    prefix = "traffic.sidecar.istio.io/"
    result = injected(
        pod(
            {
                "sidecar.istio.io/interceptionMode": "TPROXY",
                prefix + "includeOutboundIPRanges": "10.0.0.0/8",
                prefix + "excludeOutboundIPRanges": "10.1.0.0/16",
                prefix + "includeInboundPorts": "",
                prefix + "excludeInboundPorts": " 7,8 ",
                prefix + "includeOutboundPorts": "25",
                prefix + "excludeOutboundPorts": "",
                prefix + "excludeInterfaces": "net1",
                prefix + "kubevirtInterfaces": "net2",
                "status.sidecar.istio.io/port": "9",
            }
        )
    )
    args = container(result, "istio-init")["args"]

    assert " ".join(args[5:]) == (
        "-u 1337 -m TPROXY -i 10.0.0.0/8 -x 10.1.0.0/16 -b  -d 15090,15021,7,8,9 -q 25 -o  -k net2 -c net1 "
        "--log_output_level=default:info"
    )
    assert container(result, "istio-proxy")["securityContext"]["capabilities"]["add"] == ["NET_ADMIN"]


def test_without_interception_there_is_no_init_container() -> None:
    result = injected(pod({"sidecar.istio.io/interceptionMode": "NONE"}))
    assert "initContainers" not in result["spec"]
    assert '"initContainers":null' in result["metadata"]["annotations"]["sidecar.istio.io/status"]


def test_interception_runs_after_the_pods_own_init_containers() -> None:
    result = injected(pod(initContainers=[{"name": "fetch", "image": "i"}]))
    assert [item["name"] for item in result["spec"]["initContainers"]] == ["fetch", "istio-init"]


def test_a_held_application_comes_after_the_proxy() -> None:
    result = injected(pod({"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}))

    assert [item["name"] for item in result["spec"]["containers"]] == ["istio-proxy", "web"]
    wait = container(result, "istio-proxy")["lifecycle"]["postStart"]["exec"]["command"]
    assert wait == ["pilot-agent", "wait"]


def test_the_pods_own_proxy_settings_win_and_are_remembered() -> None:
    own = {"name": "istio-proxy", "image": "auto", "env": [{"name": "MINE", "value": "1"}]}
    given = pod()
    given["spec"]["containers"].append(own)
    result = injected(given)

    assert container(result, "istio-proxy")["image"] == "registry.istio.io/testing/proxyv2:latest"
    assert variables(result)["MINE"] == "1"
    remembered = json.loads(result["metadata"]["annotations"]["proxy.istio.io/overrides"])
    assert remembered == {
        "containers": [{"name": "istio-proxy", "env": [{"name": "MINE", "value": "1"}], "resources": {}}]
    }


def test_injecting_again_changes_nothing() -> None:
    given = pod({"prometheus.io/port": "9090"}, initContainers=[{"name": "fetch", "image": "i"}])
    given["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": "http"}}
    for settings in (Settings(), Settings(native_sidecars=True)):
        once = injected(given, settings)
        assert injected(once, settings) == once


def test_mesh_configuration_reaches_the_proxy() -> None:
    mesh = Mesh.of({"defaultConfig": {"discoveryAddress": "unix:///run/x.sock", "proxyMetadata": {"K": "v"}}})
    result = injected(pod(), Settings(mesh=mesh))

    assert json.loads(variables(result)["PROXY_CONFIG"]) == {
        "discoveryAddress": "unix:///run/x.sock",
        "proxyMetadata": {"K": "v"},
    }
    assert variables(result)["K"] == "v"
    assert container(result, "istio-init")["env"] == [{"name": "K", "value": "v"}]


def test_network_and_cluster_come_last_and_label_the_pod() -> None:
    result = injected(pod(), Settings(values=Values(network="n1", cluster_name="c1")))

    assert list(variables(result))[-2:] == ["ISTIO_META_CLUSTER_ID", "ISTIO_META_NETWORK"]
    assert result["metadata"]["labels"]["topology.istio.io/network"] == "n1"


def test_reasons_say_what_was_done() -> None:
    result = inject(pod(), Settings(inject_by_default=True), namespace_labels={})
    assert isinstance(result, Injected)
    assert result.reasons[0] == "Injected because the injection policy is enabled."
    assert "Template sidecar was applied." in result.reasons


def test_a_namespace_that_says_no_is_left_alone() -> None:
    result = inject(pod(), Settings(inject_by_default=True), namespace_labels={"istio-injection": "disabled"})
    assert result == Skipped("the label istio-injection of namespace shop is disabled")


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"inject.istio.io/templates": "nonsense"}, "unknown template 'nonsense'; known are gateway"),
        ({"sidecar.istio.io/interceptionMode": "redirect"}, "REDIRECT, TPROXY or NONE"),
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "*"}, "excludeInboundPorts invalid"),
        ({"traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.1"}, "includeIPRanges invalid"),
        ({"status.sidecar.istio.io/port": "70000"}, "excludeInboundPorts invalid"),
        ({"sidecar.istio.io/proxyCPU": "much"}, "quantity"),
        ({"proxy.istio.io/config": "statusPort: x"}, "statusPort: expected a number"),
        ({"proxy.istio.io/overrides": "["}, "proxy.istio.io/overrides"),
        (
            {"proxy.istio.io/overrides": '{"containers": [1]}'},
            "proxy.istio.io/overrides: .* expected an object with a name",
        ),
        ({"sidecar.istio.io/userVolume": "[]"}, "userVolume: expected a JSON object"),
        ({"prometheus.io/port": "15090"}, "prometheus port 15090"),
    ],
)
def test_what_cannot_be_injected_names_the_annotation(annotations: Mapping[str, str], message: str) -> None:
    with pytest.raises(InjectionError, match=message):
        inject(pod(annotations), Settings())


def test_all_wrong_annotations_are_named_at_once() -> None:
    wrong = {"sidecar.istio.io/interceptionMode": "x", "sidecar.istio.io/proxyMemory": "y"}
    with pytest.raises(InjectionError, match=r"interceptionMode.*proxyMemory"):
        inject(pod(wrong), Settings())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metadata": {"annotations": {"a": True}}}, r"metadata.annotations.a: expected a text, not True"),
        ({"metadata": {"labels": []}, "spec": {"containers": [{}]}}, r"spec.containers\[0\]: .* a name"),
        ({"spec": "x"}, "spec: expected an object"),
        ({"metadata": {"labels": ["x"]}}, "metadata.labels: expected an object"),
        ({"spec": {"volumes": {"a": 1}}}, "spec.volumes: expected a list"),
        ({"spec": {"containers": 0}}, "spec.containers: expected a list, not 0"),
        ({"spec": {"containers": [{"name": "a", "env": "x"}]}}, r"containers\[0\].env: expected a list, not 'x'"),
        ({"spec": {"containers": [{"name": "a", "env": [{}]}]}}, r"env\[0\]: expected an object with a name"),
        ({"spec": {"containers": [{"name": "a", "args": "x"}]}}, "args: expected a list"),
        ({"spec": {"containers": [{"name": "a", "ports": [80]}]}}, r"ports\[0\]: expected an object, not 80"),
        ({"spec": {"containers": [{"name": "a", "livenessProbe": []}]}}, "livenessProbe: expected an object"),
        ({"spec": {"volumes": [{"name": "a"}], "hostAliases": [{"ip": []}]}}, r"hostAliases\[0\].ip: expected a text"),
        ({"metadata": {"name": 7}}, "metadata.name: expected a text, not 7"),
        ({"metadata": {"ownerReferences": [None]}}, r"ownerReferences\[0\]: expected an object"),
        ({"metadata": {"ownerReferences": [{"kind": 1}]}}, r"ownerReferences\[0\].kind: expected a text"),
    ],
)
def test_a_pod_of_the_wrong_shape_is_refused_with_the_path(given: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InjectionError, match=message):
        inject(given, Settings())


def test_containers_that_an_earlier_injection_remembered_are_seen_by_templates() -> None:
    own = {"name": "sidekick", "image": "s:1", "ports": [{"containerPort": 90}]}
    remembered = json.dumps({"containers": [own]})
    result = injected(pod({"proxy.istio.io/overrides": remembered}))
    assert variables(result)["ISTIO_META_APP_CONTAINERS"] == "web,sidekick"


def test_values_of_datadogs_annotation_are_shown_as_in_json() -> None:
    given = pod({"apm.datadoghq.com/env": '{"B": true, "A": 1}'})
    found = variables(injected(given, Settings(values=Values(tracer="datadog"))))
    assert (found["A"], found["B"]) == ("1", "true")


def test_an_excluded_port_list_that_has_the_status_port_stays_as_it_is() -> None:
    name = "traffic.sidecar.istio.io/excludeInboundPorts"
    for listed, wanted in ((" 7, 15020", "7,15020,15020"), (" 7,15020", " 7,15020"), ("", "15020")):
        args = container(injected(pod({name: listed})), "istio-init")["args"]
        assert args[args.index("-d") + 1] == f"15090,15021,{wanted}"


def test_the_tail_of_a_tag_gives_way_to_the_image_type() -> None:
    for tag, kind, wanted in (
        ("1.2-distroless", "debug", "1.2-debug"),
        ("1.2-debug", "default", "1.2"),
        ("1.2-debug-distroless", "default", "1.2-debug"),
        ("1.2-distroless", "", "1.2-distroless"),
    ):
        found = injected(pod({"sidecar.istio.io/proxyImageType": kind}), Settings(values=Values(tag=tag)))
        assert container(found, "istio-proxy")["image"].partition(":")[2] == wanted


def test_nested_messages_of_the_configuration_keep_their_order() -> None:
    tracing = {
        "sampling": 10,
        "zipkin": {"address": "z:9411"},
        "tlsSettings": {"caCertificates": "/c", "mode": "SIMPLE"},
    }
    result = injected(pod(), Settings(mesh=Mesh.of({"defaultConfig": {"tracing": tracing}})))
    assert variables(result)["PROXY_CONFIG"] == (
        '{"tracing":{"zipkin":{"address":"z:9411"},"sampling":10,'
        '"tlsSettings":{"mode":"SIMPLE","caCertificates":"/c"}}}\n'
    )
