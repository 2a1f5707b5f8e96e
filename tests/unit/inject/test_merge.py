import copy

from hypothesis import given
from hypothesis import strategies as st

from lateen.inject.merge import merge

texts = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 3), max_size=3)
items = st.builds(lambda name, rest: {"name": name, **rest}, st.sampled_from("xyz"), texts)
pods = st.fixed_dictionaries(
    {"spec": st.fixed_dictionaries({"containers": st.lists(items, unique_by=lambda i: i["name"])})}
)


def names(containers: list[dict[str, object]]) -> list[object]:
    return [container["name"] for container in containers]


def test_maps_merge_nulls_delete_and_lists_without_a_key_are_replaced() -> None:
    base = {"a": {"x": 1, "y": 2}, "args": ["1", "2"], "gone": 1}
    assert merge(base, {"a": {"y": None, "z": 3}, "args": ["3"], "gone": None}) == {
        "a": {"x": 1, "z": 3},
        "args": ["3"],
    }


def test_new_items_come_first_and_known_ones_keep_their_place() -> None:
    base = {"containers": [{"name": "a"}, {"name": "proxy"}, {"name": "b"}]}
    patched = merge(base, {"containers": [{"name": "new"}, {"name": "proxy", "image": "i"}]})

    assert names(patched["containers"]) == ["new", "a", "proxy", "b"]
    assert patched["containers"][2] == {"name": "proxy", "image": "i"}


def test_mounts_ports_and_owners_have_keys_of_their_own() -> None:
    base = {"volumeMounts": [{"mountPath": "/a", "name": "old"}], "ports": [{"containerPort": 80, "name": "http"}]}
    patched = merge(base, {"volumeMounts": [{"mountPath": "/a", "name": "new"}], "ports": [{"containerPort": 81}]})

    assert patched["volumeMounts"] == [{"mountPath": "/a", "name": "new"}]
    assert patched["ports"] == [{"containerPort": 81}, {"containerPort": 80, "name": "http"}]


def test_a_volume_with_a_null_source_has_only_a_name_and_takes_another_source() -> None:
    volumes = {"volumes": [{"name": "socket", "emptyDir": None}]}
    assert merge({}, volumes) == {"volumes": [{"name": "socket"}]}
    driver = {"volumes": [{"name": "socket", "csi": {"driver": "d"}}]}
    assert merge(merge({}, volumes), driver) == {"volumes": [{"name": "socket", "csi": {"driver": "d"}}]}
    assert merge({"volumes": [{"name": "socket", "emptyDir": {}}]}, volumes) == {"volumes": [{"name": "socket"}]}


def test_directives_delete_and_replace() -> None:
    base = {"containers": [{"name": "a", "image": "i"}, {"name": "b"}], "resources": {"limits": {"cpu": 1}}}
    patch = {
        "containers": [{"name": "a", "$patch": "delete"}],
        "resources": {"$patch": "replace", "requests": {"cpu": 2}},
    }
    assert merge(base, patch) == {"containers": [{"name": "b"}], "resources": {"requests": {"cpu": 2}}}
    whole = merge(base, {"containers": [{"$patch": "replace"}, {"name": "c"}]})
    assert names(whole["containers"]) == ["c"]


def test_finalizers_are_united() -> None:
    assert merge({"finalizers": ["a"]}, {"finalizers": ["b", "a"]}) == {"finalizers": ["a", "b"]}


@given(pods, pods)
def test_merging_changes_neither_side_and_is_stable(base: dict[str, object], patch: dict[str, object]) -> None:
    before = copy.deepcopy((base, patch))
    merged = merge(base, patch)

    assert (base, patch) == before
    assert merge(merged, patch) == merged
