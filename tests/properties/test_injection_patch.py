"""Patches applied to what was sent give what was meant, and whatever is sent has an answer."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.admission_reviews import admitted, review_of
from support.json_patch import applied

from lateen.inject.admission import Outcome, review
from lateen.inject.configuration import Documents
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Injected, inject
from lateen.inject.json_patch import json_patch
from lateen.inject.settings import Settings

TEXTS = st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0]) | TEXTS
KEYS = st.sampled_from(["name", "mountPath", "a/b", "c~d", "", "spec", "0"]) | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=30
)

PORTS = st.integers(1, 65535) | st.sampled_from(["http", "admin"])
PROBES = st.fixed_dictionaries(
    {}, optional={"httpGet": st.fixed_dictionaries({"port": PORTS}), "periodSeconds": st.integers(0, 3)}
)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.sampled_from(["app", "web", "istio-proxy", "istio-init"])},
    optional={
        "image": st.sampled_from(["auto", "app:1"]),
        "env": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["A", "B", "ISTIO_META_NETWORK"])},
                optional={"value": st.sampled_from(["", "x", "<&>"])},
            ),
            max_size=3,
            unique_by=lambda item: item["name"],
        ),
        "resources": st.just({"limits": {"cpu": "2000m", "memory": None}}) | st.none(),
        "livenessProbe": PROBES,
        "ports": st.just([{"containerPort": 80, "name": "http"}]),
        "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.integers(0, 2)}),
        "volumeMounts": st.just([{"name": "data", "mountPath": "/data", "readOnly": False}]),
    },
)
ANNOTATIONS = st.dictionaries(
    st.sampled_from(["prometheus.io/port", "a/b", "sidecar.istio.io/nativeSidecar", "proxy.istio.io/config"]),
    st.sampled_from(["true", "8080", "", "drainDuration: 3s"]),
)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("x"),
        "namespace": st.sampled_from(["default", "kube-system", ""]),
        "annotations": ANNOTATIONS | st.none(),
        "labels": st.dictionaries(st.sampled_from(["app", "topology.istio.io/network"]), st.just("v")) | st.none(),
        "creationTimestamp": st.none(),
        "managedFields": st.just([{"manager": "kubectl"}]),
    },
)
LISTS = st.lists(CONTAINERS, max_size=3, unique_by=lambda item: item["name"])
PODS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": METADATA | st.none(),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": LISTS | st.none(),
                "initContainers": LISTS,
                "volumes": st.just([{"name": "data", "emptyDir": {}}]),
                "hostNetwork": st.booleans(),
            },
        ),
        "status": st.just({}),
    },
)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, where true is not 1 and 1 is not 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@given(JSON, JSON)
def test_a_patch_makes_one_document_of_another(before: Any, after: Any) -> None:
    assert same(applied(json_patch(before, after), before), after)


@given(JSON)
def test_nothing_is_said_of_equal_documents(document: Any) -> None:
    assert json_patch(document, document) == []


@given(PODS, st.booleans())
@settings(deadline=None)
def test_the_patch_of_a_review_gives_the_injected_pod(pod: dict[str, Any], native: bool) -> None:
    chosen = Settings(native_sidecars=native)
    found = review(json.dumps(review_of(pod)).encode(), chosen)
    if found.outcome is not Outcome.INJECTED:
        return
    got = admitted(pod, found.body)
    metadata = pod.get("metadata") or {}
    managed = {"managedFields": metadata["managedFields"]} if "managedFields" in metadata else {}
    assert got["metadata"].get("managedFields") == managed.get("managedFields")
    asked = {**pod, "metadata": {**metadata, "namespace": metadata.get("namespace") or "default"}}
    asked["metadata"].pop("managedFields", None)
    expected = inject(asked, chosen)
    assert isinstance(expected, Injected)
    wanted = {**expected.pod, "metadata": {**expected.pod["metadata"], **managed}}
    if not metadata.get("namespace"):
        del wanted["metadata"]["namespace"]
    assert same(got, wanted)


@given(
    JSON | st.builds(review_of, JSON) | st.builds(review_of, st.fixed_dictionaries({"metadata": JSON, "spec": JSON}))
)
@settings(deadline=None)
def test_whatever_is_asked_is_answered(body: Any) -> None:
    answer = json.loads(review(json.dumps(body).encode(), Settings()).body)
    assert answer["kind"] == "AdmissionReview"
    assert isinstance(answer["response"]["allowed"], bool)


DEEP_KEYS = st.sampled_from(
    (
        *("global", "proxy", "sidecarInjectorWebhook", "templates", "pilot", "cni", "env", "resources", "statusPort"),
        *("policy", "defaultTemplates", "aliases", "neverInjectSelector", "extensionProviders", "defaultConfig"),
    )
)
DOCUMENTS = st.dictionaries(
    DEEP_KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(DEEP_KEYS, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


@given(st.none() | DOCUMENTS, DOCUMENTS, DOCUMENTS)
@settings(deadline=None)
def test_settings_are_read_or_refused_in_words(config: Any, values: Any, mesh: Any) -> None:
    try:
        chosen = Documents(config, values, mesh).settings()
    except InjectionError:
        return
    body = json.dumps(review_of({"spec": {"containers": [{"name": "app"}]}})).encode()
    assert json.loads(review(body, chosen).body)["response"]["uid"]
