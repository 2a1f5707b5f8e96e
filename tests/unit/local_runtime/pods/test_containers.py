"""Which container is meant where none is named."""

from typing import Any

import pytest

from lateen.local_runtime.pods.containers import default_container


def pod(*containers: str, init: tuple[str, ...] = (), annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "annotations": annotations},
        "spec": {"containers": [{"name": n} for n in containers], "initContainers": [{"name": n} for n in init]},
    }


@pytest.mark.parametrize(
    ("raw", "asked", "expected"),
    [
        (pod("app", "istio-proxy"), None, "app"),
        (pod("istio-proxy", "app"), None, "app"),
        (pod("istio-proxy"), None, "istio-proxy"),
        (pod("a", "b", annotations={"kubectl.kubernetes.io/default-container": "b"}), None, "b"),
        (pod("a", annotations={"kubectl.kubernetes.io/default-container": "gone"}), None, "a"),
        (pod("a", init=("setup",)), "setup", "setup"),
    ],
)
def test_the_application_is_meant(raw: dict[str, Any], asked: str | None, expected: str) -> None:
    assert default_container(raw, asked) == expected


def test_a_container_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"container x is not valid for pod p; it has a, b"):
        default_container(pod("a", init=("b",)), "x")
