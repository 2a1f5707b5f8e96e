"""Patches: RFC 7386's own examples, JSON patch, and the merging of lists by key."""

from typing import Any

import pytest

from lateen.local_runtime.objects.patches import PatchFailed, json_patch, merge, strategic_merge


@pytest.mark.parametrize(
    ("value", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_do_as_the_rfc_shows(value: Any, patch: Any, expected: Any) -> None:
    assert merge(value, patch) == expected


POD: dict[str, Any] = {
    "containers": [{"name": "app", "image": "a", "env": [{"name": "X", "value": "1"}]}, {"name": "other"}]
}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"containers": [{"name": "app", "image": "b"}]}, [{**POD["containers"][0], "image": "b"}, {"name": "other"}]),
        ({"containers": [{"name": "new"}]}, [*POD["containers"], {"name": "new"}]),
        ({"containers": [{"name": "other", "$patch": "delete"}]}, [POD["containers"][0]]),
        ({"containers": [{"$patch": "replace"}, {"name": "only"}]}, [{"name": "only"}]),
        (
            {"containers": [{"name": "app", "env": [{"name": "Y", "value": "2"}]}]},
            [
                {"name": "app", "image": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
                {"name": "other"},
            ],
        ),
        ({"$setElementOrder/containers": [{"name": "other"}]}, POD["containers"]),
    ],
    ids=["changed", "added", "deleted", "replaced", "nested", "order only"],
)
def test_strategic_merge_patches_know_containers_by_name(patch: Any, expected: Any) -> None:
    assert strategic_merge(POD, patch)["containers"] == expected


def test_strategic_merge_directives_on_maps_and_plain_lists() -> None:
    value = {"a": 1, "b": 2, "finalizers": ["x", "y"], "m": {"c": 1}}
    assert strategic_merge(value, {"$retainKeys": ["a"], "a": 3}) == {"a": 3}
    assert strategic_merge(value, {"$deleteFromPrimitiveList/finalizers": ["x"]})["finalizers"] == ["y"]
    assert strategic_merge(value, {"m": {"$patch": "replace", "d": 2}})["m"] == {"d": 2}
    assert "m" not in strategic_merge(value, {"m": {"$patch": "delete"}})


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/b", "value": 1}], {"a": {"x": [1, 2]}, "b": 1}),
        ([{"op": "add", "path": "/a/x/-", "value": 3}], {"a": {"x": [1, 2, 3]}}),
        ([{"op": "add", "path": "/a/x/0", "value": 3}], {"a": {"x": [3, 1, 2]}}),
        ([{"op": "replace", "path": "/a/x/1", "value": 3}], {"a": {"x": [1, 3]}}),
        ([{"op": "remove", "path": "/a/x/0"}], {"a": {"x": [2]}}),
        ([{"op": "move", "from": "/a/x", "path": "/y"}], {"a": {}, "y": [1, 2]}),
        ([{"op": "copy", "from": "/a/x/0", "path": "/y"}], {"a": {"x": [1, 2]}, "y": 1}),
        ([{"op": "add", "path": "/k~1~0", "value": 1}], {"a": {"x": [1, 2]}, "k/~": 1}),
        ([{"op": "test", "path": "/a/x/0", "value": 1}], {"a": {"x": [1, 2]}}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
    ],
)
def test_json_patches(operations: Any, expected: Any) -> None:
    value = {"a": {"x": [1, 2]}}
    assert json_patch(value, operations) == expected
    assert value == {"a": {"x": [1, 2]}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "add", "path": "/list/9/x", "value": 2},
        {"op": "explode", "path": "/a"},
        {"op": "add"},
    ],
)
def test_json_patches_that_do_not_fit(operation: Any) -> None:
    with pytest.raises(PatchFailed):
        json_patch({"a": 1, "list": []}, [operation])
