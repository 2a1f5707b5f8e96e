"""Mapping to object: strictness, leniency, all problems at once, each at its path."""

from datetime import timedelta
from typing import Any

import pytest

from lateen.config.decode import Decoded, Invalid, UnknownKind, decode, encode
from lateen.config.kinds.deployment import Deployment
from lateen.config.kinds.destination_rule import DestinationRule, SimpleLB
from lateen.config.kinds.namespace import Namespace
from lateen.config.kinds.secret import Secret
from lateen.config.kinds.service import KubernetesService
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.objects import ObjectRef
from lateen.config.problems import render
from lateen.config.schema import schema_of


def istio(kind: str, spec: Any, version: str = "v1", **more: Any) -> dict[str, Any]:
    metadata = {"name": "reviews", "namespace": "shop"}
    return {"apiVersion": f"networking.istio.io/{version}", "kind": kind, "metadata": metadata, "spec": spec, **more}


def kubernetes(kind: str, api_version: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "reviews", "namespace": "shop"}, **more}


def virtual_service(*http: Any, **spec: Any) -> dict[str, Any]:
    return istio("VirtualService", {"hosts": ["reviews"], "http": list(http), **spec})


def problems(decoded: Decoded) -> dict[str, str]:
    assert isinstance(decoded, Invalid), decoded
    return {render(problem.path): problem.message for problem in decoded.problems}


TO_REVIEWS = {"route": [{"destination": {"host": "reviews"}}]}


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_all_versions_of_a_kind_are_one(version: str) -> None:
    found = decode(istio("VirtualService", {"hosts": ["reviews"], "http": [TO_REVIEWS]}, version))
    assert isinstance(found, VirtualService)
    assert found.ref == ObjectRef("networking.istio.io", "VirtualService", "shop", "reviews")
    assert found.spec.http[0].route[0].destination


def test_a_version_that_is_not_served_names_those_that_are() -> None:
    found = problems(decode(istio("VirtualService", {"hosts": ["reviews"], "http": [TO_REVIEWS]}, "v2")))
    assert "`networking.istio.io/v1` or" in found["apiVersion"]


def test_all_problems_of_an_object_come_at_once() -> None:
    rule = {
        "route": [{"destination": {"host": "reviews", "subst": "v1"}, "weight": "many"}],
        "timeout": "5",
        "retrys": {},
    }
    assert problems(decode(virtual_service(rule, exportTo="*"))) == {
        "spec.http[0].route[0].destination.subst": "unknown field; did you mean `subset`?",
        "spec.http[0].route[0].weight": 'must be a whole number, not "many"',
        "spec.http[0].timeout": "`5` is not a duration: write a number and a unit, such as `10s`, `250ms` or `1h30m`",
        "spec.http[0].retrys": "unknown field; did you mean `retries`?",
        "spec.exportTo": 'must be a list (each item on a line of its own after `- `), not "*"',
    }


def test_an_unknown_field_of_a_small_message_lists_what_there_is() -> None:
    found = problems(decode(virtual_service({"delegate": {"name": "x", "wrongly": 1}})))
    assert found == {"spec.http[0].delegate.wrongly": "unknown field; Delegate has name, namespace"}


def test_a_wrong_enum_lists_the_right_ones() -> None:
    found = decode(istio("DestinationRule", {"host": "a", "trafficPolicy": {"loadBalancer": {"simple": "FASTEST"}}}))
    message = problems(found)["spec.trafficPolicy.loadBalancer.simple"]
    assert message.startswith("must be one of UNSPECIFIED, ")
    assert message.endswith('not "FASTEST"')


def test_numbers_out_of_range() -> None:
    match = {"match": [{"port": -1}], **TO_REVIEWS}
    assert problems(decode(virtual_service(match))) == {"spec.http[0].match[0].port": "must be at least 0, not -1"}


def test_keys_of_maps_in_a_path_are_quoted_where_needed() -> None:
    match = {"match": [{"headers": {"x.y": {"exact": 1}, "end-user": {"exact": True}}}], **TO_REVIEWS}
    assert problems(decode(virtual_service(match))) == {
        'spec.http[0].match[0].headers["x.y"].exact': "must be text in quotes, not 1",
        "spec.http[0].match[0].headers.end-user.exact": "must be text in quotes, not true",
    }


def test_a_field_at_the_top_level_of_an_istio_object() -> None:
    found = problems(decode(virtual_service(TO_REVIEWS) | {"specs": {}, "hosts": []}))
    assert found["specs"] == "unknown field; did you mean `spec`?"
    assert "belong under `spec`" in found["hosts"]


def test_what_protobuf_json_allows_is_taken() -> None:
    spec = {
        "host": "a",
        "traffic_policy": {
            "load_balancer": {"consistent_hash": {"use_source_ip": True, "minimum_ring_size": "1024"}},
            "connection_pool": {"tcp": {"max_connections": "100", "connect_timeout": "1.5s"}},
            "outlier_detection": None,
        },
        "subsets": [{"name": "v1", "traffic_policy": {"load_balancer": {"simple": 5}}}],
    }
    found = decode(istio("DestinationRule", spec))
    assert isinstance(found, DestinationRule)
    policy = found.spec.traffic_policy
    assert policy is not None
    assert policy.load_balancer is not None
    assert policy.load_balancer.consistent_hash is not None
    assert policy.load_balancer.consistent_hash.minimum_ring_size == 1024
    assert policy.connection_pool is not None
    assert policy.connection_pool.tcp is not None
    assert policy.connection_pool.tcp.max_connections == 100
    assert policy.connection_pool.tcp.connect_timeout == timedelta(seconds=1.5)
    subset_policy = found.spec.subsets[0].traffic_policy
    assert subset_policy is not None
    assert subset_policy.load_balancer is not None
    assert subset_policy.load_balancer.simple is SimpleLB.LEAST_REQUEST


