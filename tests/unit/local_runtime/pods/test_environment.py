import base64

import pytest

from lateen.local_runtime.pods.environment import (
    Host,
    NotConfigured,
    container_environment,
    expand,
    field,
    quantity,
    resource_field,
    secret_values,
)

HOST = Host(cpus=2, memory_bytes=8 << 30)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


POD = {
    "metadata": {
        "name": "p",
        "namespace": "default",
        "uid": "u",
        "labels": {"b": "2", "a": "1"},
        "annotations": {"note": 'say "hi"\n\ttwice\\ \u00fc \x01'},
    },
    "spec": {
        "nodeName": "lateen",
        "serviceAccountName": "sa",
        "containers": [{"name": "other", "resources": {"limits": {"cpu": "1500m"}}}],
    },
    "status": {"podIP": "198.18.1.1", "hostIP": "198.18.0.1"},
}
OBJECTS = {
    ("ConfigMap", "settings"): {"metadata": {"name": "settings"}, "data": {"A": "1", "B": "two"}},
    ("Secret", "token"): {"metadata": {"name": "token"}, "data": {"T": encoded("s3")}, "stringData": {"U": "plain"}},
}


def lookup(kind, namespace, name):
    assert namespace == "default"
    return OBJECTS.get((kind, name))


def environment(base=(), **container):
    return container_environment(container, POD, dict(base), lookup, HOST)


def test_the_order_is_image_then_sources_then_entries():
    found = environment(
        base={"A": "image", "Z": "image"}.items(),
        envFrom=[{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "token"}}],
        env=[{"name": "B", "value": "own $(A) $(S_T) $(NONE) $$(A)"}, {"name": "E"}],
    )
    assert found == {"A": "1", "Z": "image", "B": "own 1 s3 $(NONE) $(A)", "S_T": "s3", "S_U": "plain", "E": ""}


def test_values_of_references():
    def of(source):
        return environment(env=[{"name": "X", "valueFrom": source}]).get("X")

    assert of({"fieldRef": {"fieldPath": "metadata.name"}}) == "p"
    assert of({"fieldRef": {"fieldPath": "status.podIP"}}) == "198.18.1.1"
    assert of({"configMapKeyRef": {"name": "settings", "key": "B"}}) == "two"
    assert of({"secretKeyRef": {"name": "token", "key": "T"}}) == "s3"
    assert of({"secretKeyRef": {"name": "none", "key": "T", "optional": True}}) is None
    assert of({"configMapKeyRef": {"name": "settings", "key": "none", "optional": True}}) is None
    assert of({"resourceFieldRef": {"resource": "limits.cpu"}}) == "2"
    assert of({"resourceFieldRef": {"containerName": "other", "resource": "limits.cpu", "divisor": "1m"}}) == "1500"


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "token", "key": "no"}}}]}, 'no key "no"'),
        ({"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}, "spec.x"),
        ({"env": [{"name": "X", "valueFrom": {"resourceFieldRef": {"resource": "cpu"}}}]}, "limits.cpu"),
    ],
)
def test_what_is_missing_is_named(container, message):
    with pytest.raises(NotConfigured, match=message):
        environment(**container)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$(A)$(A)", "11"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("cost: $5", "cost: $5"),
    ],
)
def test_expansion(text, expected):
    assert expand(text, {"A": "1"}) == expected


def test_labels_and_annotations_are_lines_sorted_by_key_and_quoted_as_go_does():
    assert field(POD, "metadata.labels") == 'a="1"\nb="2"'
    assert field(POD, "metadata.annotations") == 'note="say \\"hi\\"\\n\\ttwice\\\\ \u00fc \\x01"'
    assert field(POD, "metadata.labels['b']") == "2"
    assert field(POD, "metadata.annotations['none']") == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", "0.5"), ("2", "2"), ("1Gi", str(1 << 30)), ("1.5k", "1500"), ("2e3", "2000"), (1, "1")],
)
def test_quantities(text, number):
    assert float(quantity(text)) == float(number)


@pytest.mark.parametrize("text", ["", "1Q", "x", "1 Gi"])
def test_what_is_not_a_quantity(text):
    with pytest.raises(NotConfigured):
        quantity(text)


def test_resources_are_the_machines_where_not_limited_and_rounded_up():
    container = {"resources": {"limits": {"memory": "1500Ki"}, "requests": {"cpu": "100m"}}}
    assert resource_field(container, "limits.memory", "1Mi", HOST) == "2"
    assert resource_field({}, "limits.memory", None, HOST) == str(8 << 30)
    assert resource_field(container, "requests.cpu", None, HOST) == "1"
    assert resource_field({}, "requests.cpu", None, HOST) == "0"


def test_a_secret_that_is_not_base64_is_named():
    with pytest.raises(NotConfigured, match='Secret "s" key "k" is not base64'):
        secret_values({"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "abc"}})
