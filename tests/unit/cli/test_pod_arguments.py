"""Which pod a text means."""

from typing import Any

import pytest

from lateen.cli.output import Failure
from lateen.cli.pod_arguments import resolve

Json = dict[str, Any]


def pod(name: str, namespace: str = "default", ready: bool = True, **labels: str) -> Json:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "status": {"conditions": conditions}}


PODS = [
    pod("reviews-v1-abc", app="reviews", version="v1", ready=False),
    pod("reviews-v1-def", app="reviews", version="v1"),
    pod("reviews-v2-abc", app="reviews", version="v2"),
    pod("web", app="web"),
    pod("web", namespace="shop", app="web"),
    pod("web-2", app="web2"),
    pod("dots.in.name", app="dots"),
    pod("ingress-x", namespace="istio-system", app="ingress"),
]
LISTS = {
    "/api/v1/pods": PODS,
    "/apis/apps/v1/deployments": [
        {
            "metadata": {"name": "reviews-v1", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": "reviews", "version": "v1"}}},
        },
        {
            "metadata": {"name": "idle", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": "idle"}}},
        },
    ],
    "/api/v1/services": [{"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}}],
}


class Lists:
    def get(self, path: str) -> Json:
        return {"items": LISTS[path]}


def meant(text: str, namespace: str | None = None) -> str:
    found = resolve(Lists(), text, namespace)["metadata"]  # type: ignore[arg-type]  # all that is asked of a client
    return f"{found['namespace']}/{found['name']}"


@pytest.mark.parametrize(
    ("text", "namespace", "expected"),
    [
        ("reviews-v2", None, "default/reviews-v2-abc"),
        ("reviews-v2-abc.default", None, "default/reviews-v2-abc"),
        ("web", None, "default/web"),
        ("web.shop", None, "shop/web"),
        ("web", "shop", "shop/web"),
        ("dots.in.name", None, "default/dots.in.name"),
        ("ingress", None, "istio-system/ingress-x"),
        ("pod/web-2", None, "default/web-2"),
        ("deploy/reviews-v1", None, "default/reviews-v1-def"),
        ("deployment/reviews-v1.default", None, "default/reviews-v1-def"),
        ("svc/web.shop", None, "shop/web"),
        ("svc/web", None, "shop/web"),
    ],
)
def test_names_and_beginnings(text: str, namespace: str | None, expected: str) -> None:
    assert meant(text, namespace) == expected


@pytest.mark.parametrize(
    ("text", "namespace", "message"),
    [
        (
            "reviews",
            None,
            "'reviews' may be any of reviews-v1-abc.default, reviews-v1-def.default, reviews-v2-abc.default; "
            "name one, or use deploy/NAME",
        ),
        ("nothing", None, "there is no pod 'nothing'; there are dots.in.name.default, "),
        ("reviews-v2", "shop", "there is no pod 'reviews-v2' in namespace shop"),
        ("deploy/idle", None, "Deployment default/idle has no pods"),
        ("deploy/none", None, "there is no Deployment 'none'; there are: idle.default, reviews-v1.default"),
        ("job/x", None, "'job/x' is not a pod: write POD"),
    ],
)
def test_what_is_not_clear_lists_what_there_is(text: str, namespace: str | None, message: str) -> None:
    with pytest.raises(Failure) as caught:
        meant(text, namespace)
    assert str(caught.value).startswith(message)
