"""Objects over HTTP, as Kubernetes answers."""

from io import BytesIO
from typing import Any

import aiohttp
import pytest

Json = dict[str, Any]

SERVICES = "/api/v1/namespaces/default/services"
RULES = "/apis/networking.istio.io/v1/namespaces/default/destinationrules"


def service(name: str = "reviews", port: Any = 9080, **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **metadata},
        "spec": {"ports": [{"name": "http", "port": port}]},
    }


async def ask(session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Json]:
    async with session.request(method, path, **options) as answer:
        return answer.status, await answer.json()


async def test_create_get_list_delete(session: aiohttp.ClientSession) -> None:
    code, made = await ask(session, "POST", SERVICES, json=service())
    assert (code, made["metadata"]["namespace"]) == (201, "default")
    assert await ask(session, "GET", f"{SERVICES}/reviews") == (200, made)
    code, listed = await ask(session, "GET", "/api/v1/services")
    assert (code, listed["kind"], listed["items"]) == (200, "ServiceList", [made])
    assert listed["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    code, deleted = await ask(session, "DELETE", f"{SERVICES}/reviews")
    assert (code, deleted["status"], deleted["details"]["name"]) == (200, "Success", "reviews")
    code, gone = await ask(session, "GET", f"{SERVICES}/reviews")
    assert (code, gone["reason"], gone["message"]) == (404, "NotFound", 'services "reviews" not found')


async def test_creating_twice_is_a_conflict(session: aiohttp.ClientSession) -> None:
    await ask(session, "POST", SERVICES, json=service())
    code, status = await ask(session, "POST", SERVICES, json=service())
    assert (code, status["reason"], status["code"]) == (409, "AlreadyExists", 409)


async def test_a_name_is_generated(session: aiohttp.ClientSession) -> None:
    raw = service() | {"metadata": {"generateName": "web-"}}
    _, first = await ask(session, "POST", SERVICES, json=raw)
    _, second = await ask(session, "POST", SERVICES, json=raw)
    names = [first["metadata"]["name"], second["metadata"]["name"]]
    assert all(name.startswith("web-") and len(name) == 9 for name in names)
    assert names[0] != names[1]


async def test_a_stale_version_is_refused_and_a_fresh_one_taken(session: aiohttp.ClientSession) -> None:
    _, first = await ask(session, "POST", SERVICES, json=service())
    code, second = await ask(session, "PUT", f"{SERVICES}/reviews", json={**first, "spec": service(port=9081)["spec"]})
    assert (code, second["metadata"]["generation"]) == (200, 2)
    code, status = await ask(session, "PUT", f"{SERVICES}/reviews", json=first)
    assert (code, status["reason"]) == (409, "Conflict")
    assert "the object has been modified" in status["message"]
    code, _ = await ask(session, "PUT", f"{SERVICES}/other", json=service("other"))
    assert code == 404


async def test_an_invalid_object_names_every_field(session: aiohttp.ClientSession) -> None:
    raw = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews"},
        "spec": {"host": "reviews", "subsetz": [], "subsets": [{"name": "v1", "labels": "v1"}]},
    }
    code, status = await ask(session, "POST", RULES, json=raw)
    assert (code, status["reason"]) == (422, "Invalid")
    assert status["message"].startswith('DestinationRule.networking.istio.io "reviews" is invalid: [spec.')
    assert {cause["field"] for cause in status["details"]["causes"]} == {"spec.subsetz", "spec.subsets[0].labels"}


@pytest.mark.parametrize(
    ("path", "raw", "code"),
    [
        (SERVICES, service(namespace="other"), 400),
        (SERVICES, {**service(), "kind": "Pod"}, 400),
        (SERVICES, [1], 400),
        ("/api/v1/services", service(), 201),
        ("/api/v1/wombats", service(), 404),
        ("/api/v2/services", service(), 404),
        (f"{SERVICES}/reviews", service(), 405),
    ],
)
async def test_where_an_object_may_be_created(session: aiohttp.ClientSession, path: str, raw: Any, code: int) -> None:
    answered, status = await ask(session, "POST", path, json=raw)
    assert answered == code, status


async def test_broken_bodies_are_the_senders_fault(session: aiohttp.ClientSession) -> None:
    code, status = await ask(session, "POST", SERVICES, data=b"{not json", headers={"Content-Type": "application/json"})
    assert (code, status["reason"]) == (400, "BadRequest")
    code, status = await ask(session, "POST", SERVICES, data=BytesIO(b" " * (4 << 20)))
    assert (code, status["reason"]) == (413, "RequestEntityTooLarge")


async def test_yaml_is_taken(session: aiohttp.ClientSession) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"
    path = "/api/v1/namespaces/default/configmaps"
    code, made = await ask(session, "POST", path, data=text, headers={"Content-Type": "application/yaml"})
    assert (code, made["data"]) == (201, {"a": "b"})


@pytest.mark.parametrize(
    ("content_type", "patch", "port"),
    [
        ("application/merge-patch+json", '{"spec":{"ports":[{"name":"http","port":1}]}}', 1),
        ("application/strategic-merge-patch+json", '{"spec":{"ports":[{"port":9080,"name":"http2"}]}}', 9080),
        ("application/json-patch+json", '[{"op":"replace","path":"/spec/ports/0/port","value":2}]', 2),
        ("application/apply-patch+yaml", "spec: {ports: [{name: http, port: 3}]}", 3),
    ],
)
async def test_patches(session: aiohttp.ClientSession, content_type: str, patch: str, port: int) -> None:
    await ask(session, "POST", SERVICES, json=service(labels={"keep": "me"}))
    headers = {"Content-Type": content_type}
    code, patched = await ask(session, "PATCH", f"{SERVICES}/reviews", data=patch, headers=headers)
    assert code == 200, patched
    assert patched["spec"]["ports"][0]["port"] == port
    assert patched["metadata"]["labels"] == {"keep": "me"}


