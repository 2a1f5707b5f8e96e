"""What analyzers can ask for."""

from collections.abc import Callable

import pytest
from support.analysis import resources_of

from lateen.analysis.view import Surroundings, View
from lateen.analysis.workloads import POD

ViewOf = Callable[..., View]


def test_of_two_objects_of_one_name_the_later_is_seen(view_of: ViewOf) -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {number: '%d'}}}"
    (found,) = view_of(f"{pod % 1}\n---\n{pod % 2}").all(POD)
    assert found.labels == {"number": "2"}


def test_namespaces_of_kubernetes_are_left_out(view_of: ViewOf) -> None:
    view = view_of("{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: kube-system}}")
    assert view.all(POD) == ()


@pytest.mark.parametrize(
    ("pod", "labels", "expected"),
    [
        ("{}", "{istio-injection: enabled}", True),
        ("{}", "{istio-injection: disabled}", False),
        ("{}", "{}", False),
        ("{labels: {sidecar.istio.io/inject: 'true'}}", "{}", True),
        ("{labels: {sidecar.istio.io/inject: 'no'}}", "{istio-injection: enabled}", False),
        ("{annotations: {sidecar.istio.io/inject: 'false'}}", "{istio-injection: enabled}", False),
    ],
)
def test_who_is_in_the_mesh(view_of: ViewOf, pod: str, labels: str, expected: bool) -> None:
    view = view_of(f"""\
{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {labels}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec: {{template: {{metadata: {pod}}}}}
""")
    (web,) = view.workloads
    assert view.in_mesh(web) is expected


def test_the_injector_has_the_last_word_on_namespaces_that_say_nothing(view_of: ViewOf) -> None:
    text = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-sidecar-injector, namespace: istio-system}
data: {values: '{"sidecarInjectorWebhook": {"enableNamespacesByDefault": false}}'}
"""
    assert not view_of(text, inject_by_default=True).inject_by_default
    assert view_of(text.replace("false", "true")).inject_by_default
    assert view_of(text.replace("{values", "{other"), inject_by_default=True).inject_by_default
    assert view_of(text.replace("'{", "'{{"), inject_by_default=True).inject_by_default


def test_mesh_config_is_what_is_known_else_what_the_config_map_says(view_of: ViewOf) -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: {mesh: 'a: 1'}}"
    assert view_of(text).mesh_config == {"a": 1}
    assert view_of(text, mesh={"a": 2}).mesh_config == {"a": 2}
    assert view_of(text.replace("a: 1", "{")).mesh_config == {}


def test_an_object_that_is_refused_is_seen_with_its_problems() -> None:
    (found,) = resources_of("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: x}]}}")
    assert found.object is None
    assert [problem.path for problem in found.problems] == [("spec", "ports", 0, "port")]
    assert View([found], Surroundings()).all(("", "Service")) == [found]


def test_kinds_the_mesh_does_not_read_get_the_default_namespace_where_they_have_one() -> None:
    hook = "{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: a}}"
    (policy, webhook) = resources_of(f"{{apiVersion: a.b/v1, kind: Policy, metadata: {{name: a}}}}\n---\n{hook}")
    assert (policy.namespace, webhook.namespace) == ("shop", "")
