"""Watches: what is told first, what selectors make of changes, and versions that are no longer kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from lateen.config.objects import ObjectRef

Json = dict[str, Any]
PATH = "/api/v1/namespaces/default/services"


def service(name: str, port: int = 80, namespace: str = "default", **labels: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"ports": [{"port": port}]},
    }


@asynccontextmanager
async def watching(session: aiohttp.ClientSession, query: str, path: str = PATH) -> AsyncIterator["Watch"]:
    async with session.get(f"{path}?watch=1&{query}") as answer:
        assert answer.status == 200
        yield Watch(answer)


class Watch:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> Json:
        line = await asyncio.wait_for(self._answer.content.readline(), 5)
        return json.loads(line) if line else {}

    async def told(self) -> tuple[str, str]:
        event = await self.next()
        return event["type"], event["object"]["metadata"]["name"]


async def test_without_a_version_all_there_is_comes_first(served: Any, session: aiohttp.ClientSession) -> None:
    served.put(service("a"))
    async with watching(session, "") as watch:
        assert await watch.told() == ("ADDED", "a")
        served.put(service("b"))
        assert await watch.told() == ("ADDED", "b")
        served.put(service("a", port=81))
        event = await watch.next()
        assert (event["type"], event["object"]["spec"]["ports"]) == ("MODIFIED", [{"port": 81}])
        served.store.delete(ObjectRef("", "Service", "default", "a"))
        assert await watch.told() == ("DELETED", "a")


async def test_from_a_version_only_what_came_after(served: Any, session: aiohttp.ClientSession) -> None:
    served.put(service("a"))
    version = served.store.version
    served.put(service("b"))
    served.put(service("elsewhere", namespace="other"))
    async with watching(session, f"resourceVersion={version}") as watch:
        assert await watch.told() == ("ADDED", "b")
        served.put(service("c"))
        assert await watch.told() == ("ADDED", "c")


@pytest.mark.parametrize("version", ["1", "999999", "nonsense"])
async def test_a_version_that_is_not_kept_is_an_event_not_a_code(
    served: Any, session: aiohttp.ClientSession, version: str
) -> None:
    for port in range(1, 4200):
        served.put(service("a", port=port))
    async with watching(session, f"resourceVersion={version}") as watch:
        event = await watch.next()
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert await watch.next() == {}


async def test_labels_that_begin_or_cease_to_match(served: Any, session: aiohttp.ClientSession) -> None:
    served.put(service("a", app="web"))
    async with watching(session, "labelSelector=app%3Dweb") as watch:
        assert await watch.told() == ("ADDED", "a")
        served.put(service("b", app="other"))
        served.put(service("a", app="other"))
        assert await watch.told() == ("DELETED", "a")
        served.put(service("b", app="web"))
        assert await watch.told() == ("ADDED", "b")


async def test_a_list_streamed_ends_with_a_bookmark(served: Any, session: aiohttp.ClientSession) -> None:
    served.put(service("a"))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with watching(session, query) as watch:
        assert await watch.told() == ("ADDED", "a")
        event = await watch.next()
        assert event["type"] == "BOOKMARK"
        assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert event["object"]["metadata"]["resourceVersion"] == str(served.store.version)


async def test_bookmarks_come_when_nothing_happens(
    served: Any, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lateen.local_runtime.api.watches._BOOKMARK_SECONDS", 0.01)
    served.put(service("elsewhere", namespace="other"))
    async with watching(session, "allowWatchBookmarks=true") as watch:
        event = await watch.next()
        assert (event["type"], event["object"]["kind"]) == ("BOOKMARK", "Service")
        assert event["object"]["metadata"]["resourceVersion"] == str(served.store.version)


async def test_a_watch_ends_after_its_time_and_with_its_client(served: Any, session: aiohttp.ClientSession) -> None:
    async with watching(session, "timeoutSeconds=0.01") as watch:
        assert await watch.next() == {}
    async with watching(session, ""):
        assert len(served.store._listeners) == 1
    for _ in range(100):
        if not served.store._listeners:
            break
        await asyncio.sleep(0.01)
    assert served.store._listeners == []


async def test_one_object_is_watched_through_its_collection(served: Any, session: aiohttp.ClientSession) -> None:
    served.put(service("a"))
    served.put(service("b"))
    async with watching(session, "fieldSelector=metadata.name%3Db") as watch:
        assert await watch.told() == ("ADDED", "b")
    async with session.get(f"{PATH}/b?watch=1") as answer:
        assert answer.status == 400
