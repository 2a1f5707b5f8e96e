import pytest
import yaml

from lateen.local_runtime.plan.gateway import CONTROL_SOCKET, is_ours, mesh_config_map, wanted_gateway
from lateen.local_runtime.plan.kinds import plan_pods
from lateen.local_runtime.plan.published import Publish, gateway_pods, parse_publish
from lateen.local_runtime.pods.injection import injected, local_settings


def gateway(**selector):
    return {"metadata": {"name": "g"}, "spec": {"selector": selector or {"istio": "ingressgateway"}}}


def workload(kind="Deployment", **labels):
    if kind == "Pod":
        return {"kind": kind, "metadata": {"labels": labels}}
    return {"kind": kind, "metadata": {"name": "w"}, "spec": {"template": {"metadata": {"labels": labels}}}}


def test_a_gateway_that_selects_it_brings_the_default_gateway():
    account, deployment, service = wanted_gateway([gateway()], [workload(app="x")])
    assert (account["kind"], deployment["kind"], service["kind"]) == ("ServiceAccount", "Deployment", "Service")
    assert all(is_ours(obj) for obj in (account, deployment, service))
    ports = {(p["port"], p["targetPort"]) for p in service["spec"]["ports"]}
    assert ports == {(15021, 15021), (80, 8080), (443, 8443)}


@pytest.mark.parametrize(
    ("gateways", "workloads"),
    [
        ([], []),
        ([gateway(istio="other")], []),
        ([gateway()], [workload(istio="ingressgateway", app="mine")]),
        ([gateway()], [workload("Pod", istio="ingressgateway")]),
        ([{"metadata": {}, "spec": {}}], []),
    ],
)
def test_otherwise_there_is_none(gateways, workloads):
    assert wanted_gateway(gateways, workloads) == []


def test_its_own_deployment_does_not_count_as_brought():
    first = wanted_gateway([gateway()], [])
    assert wanted_gateway([gateway()], first[1:2]) == first


def test_its_pod_is_injected_with_the_gateway_template():
    deployment = wanted_gateway([gateway()], [])[1]
    (pod,) = plan_pods(deployment)
    made = injected(pod, {}, local_settings({}), native_nftables=True)
    (container,) = made["spec"]["containers"]
    assert container["image"].split("/")[-1].startswith("proxyv2")
    assert container["args"][:2] == ["proxy", "router"]
    assert not made["spec"].get("initContainers")


def test_the_mesh_configuration_has_the_local_necessities_and_keeps_the_users():
    mesh = yaml.safe_load(mesh_config_map(None)["data"]["mesh"])
    assert mesh == {"accessLogFile": "/dev/stdout", "defaultConfig": {"discoveryAddress": CONTROL_SOCKET}}
    users = {"accessLogFile": "", "trustDomain": "td", "defaultConfig": {"discoveryAddress": "x:1", "concurrency": 2}}
    brought = {"metadata": {"name": "istio"}, "data": {"mesh": yaml.safe_dump(users), "other": "kept"}}
    merged = mesh_config_map(brought)
    assert merged["data"]["other"] == "kept"
    assert yaml.safe_load(merged["data"]["mesh"]) == {
        "accessLogFile": "",
        "trustDomain": "td",
        "defaultConfig": {"discoveryAddress": CONTROL_SOCKET, "concurrency": 2},
    }
    assert mesh_config_map(merged) is merged


@pytest.mark.parametrize("mesh", ["[1]", "a: [", "defaultConfig: 3"])
def test_a_mesh_configuration_that_is_none_is_an_error(mesh):
    with pytest.raises(ValueError, match="mesh"):
        mesh_config_map({"metadata": {"name": "istio"}, "data": {"mesh": mesh}})


@pytest.mark.parametrize(
    ("labels", "namespace_labels", "proxied"),
    [
        ({}, {}, True),
        ({}, {"istio-injection": "disabled"}, False),
        ({}, {"istio-injection": "enabled"}, True),
        ({"sidecar.istio.io/inject": "false"}, {}, False),
    ],
)
def test_namespaces_are_injected_unless_they_or_the_pod_say_no(labels, namespace_labels, proxied):
    metadata = {"name": "p", "namespace": "default", "labels": labels}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    made = injected(pod, namespace_labels, local_settings({}), native_nftables=True)
    assert any(c["name"] == "istio-proxy" for c in made["spec"]["containers"]) is proxied
    if proxied:
        (init,) = made["spec"]["initContainers"]
        assert {"name": "NATIVE_NFTABLES", "value": "true"} in init["env"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", Publish(8080)),
        ("9000:8443", Publish(9000, 8443)),
        ("0.0.0.0:80:8080", Publish(80, 8080, "0.0.0.0")),
        ("127.0.0.2:80", Publish(80, 8080, "127.0.0.2")),
        ("[::1]:80", Publish(80, 8080, "::1")),
    ],
)
def test_ports_to_publish(text, expected):
    assert parse_publish(text) == expected


@pytest.mark.parametrize("text", ["", "x", "70000", "0", "1:2:3", "300.0.0.1:80", "8080:", "80:0"])
def test_what_is_not_a_port_to_publish(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_publish(text)


def test_urls_name_the_address():
    assert Publish(8080).url == "http://127.0.0.1:8080"
    assert Publish(80, 80, "::1").url == "http://[::1]:80"


def test_connections_go_to_ready_pods_that_a_gateway_selects():
    def pod(ip, ready=True, namespace="istio-system", **labels):
        conditions = [{"type": "Ready", "status": str(ready)}]
        return {
            "metadata": {"namespace": namespace, "labels": labels},
            "status": {"podIP": ip, "conditions": conditions},
        }

    ours = pod("198.18.0.5", app="istio-ingressgateway", istio="ingressgateway")
    own = pod("198.18.0.6", namespace="edge", istio="mine")
    unready = pod("198.18.0.7", ready=False, istio="mine")
    assert gateway_pods([], [ours, own]) == ["198.18.0.5"]
    assert gateway_pods([gateway(istio="mine")], [ours, own, unready]) == ["198.18.0.6"]
    assert gateway_pods([gateway(), gateway(istio="mine")], [own, ours]) == ["198.18.0.5", "198.18.0.6"]
