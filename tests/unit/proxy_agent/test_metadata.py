import pytest

from lateen.common.ip_families import IpFamilies
from lateen.envoy.bootstrap import Locality
from lateen.proxy_agent import proxy_config
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.metadata import ISTIO_VERSION, Identity, families, node
from lateen.proxy_agent.pod_info import PodInfo

ENVIRON = {
    "POD_NAME": "reviews-1",
    "POD_NAMESPACE": "shop",
    "INSTANCE_IP": "198.18.0.7",
    "SERVICE_ACCOUNT": "bookinfo-reviews",
    "ISTIO_META_WORKLOAD_NAME": "reviews-v1",
    "ISTIO_META_POD_PORTS": '[\n{"containerPort":9080}\n]',
    "UNRELATED": "x",
}


def identity(
    environ: dict[str, str] | None = None, pod: PodInfo | None = None, config: str = "", kind: str = "sidecar"
) -> Identity:
    return Identity(
        kind, "shop.svc.cluster.local", {**ENVIRON, **(environ or {})}, pod or PodInfo(), proxy_config.decode(config)
    )


def test_the_id_has_type_address_name_and_domain() -> None:
    assert node(identity()).id == "sidecar~198.18.0.7~reviews-1.shop~shop.svc.cluster.local"
    assert node(identity(kind="router")).id.startswith("router~")


def test_a_domain_that_is_not_given_is_the_namespaces() -> None:
    assert node(identity()._replace(domain="")).id.endswith("~shop.svc.cluster.local")


@pytest.mark.parametrize(
    ("environ", "message"),
    [({"INSTANCE_IP": "nowhere"}, "INSTANCE_IP: 'nowhere'"), ({"POD_NAME": "a~b"}, "four parts")],
)
def test_an_id_that_no_control_plane_takes_is_an_error(environ: dict[str, str], message: str) -> None:
    with pytest.raises(AgentError, match=message):
        node(identity(environ))


def test_metadata_comes_from_the_environment() -> None:
    metadata = node(identity({"ENVOY_STATUS_PORT": "25021"})).metadata
    expected = {
        "NAME": "reviews-1",
        "NAMESPACE": "shop",
        "SERVICE_ACCOUNT": "bookinfo-reviews",
        "WORKLOAD_NAME": "reviews-v1",
        "POD_PORTS": '[\n{"containerPort":9080}\n]',
        "INSTANCE_IPS": "198.18.0.7",
        "INTERCEPTION_MODE": "REDIRECT",
        "CLUSTER_ID": "Kubernetes",
        "ISTIO_VERSION": ISTIO_VERSION,
        "ENVOY_STATUS_PORT": 25021,
        "ENVOY_PROMETHEUS_PORT": 15090,
    }
    assert {key: metadata[key] for key in expected} == expected
    assert "UNRELATED" not in metadata


def test_a_variable_of_the_pod_beats_the_default() -> None:
    environ = {"ISTIO_META_CLUSTER_ID": "west", "ISTIO_META_INTERCEPTION_MODE": "TPROXY"}
    metadata = node(identity(environ)).metadata
    assert (metadata["CLUSTER_ID"], metadata["INTERCEPTION_MODE"]) == ("west", "TPROXY")


def test_the_members_of_a_json_variable_are_merged_whatever_its_name() -> None:
    metadata = node(identity({"ISTIO_METAJSON_EXTRA": '{"A": "1", "B": {"c": "2"}}'})).metadata
    assert (metadata["A"], metadata["B"]) == ("1", {"c": "2"})
    assert "EXTRA" not in metadata


@pytest.mark.parametrize("value", ["[1]", "{"])
def test_a_json_variable_holds_an_object(value: str) -> None:
    with pytest.raises(AgentError, match="ISTIO_METAJSON_X"):
        node(identity({"ISTIO_METAJSON_X": value}))


def test_labels_are_static_ones_under_the_pods() -> None:
    pod = PodInfo({"app": "reviews", "version": "v1", "pod-template-hash": "5d"})
    metadata = node(identity({"ISTIO_METAJSON_LABELS": '{"version": "v0", "tier": "x"}'}, pod)).metadata
    assert metadata["LABELS"] == {"app": "reviews", "version": "v1", "tier": "x"}
    assert metadata["STATIC_LABELS"] == {"version": "v0", "tier": "x"}


def test_annotations_are_sent_without_the_copy_of_the_whole_object() -> None:
    pod = PodInfo({}, {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{…}"})
    assert node(identity(pod=pod)).metadata["ANNOTATIONS"] == {"a": "b"}


def test_the_effective_proxy_config_is_sent() -> None:
    sent = node(identity(config='{"concurrency": 3, "gatewayTopology": {"numTrustedProxies": 1}}')).metadata
    assert sent["PROXY_CONFIG"]["concurrency"] == 3
    assert sent["PROXY_CONFIG"]["gatewayTopology"] == {"numTrustedProxies": 1}
    assert sent["PROXY_CONFIG"]["statusPort"] == 15020


@pytest.mark.parametrize(
    ("config", "labels", "cluster"),
    [
        ("", {"app": "reviews"}, "reviews.shop"),
        ("", {"app.kubernetes.io/name": "r", "service.istio.io/canonical-name": "c"}, "r.shop"),
        ("", {"service.istio.io/canonical-name": "c"}, "c.shop"),
        ("", {}, "reviews-v1.shop"),
        ('{"serviceCluster": "istio-proxy"}', {"app": "reviews"}, "reviews.shop"),
        ('{"serviceCluster": "mine"}', {"app": "reviews"}, "mine"),
        ('{"tracingServiceName": "CANONICAL_NAME_ONLY"}', {"service.istio.io/canonical-name": "c"}, "c"),
        ('{"tracingServiceName": "CANONICAL_NAME_AND_NAMESPACE"}', {}, "reviews-v1.shop"),
    ],
)
def test_the_cluster_is_the_services_name(config: str, labels: dict[str, str], cluster: str) -> None:
    assert node(identity(pod=PodInfo(labels), config=config)).cluster == cluster


@pytest.mark.parametrize(
    ("label", "locality"),
    [
        ("r/z/s", Locality("r", "z", "s")),
        ("r.z", Locality("r", "z")),
        ("r", Locality("r")),
        ("", Locality()),
    ],
)
def test_the_locality_is_a_label(label: str, locality: Locality) -> None:
    assert node(identity(pod=PodInfo({"istio-locality": label}))).locality == locality


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ("198.18.0.7", IpFamilies.IPV4),
        ("fd00::7", IpFamilies.IPV6),
        ("198.18.0.7, fd00::7", IpFamilies.DUAL),
        ("", IpFamilies.IPV4),
    ],
)
def test_the_addresses_tell_the_families(addresses: str, expected: IpFamilies) -> None:
    assert families({"INSTANCE_IP": addresses}) is expected
