"""Patches are what one would write by hand: one operation for each thing that is added."""

from typing import Any

import pytest
from support.json_patch import applied

from lateen.inject.json_patch import json_patch

APP, PROXY, INIT = {"name": "app", "image": "a"}, {"name": "istio-proxy"}, {"name": "istio-init"}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": True}, [("replace", "/a", True)]),
        ({"a": 0}, {"a": 0.5}, [("replace", "/a", 0.5)]),
        ({"a": None}, {}, [("remove", "/a", ...)]),
        ({}, {"x.io/y": "", "a~b": 1}, [("add", "/x.io~1y", ""), ("add", "/a~0b", 1)]),
        ({"l": [APP]}, {"l": [APP, PROXY]}, [("add", "/l/1", PROXY)]),
        ({"l": [APP]}, {"l": [INIT, APP, PROXY]}, [("add", "/l/0", INIT), ("add", "/l/2", PROXY)]),
        ({"l": [INIT, APP]}, {"l": [{**APP, "image": "b"}]}, [("remove", "/l/0", ...), ("replace", "/l/0/image", "b")]),
        ({"l": [APP, PROXY]}, {"l": [PROXY, APP]}, [("remove", "/l/0", ...), ("add", "/l/1", APP)]),
        ({"l": ["a", "b"]}, {"l": ["c"]}, [("replace", "/l", ["c"])]),
        ({"l": []}, {"l": ["c"]}, [("add", "/l/0", "c")]),
        ({"l": {}}, {"l": []}, [("replace", "/l", [])]),
        ([1], {}, [("replace", "", {})]),
    ],
)
def test_a_patch_says_what_differs_and_no_more(before: Any, after: Any, patch: list[tuple[str, str, Any]]) -> None:
    found = json_patch(before, after)
    assert [(step["op"], step["path"], step.get("value", ...)) for step in found] == patch
    assert applied(found, before) == after


def test_long_lists_that_differ_are_replaced_whole() -> None:
    before, after = list(range(2_000)), list(range(3_000, 1_000, -1))
    assert json_patch({"l": before}, {"l": after}) == [{"op": "replace", "path": "/l", "value": after}]


def test_what_long_lists_share_at_both_ends_is_not_compared() -> None:
    before = list(range(100_000))
    assert json_patch(before, [*before[:50], "new", *before[50:]]) == [{"op": "add", "path": "/50", "value": "new"}]