async def test_applying_what_is_not_there_creates_it(session: aiohttp.ClientSession) -> None:
    options: Json = {"json": service(), "headers": {"Content-Type": "application/apply-patch+yaml"}}
    code, _ = await ask(session, "PATCH", f"{SERVICES}/reviews", **options)
    assert code == 201
    code, _ = await ask(session, "PATCH", f"{SERVICES}/other", **options)
    assert code == 400
    options["headers"] = {"Content-Type": "application/merge-patch+json"}
    code, _ = await ask(session, "PATCH", f"{SERVICES}/other", **options)
    assert code == 404


async def test_a_patch_may_insist_on_a_version(session: aiohttp.ClientSession) -> None:
    await ask(session, "POST", SERVICES, json=service())
    options: Json = {"headers": {"Content-Type": "application/merge-patch+json"}}
    patch = {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}
    code, status = await ask(session, "PATCH", f"{SERVICES}/reviews", json=patch, **options)
    assert (code, status["reason"]) == (409, "Conflict")


async def test_the_status_is_a_part_of_its_own(session: aiohttp.ClientSession) -> None:
    _, made = await ask(session, "POST", SERVICES, json=service() | {"status": {"from": "create"}})
    assert "status" not in made
    options: Json = {"headers": {"Content-Type": "application/merge-patch+json"}}
    both = {"status": {"ok": True}, "spec": {"ports": []}}
    _, after = await ask(session, "PATCH", f"{SERVICES}/reviews/status", json=both, **options)
    assert (after["status"], after["spec"]) == ({"ok": True}, made["spec"])
    _, after = await ask(session, "PUT", f"{SERVICES}/reviews/status", json={**made, "metadata": {"name": "reviews"}})
    assert after["status"] == {}
    code, _ = await ask(session, "GET", f"{SERVICES}/reviews/scale")
    assert code == 404


async def test_every_version_shows_the_same_object(session: aiohttp.ClientSession) -> None:
    raw = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews"},
        "spec": {"host": "reviews"},
    }
    code, _ = await ask(session, "POST", RULES.replace("/v1/", "/v1alpha3/"), json=raw)
    assert code == 201
    for version in ("v1", "v1beta1", "v1alpha3"):
        _, found = await ask(session, "GET", f"{RULES.replace('/v1/', f'/{version}/')}/reviews")
        assert found["apiVersion"] == f"networking.istio.io/{version}"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("labelSelector=app%3Dweb", ["a", "b"]),
        ("labelSelector=app%3Dweb,tier!%3Dback", ["a"]),
        ("labelSelector=tier in (back,front)", ["a", "b", "c"]),
        ("labelSelector=tier notin (back)", ["a", "d"]),
        ("labelSelector=!app", ["c", "d"]),
        ("labelSelector=app", ["a", "b"]),
        ("fieldSelector=metadata.name%3Dc", ["c"]),
        ("fieldSelector=metadata.name!%3Dc,metadata.namespace%3Ddefault", ["a", "b", "d"]),
    ],
)
async def test_selectors(session: aiohttp.ClientSession, query: str, names: list[str]) -> None:
    labels = {
        "a": {"app": "web", "tier": "front"},
        "b": {"app": "web", "tier": "back"},
        "c": {"tier": "back"},
        "d": {},
    }
    for name, each in labels.items():
        await ask(session, "POST", SERVICES, json=service(name, labels=each))
    _, listed = await ask(session, "GET", f"/api/v1/services?{query}")
    assert [each["metadata"]["name"] for each in listed["items"]] == names


async def test_selectors_that_cannot_be_read(session: aiohttp.ClientSession) -> None:
    for query in ("labelSelector=a in b", "fieldSelector=nonsense"):
        code, status = await ask(session, "GET", f"/api/v1/services?{query}")
        assert (code, status["reason"]) == (400, "BadRequest")


async def test_deleting_a_collection(session: aiohttp.ClientSession) -> None:
    for name in ("a", "b"):
        await ask(session, "POST", SERVICES, json=service(name, labels={"app": name}))
    code, gone = await ask(session, "DELETE", f"{SERVICES}?labelSelector=app%3Da")
    assert (code, [each["metadata"]["name"] for each in gone["items"]]) == (200, ["a"])
    _, left = await ask(session, "GET", SERVICES)
    assert [each["metadata"]["name"] for each in left["items"]] == ["b"]


async def test_deleting_on_a_condition(session: aiohttp.ClientSession) -> None:
    _, made = await ask(session, "POST", SERVICES, json=service())
    code, _ = await ask(session, "DELETE", f"{SERVICES}/reviews", json={"preconditions": {"uid": "another"}})
    assert code == 409
    condition = {"preconditions": {"uid": made["metadata"]["uid"]}}
    code, _ = await ask(session, "DELETE", f"{SERVICES}/reviews", json=condition)
    assert code == 200


async def test_a_dry_run_does_nothing(session: aiohttp.ClientSession) -> None:
    code, _ = await ask(session, "POST", f"{SERVICES}?dryRun=All", json=service())
    assert code == 201
    _, listed = await ask(session, "GET", SERVICES)
    assert listed["items"] == []


async def test_cluster_wide_objects_have_no_namespace(session: aiohttp.ClientSession) -> None:
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    code, _ = await ask(session, "POST", "/api/v1/namespaces", json=raw)
    assert code == 201
    code, found = await ask(session, "GET", "/api/v1/namespaces/shop")
    assert (code, "namespace" in found["metadata"]) == (200, False)
