import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.inject.encoding import compact_json, normalised
from lateen.inject.quantities import canonical, is_quantity


def test_fields_of_a_containers_parts_keep_the_order_of_their_types() -> None:
    limit = {"name": "L", "valueFrom": {"resourceFieldRef": {"divisor": "1", "resource": "r", "containerName": "c"}}}
    secret = {"name": "S", "valueFrom": {"secretKeyRef": {"key": "k", "name": "n"}}}
    profile = {"seccompProfile": {"localhostProfile": "p", "type": "Localhost"}}
    assert compact_json("container", {"securityContext": profile, "env": [limit, secret]}) == (
        '{"env":[{"name":"L","valueFrom":{"resourceFieldRef":{"containerName":"c","resource":"r","divisor":"1"}}},'
        '{"name":"S","valueFrom":{"secretKeyRef":{"name":"n","key":"k"}}}],'
        '"securityContext":{"seccompProfile":{"type":"Localhost","localhostProfile":"p"}}}'
    )


def test_ports_of_probes_and_paths_of_mounts_are_always_there() -> None:
    container = {
        "name": "a",
        "livenessProbe": {"httpGet": {"path": "/"}},
        "volumeMounts": [{"name": "v", "mountPath": ""}],
    }
    (found,) = normalised({"spec": {"containers": [container]}})["spec"]["containers"]
    assert found["livenessProbe"] == {"httpGet": {"path": "/", "port": 0}}
    assert found["volumeMounts"] == [{"name": "v", "mountPath": ""}]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2000m", "2"),
        ("0.5", "500m"),
        (2, "2"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("100m", "100m"),
        ("0Mi", "0"),
        ("0.0", "0"),
        ("1000k", "1M"),
        ("1e3", "1e3"),
        ("123456789", "123456789"),
        ("not a quantity", "not a quantity"),
    ],
)
def test_quantities_have_one_canonical_text(written: str | int, shown: str) -> None:
    assert canonical(written) == shown


@given(st.integers(1, 10**6), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_canonical_quantities_stay_as_they_are(number: int, suffix: str) -> None:
    once = canonical(f"{number}{suffix}")
    assert is_quantity(once)
    assert canonical(once) == once


def test_fields_are_dropped_as_kubernetes_types_drop_them() -> None:
    pod = {
        "metadata": {"creationTimestamp": None, "labels": {"empty": ""}, "annotations": {}},
        "spec": {
            "hostNetwork": False,
            "securityContext": {},
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "a",
                    "args": [""],
                    "command": [],
                    "env": [{"name": "E", "value": ""}],
                    "livenessProbe": {"httpGet": {"port": 0, "path": ""}, "initialDelaySeconds": 0},
                    "securityContext": {"runAsUser": 0, "privileged": False},
                }
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    }
    assert normalised(pod) == {
        "metadata": {"labels": {"empty": ""}},
        "spec": {
            "securityContext": {},
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "a",
                    "args": [""],
                    "env": [{"name": "E"}],
                    "livenessProbe": {"httpGet": {"port": 0}},
                    "resources": {},
                    "securityContext": {"runAsUser": 0, "privileged": False},
                }
            ],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    }


def test_normalising_twice_changes_nothing_and_an_empty_pod_has_containers() -> None:
    once = normalised({"spec": {"containers": [{"name": "a"}]}})
    assert normalised(once) == once
    assert normalised({}) == {"spec": {"containers": []}}


def test_json_is_compact_ordered_and_escaped_as_in_go() -> None:
    assert compact_json("ports", {"containerPort": 80, "name": "a<b>&c"}) == (
        '{"name":"a\\u003cb\\u003e\\u0026c","containerPort":80}'
    )
    assert compact_json("containers", [{"image": "i", "name": "n", "env": [{"value": "v", "name": "k"}]}]) == (
        '[{"name":"n","image":"i","env":[{"name":"k","value":"v"}]}]'
    )
