"""The object store: Kubernetes' semantics of versions, status, generations and watches."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.common.labels import Selector
from lateen.config.kinds.service import KubernetesService
from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.objects.store import Event, EventType, InvalidObject, ObjectStore

Json = dict[str, Any]
HERE = Origin("mesh.yaml", 3)
REVIEWS = ObjectRef("", "Service", "default", "reviews")


@pytest.fixture
def store() -> ObjectStore:
    uids = iter(range(1, 1000))
    return ObjectStore(now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), new_uid=lambda: f"uid-{next(uids)}")


@pytest.fixture
def heard(store: ObjectStore) -> list[list[tuple[str, str]]]:
    batches: list[list[tuple[str, str]]] = []
    store.subscribe(lambda events: batches.append([(event.type.value, str(event.ref)) for event in events]))
    return batches


def service(name: str = "reviews", port: int = 9080, **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **metadata},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]},
    }


def test_a_new_object_gets_what_the_server_owns_and_the_default_namespace(store: ObjectStore) -> None:
    stored = store.put(service(), origin=HERE)
    assert stored.ref == REVIEWS
    assert stored.origin == HERE
    assert stored.raw["metadata"] == {
        "name": "reviews",
        "namespace": "default",
        "uid": "uid-1",
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "generation": 1,
        "resourceVersion": "2",
    }
    assert isinstance(stored.object, KubernetesService)
    assert stored.object.metadata.creation_timestamp == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_belongs_to_no_namespace_needs_none_and_what_forgets_its_own_is_in_the_default_one(
    store: ObjectStore,
) -> None:
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert store.put(shop, origin=HERE, namespace="").ref == ObjectRef("", "Namespace", "", "shop")
    unread = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    assert store.put(unread, origin=HERE, namespace="").ref == ObjectRef("example.com", "Widget", "default", "w")


@pytest.mark.parametrize(
    ("written", "version", "generation"),
    [
        (service(), "2", 1),
        (service(port=9081), "3", 2),
        (service(labels={"a": "b"}), "3", 1),
        (service() | {"status": {"written": "by a user"}}, "2", 1),
        (service(uid="other", creationTimestamp=None, resourceVersion="77"), "2", 1),
    ],
    ids=["the same", "another spec", "another label", "a status", "what the server owns"],
)
def test_replacing_bumps_the_version_when_something_differs_and_the_generation_when_the_spec_does(
    store: ObjectStore, written: Json, version: str, generation: int
) -> None:
    store.put(service(), origin=HERE)
    metadata = store.put(written, origin=HERE).raw["metadata"]
    assert (metadata["resourceVersion"], metadata["generation"], metadata["uid"]) == (version, generation, "uid-1")


def test_replacing_keeps_the_status_and_drops_what_the_new_text_lacks(store: ObjectStore) -> None:
    store.put(service(labels={"a": "b"}), origin=HERE)
    store.put_status(REVIEWS, {"loadBalancer": {}})
    raw = store.put(service(), origin=HERE).raw
    assert raw["status"] == {"loadBalancer": {}}
    assert "labels" not in raw["metadata"]


def test_an_equal_write_is_told_to_nobody_but_moves_the_origin(
    store: ObjectStore, heard: list[list[tuple[str, str]]]
) -> None:
    store.put(service(), origin=HERE)
    store.put(service(), origin=Origin("mesh.yaml", 9))
    assert heard == [[("ADDED", "Service default/reviews")]]
    found = store.get(REVIEWS)
    assert found is not None
    assert found.origin.line == 9


def test_a_status_changes_no_generation_and_an_equal_one_nothing(
    store: ObjectStore, heard: list[list[tuple[str, str]]]
) -> None:
    store.put(service(), origin=HERE)
    store.put_status(REVIEWS, {"loadBalancer": {}})
    raw = store.put_status(REVIEWS, {"loadBalancer": {}}).raw
    assert raw["metadata"]["generation"] == 1
    assert raw["metadata"]["resourceVersion"] == "3"
    assert [batch[0][0] for batch in heard] == ["ADDED", "MODIFIED"]


def test_a_patch_merges_and_leaves_status_alone(store: ObjectStore) -> None:
    store.put(service(labels={"a": "b", "c": "d"}), origin=HERE)
    raw = store.patch(REVIEWS, {"metadata": {"labels": {"a": None, "e": "f"}}, "status": {"x": 1}}).raw
    assert raw["metadata"]["labels"] == {"c": "d", "e": "f"}
    assert "status" not in raw


@pytest.mark.parametrize("patch", [{"metadata": {"name": "x"}}, {"metadata": {"namespace": "x"}}, {"kind": "Pod"}])
def test_a_patch_cannot_rename(store: ObjectStore, patch: Json) -> None:
    store.put(service(), origin=HERE)
    with pytest.raises(InvalidObject, match="cannot be changed"):
        store.patch(REVIEWS, patch)


def test_writing_to_an_object_that_is_not_there_is_a_key_error(store: ObjectStore) -> None:
    with pytest.raises(KeyError):
        store.patch(REVIEWS, {})
    with pytest.raises(KeyError):
        store.put_status(REVIEWS, {})
    assert store.delete(REVIEWS) is None


def test_a_wrong_object_changes_nothing_and_says_all_that_is_wrong(
    store: ObjectStore, heard: list[list[tuple[str, str]]]
) -> None:
    store.put(service(), origin=HERE)
    wrong = service(port="http") | {"spec": {"ports": [{"port": "http"}, {"port": "https"}]}}  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(InvalidObject) as caught:
        store.put(wrong, origin=HERE)
    assert [problem.path for problem in caught.value.problems] == [
        ("spec", "ports", 0, "port"),
        ("spec", "ports", 1, "port"),
    ]
    assert len(heard) == 1
    assert store.version == 2


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"kind": "Service", "metadata": {"name": "a"}}, ("apiVersion",)),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, ("kind",)),
        ({"apiVersion": "v1", "kind": "Service"}, ("metadata", "name")),
        ({"apiVersion": "v1", "kind": "Service", "metadata": {"name": 7}}, ("metadata", "name")),
        ({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": 7}}, ("metadata", "namespace")),
    ],
)
def test_an_object_must_say_which_it_is(store: ObjectStore, raw: Json, path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidObject) as caught:
        store.put(raw, origin=HERE)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_an_unknown_kind_is_kept_and_its_type_learned(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    raw = {"apiVersion": "example.com/v2", "kind": "Policy", "metadata": {"name": "p"}, "spec": {"any": ["thing"]}}
    stored = store.put(raw, origin=HERE)
    assert stored.object is None
    assert stored.raw["spec"] == {"any": ["thing"]}
    learned = store.types.of_plural("example.com", "policies")
    assert learned is not None
    assert learned.versions == ("v2",)
    assert "a kind the mesh does not know" in caplog.text


def test_a_definition_brings_its_kind(store: ObjectStore) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "geese.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"kind": "Goose", "plural": "geese", "shortNames": ["gs"]},
            "versions": [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}],
        },
    }
    store.put(definition, origin=HERE)
    stored = store.put({"apiVersion": "example.com/v1", "kind": "Goose", "metadata": {"name": "g"}}, origin=HERE)
    assert stored.ref == ObjectRef("example.com", "Goose", "", "g")
    found = store.types.of_plural("example.com", "geese")
    assert found is not None
    assert (found.versions, found.namespaced, found.short_names) == (("v1",), False, ("gs",))


def test_a_dry_run_checks_and_changes_nothing(store: ObjectStore, heard: list[list[tuple[str, str]]]) -> None:
    assert store.put(service(), origin=HERE, dry_run=True).raw["spec"]["ports"][0]["port"] == 9080
    with pytest.raises(InvalidObject):
        store.put(service(port="http"), origin=HERE, dry_run=True)  # type: ignore[arg-type]  # wrong on purpose
    assert store.get(REVIEWS) is None
    assert (heard, store.version) == ([], 1)


def test_a_list_is_sorted_and_chosen_by_namespace_and_labels(store: ObjectStore) -> None:
    for name, namespace, app in (("b", "two", "x"), ("a", "two", "y"), ("c", "one", "x")):
        store.put(service(name, namespace=namespace, labels={"app": app}), origin=HERE)
    assert [str(each.ref) for each in store.list("", "Service")] == [
        "Service one/c",
        "Service two/a",
        "Service two/b",
    ]
    chosen = store.list("", "Service", "two", Selector.of({"app": "x"}))
    assert [each.ref.name for each in chosen] == ["b"]


def test_a_namespace_takes_what_is_in_it_along_last_itself(
    store: ObjectStore, heard: list[list[tuple[str, str]]]
) -> None:
    store.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, origin=HERE)
    store.put(service("cart", namespace="shop"), origin=HERE)
    store.put(service("other"), origin=HERE)
    heard.clear()
    store.delete(ObjectRef("", "Namespace", "", "shop"))
    assert heard == [[("DELETED", "Service shop/cart"), ("DELETED", "Namespace shop")]]
    assert [each.ref.name for each in store.list("", "Service")] == ["other"]


def test_a_batch_is_told_as_one_and_seen_at_once(store: ObjectStore, heard: list[list[tuple[str, str]]]) -> None:
    with store.batch():
        store.put(service("a"), origin=HERE)
        with store.batch():
            store.put(service("b"), origin=HERE)
        assert len(store.list("", "Service")) == 2
        assert heard == []
    assert heard == [[("ADDED", "Service default/a"), ("ADDED", "Service default/b")]]


def test_what_a_listener_writes_is_told_after_all_have_heard_what_is_being_told(store: ObjectStore) -> None:
    order: list[tuple[str, str]] = []

    def writes(events: Sequence[Event]) -> None:
        order.extend(("first", event.ref.name) for event in events)
        if events[0].ref.name == "a":
            store.put(service("b"), origin=HERE)

    store.subscribe(writes)
    store.subscribe(lambda events: order.extend(("second", event.ref.name) for event in events))
    store.put(service("a"), origin=HERE)
    assert order == [("first", "a"), ("second", "a"), ("first", "b"), ("second", "b")]


def test_a_listener_that_fails_stops_nobody_else(store: ObjectStore, caplog: pytest.LogCaptureFixture) -> None:
    names: list[str] = []

    def fails(_: Sequence[Event]) -> None:
        raise RuntimeError("broken")

    store.subscribe(fails)
    leave = store.subscribe(lambda events: names.extend(event.ref.name for event in events))
    store.put(service("a"), origin=HERE)
    leave()
    store.put(service("b"), origin=HERE)
    assert names == ["a"]
    assert "broken" in caplog.text


def test_history_tells_what_came_after_a_version_with_the_state_before(store: ObjectStore) -> None:
    first = store.put(service(), origin=HERE)
    seen = store.version
    store.put(service(port=9081), origin=HERE)
    store.delete(REVIEWS)
    events = store.since(seen)
    assert events is not None
    assert [event.type for event in events] == [EventType.MODIFIED, EventType.DELETED]
    assert events[0].old is first.raw
    assert events[1].raw["metadata"]["resourceVersion"] == str(store.version)
    assert store.since(store.version) == []


def test_history_is_bounded_and_says_so(store: ObjectStore) -> None:
    store.put(service(), origin=HERE)
    start = store.version
    for count in range(5000):
        store.put_status(REVIEWS, {"count": count})
    assert store.since(start) is None
    assert store.since(store.version + 1) is None
    recent = store.since(store.version - 4000)
    assert recent is not None
    assert len(recent) == 4000