def test_a_field_under_both_spellings_is_an_error() -> None:
    found = problems(decode(virtual_service(TO_REVIEWS, exportTo=["."], export_to=["*"])))
    assert "twice" in found["spec.export_to"]


def test_kubernetes_fields_that_nobody_reads_pass() -> None:
    port = {"port": 80, "name": "http", "targetPort": "web", "someday": 1}
    found = decode(kubernetes("Service", spec={"ports": [port], "ipFamilyPolicy": "SingleStack"}, future={"x": 1}))
    assert isinstance(found, KubernetesService)
    assert found.spec.ports[0].target_port == "web"


def test_kubernetes_fields_that_are_read_must_be_right() -> None:
    found = decode(kubernetes("Service", spec={"ports": [{"name": 5}], "selector": {"app": 1}}))
    assert problems(found) == {
        "spec.ports[0].name": "must be text in quotes, not 5",
        "spec.ports[0].port": "missing; it is required",
        "spec.selector.app": "must be text in quotes, not 1",
    }


def test_null_means_not_set() -> None:
    raw = kubernetes("Deployment", "apps/v1", spec={"replicas": None, "template": {"metadata": {"labels": None}}})
    raw["metadata"]["creationTimestamp"] = None
    found = decode(raw)
    assert isinstance(found, Deployment)
    assert found.spec.replicas == 1
    assert found.spec.template.metadata.labels == {}


def test_a_secret_is_decoded_and_bad_base64_is_an_error() -> None:
    found = decode(kubernetes("Secret", data={"key": "aGk="}, stringData={"other": "x"}))
    assert isinstance(found, Secret)
    assert found.content == {"key": b"hi", "other": b"x"}
    assert problems(decode(kubernetes("Secret", data={"key": "?"}))) == {"data.key": 'must be bytes in base64, not "?"'}


def test_namespaces() -> None:
    raw = kubernetes("Service")
    del raw["metadata"]["namespace"]
    defaulted, told = decode(raw), decode(raw, "elsewhere")
    assert isinstance(defaulted, KubernetesService)
    assert isinstance(told, KubernetesService)
    assert (defaulted.ref.namespace, told.ref.namespace) == ("default", "elsewhere")
    cluster_wide = decode(kubernetes("Namespace"))
    assert isinstance(cluster_wide, Namespace)
    assert cluster_wide.ref == ObjectRef("", "Namespace", "", "reviews")


@pytest.mark.parametrize(
    ("api_version", "kind", "problem"),
    [
        ("apps/v1", "Deplyment", {"kind": "`apps/v1` has no `Deplyment`; did you mean `Deployment`?"}),
        ("apps/v1", "StatefullSet", {"kind": "`apps/v1` has no `StatefullSet`; did you mean `StatefulSet`?"}),
        ("v1", "service", {"kind": "`v1` has no `service`; did you mean `Service`?"}),
        ("app/v1", "Deployment", {"apiVersion": "`app/v1` has no Deployment; did you mean `apps/v1`?"}),
        ("v1", "Deployment", {"apiVersion": "`v1` has no Deployment; did you mean `apps/v1`?"}),
        (
            "networking.isto.io/v1",
            "VirtualServce",
            {"kind": "`networking.isto.io/v1` has no `VirtualServce`; did you mean `VirtualService` of "
             "`networking.istio.io/v1`?"},
        ),
    ],
)  # fmt: skip
def test_a_slip_in_a_kind_or_group_is_an_error(api_version: str, kind: str, problem: dict[str, str]) -> None:
    assert problems(decode({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}})) == problem


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("kustomize.config.k8s.io/v1", "Kustomization"),
        ("serving.knative.dev/v1", "Service"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("gateway.networking.k8s.io/v1alpha2", "TCPRoute"),
        ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
        ("extensions/v1beta1", "Ingress"),
        ("apps/v1", "StatefulSet"),
        ("v1", "Config"),
    ],
)
def test_a_kind_that_is_plainly_others_is_no_error(api_version: str, kind: str) -> None:
    assert isinstance(decode({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}), UnknownKind)


def test_an_object_that_does_not_say_what_it_is() -> None:
    assert problems(decode({"spec": {}})) == {
        "apiVersion": "missing; every object needs it",
        "kind": "missing; every object needs it",
    }
    assert "metadata.name" in problems(decode({"apiVersion": "v1", "kind": "Service"}))
    assert "metadata" in problems(decode({"apiVersion": "v1", "kind": "Service", "metadata": []}))
    assert "metadata.name" in problems(decode({"apiVersion": "v1", "kind": "Service", "metadata": {"name": 5}}))


def test_a_bad_object_name() -> None:
    raw = kubernetes("Service")
    raw["metadata"]["name"] = "My_Service"
    assert "`My_Service` cannot name an object" in problems(decode(raw))["metadata.name"]


def test_a_spec_that_is_no_mapping() -> None:
    assert problems(decode(istio("VirtualService", ["x"]))) == {"spec": "must be a mapping, not a list"}


def test_encoding_leaves_out_defaults_and_reads_back_equal() -> None:
    raw = virtual_service({**TO_REVIEWS, "timeout": "1.5s", "match": [{"uri": {"prefix": "/"}}]})
    found = decode(raw)
    assert isinstance(found, VirtualService)
    schema = schema_of(found)
    assert schema is not None
    assert encode(found, schema) == raw
