from typing import Any

import pytest

from lateen.inject import openshift
from lateen.inject.errors import InjectionError
from lateen.inject.settings import Settings

USERS, GROUPS = "openshift.io/sa.scc.uid-range", "openshift.io/sa.scc.supplemental-groups"


@pytest.mark.parametrize(
    ("annotations", "ids"),
    [
        ({}, (1337, 1337)),
        ({USERS: "1000620000/10000"}, (1000629999, 1000629999)),
        ({USERS: "1000-2000"}, (2000, 2000)),
        ({USERS: "1000/10", GROUPS: "5000/100,7000/100"}, (1009, 5099)),
        ({GROUPS: "5000-5001"}, (1337, 5001)),
    ],
)
def test_the_last_of_the_namespaces_block_is_the_proxys(annotations: dict[str, str], ids: tuple[int, int]) -> None:
    settings = openshift.for_namespace(Settings(), annotations)
    assert (settings.proxy_uid, settings.proxy_gid) == ids


def test_a_block_that_cannot_be_read_is_named() -> None:
    with pytest.raises(
        InjectionError, match=f"namespace annotation {USERS}: 'x' is not a block such as 1000620000/10000"
    ):
        openshift.for_namespace(Settings(), {USERS: "x"})


def pod(proxy: dict[str, Any] | None, *others: int | None) -> dict[str, Any]:
    containers = [
        {"name": f"c{place}", "securityContext": {"runAsUser": user}} if user is not None else {"name": f"c{place}"}
        for place, user in enumerate(others)
    ]
    return {"spec": {"containers": [*containers, {"name": "istio-proxy", "securityContext": proxy}]}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (pod({"runAsUser": 7, "runAsGroup": 8, "privileged": False}, 5, 7), {"privileged": False}),
        (pod({"runAsUser": 7, "runAsGroup": 8}, 7, 5), {"runAsUser": 7, "runAsGroup": 8}),
        (pod({"runAsGroup": 8}, None), {}),
        (pod({"runAsUser": 0}), {}),
        (pod(None, 5), None),
    ],
)
def test_a_user_that_all_containers_were_given_is_nobodys_choice(
    given: dict[str, Any], kept: dict[str, Any] | None
) -> None:
    assert openshift.without_assigned_user(given)["spec"]["containers"][-1]["securityContext"] == kept
