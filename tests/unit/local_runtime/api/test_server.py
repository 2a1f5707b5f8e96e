"""The socket, discovery, and what Kubernetes has no shape for."""

import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lateen.config.objects import ObjectRef

Json = dict[str, Any]


async def ask(session: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    async with session.request(method, path, **options) as answer:
        return answer.status, await answer.json()


async def test_the_socket_is_its_owners_alone(served: Any) -> None:
    assert served.path.stat().st_mode & 0o777 == 0o600


async def test_a_socket_left_behind_is_replaced(served: Any, tmp_path: Path) -> None:
    await served.server.close()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left"))
    left.close()
    await served.server.serve(tmp_path / "left")
    served.path = tmp_path / "left"
    async with served.session() as session:
        assert (await ask(session, "GET", "/version"))[0] == 200


async def test_discovery_lists_groups_versions_and_kinds(session: aiohttp.ClientSession) -> None:
    _, core = await ask(session, "GET", "/api")
    assert core["versions"] == ["v1"]
    _, groups = await ask(session, "GET", "/apis")
    istio = next(each for each in groups["groups"] if each["name"] == "networking.istio.io")
    assert [each["version"] for each in istio["versions"]] == ["v1", "v1beta1", "v1alpha3"]
    assert istio["preferredVersion"]["version"] == "v1"
    assert (await ask(session, "GET", "/apis/networking.istio.io"))[1]["kind"] == "APIGroup"
    _, kinds = await ask(session, "GET", "/api/v1")
    pods = {each["name"]: each for each in kinds["resources"]}
    assert pods["pods"]["shortNames"] == ["po"]
    assert {"pods/status", "pods/log", "pods/exec", "pods/proxy"} <= pods.keys()


@pytest.mark.parametrize("path", ["/api/v9", "/apis/none", "/apis/apps/v9", "/nothing", "/", "/apis/apps/v1/pods"])
async def test_what_is_not_there_is_a_status(session: aiohttp.ClientSession, path: str) -> None:
    code, status = await ask(session, "GET", path)
    assert (code, status["kind"], status["reason"]) == (404, "Status", "NotFound")


async def test_the_programs_own_pages(served: Any, session: aiohttp.ClientSession) -> None:
    assert (await ask(session, "GET", "/lateen/v1/info"))[1]["pid"] == 7
    assert (await ask(session, "GET", "/debug/syncz"))[1] == [{"proxy": "web.default"}]
    code, status = await ask(session, "GET", "/debug/nothing?a=b")
    assert (code, status["reason"], status["message"]) == (404, "NotFound", "there is no page /debug/nothing for 'a=b'")
    assert (await ask(session, "POST", "/lateen/v1/shutdown"))[0] == 202
    assert served.program.told_to_stop


async def test_a_bug_is_a_500_that_names_it(
    served: Any, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Json:
        raise RuntimeError("a bug")

    served.program.info = broken
    code, status = await ask(session, "GET", "/lateen/v1/info")
    assert (code, status["message"]) == (500, "RuntimeError: a bug")
    assert "Traceback" in caplog.text


def config_map(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_applying_tells_what_is_wrong_with_what_was_applied_and_what_it_has_caused(
    served: Any, session: aiohttp.ClientSession
) -> None:
    served.program.problems = [
        "a.yaml:1: ConfigMap shop/old: spec: wrong before",
        "b.yaml:1: ConfigMap shop/x: spec: too",
    ]
    served.program.later_problems = [*served.program.problems, "c.yaml:1: ConfigMap shop/y: spec: broken by it"]
    body = {"items": [{"object": config_map("old")}], "namespace": "shop"}
    _, answer = await ask(session, "POST", "/lateen/v1/apply", json=body)
    assert answer["problems"] == [served.program.later_problems[0], served.program.later_problems[2]]


async def test_applying_several_is_one_change_whatever_is_refused(served: Any, session: aiohttp.ClientSession) -> None:
    batches: list[list[str]] = []
    served.put(config_map("old", a="b"))
    served.put(config_map("same", a="b"))
    served.store.subscribe(lambda events: batches.append([event.ref.name for event in events]))
    wrong = config_map("wrong") | {"data": ["no", "mapping"]}
    items = [
        {"object": config_map("new"), "origin": "/mesh.yaml:12"},
        {"object": wrong},
        {"object": config_map("old", a="c")},
        {"object": config_map("same", a="b")},
        {"object": "text"},
    ]
    code, answer = await ask(session, "POST", "/lateen/v1/apply", json={"items": items, "namespace": "shop"})
    assert code == 200
    said = [each.get("result") or each["status"]["reason"] for each in answer["items"]]
    assert said == ["created", "Invalid", "created", "created", "BadRequest"]
    assert batches == [["new", "old", "same"]]
    assert str(served.store.get(ObjectRef("", "ConfigMap", "shop", "new")).origin) == "/mesh.yaml:12"
    assert answer["problems"] == []
    again = {"items": [items[0], {"object": config_map("old", a="d")}], "namespace": "shop"}
    _, answer = await ask(session, "POST", "/lateen/v1/apply", json={**again, "dryRun": True})
    assert [each["result"] for each in answer["items"]] == ["unchanged", "configured"]
    assert len(batches) == 1
    assert (await ask(session, "POST", "/lateen/v1/apply", json={"items": 1}))[0] == 400
