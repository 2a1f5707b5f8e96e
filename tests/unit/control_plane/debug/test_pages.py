"""What the debug pages say of a small mesh with two proxies."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.streams import Client
from support.worlds import destination_rule, endpoint_slice, pod, service, typed, virtual_service

from lateen.cli.proxy_config import clusters, dump
from lateen.config.store import ConfigStore
from lateen.control_plane.debug.page import Known
from lateen.control_plane.debug.pages import PAGES, page
from lateen.control_plane.publisher import Publisher
from lateen.model.mesh import Mesh
from lateen.sources.handover import Page
from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER

REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "key", "namespace": "default"},
    "stringData": {"tls.key": "very secret"},
}


class Asked:
    """The pages of one control plane."""

    def __init__(self) -> None:
        self.store = ConfigStore()
        self.publisher = Publisher(Mesh())
        self.publisher.ready = True

    async def apply(self, *objects: dict[str, Any]) -> None:
        self.publisher.apply(self.store.apply([typed(raw) for raw in objects]))
        await self.publisher.settled()

    async def page(self, path: str, query: str = "") -> Page:
        return await page(Known(self.publisher, self.store), f"/debug/{path}", query)

    async def json(self, path: str, query: str = "") -> Any:
        found = await self.page(path, query)
        assert (found.status, found.content_type) == (200, "application/json"), found
        return json.loads(found.text)


@pytest.fixture
async def mesh() -> AsyncIterator[Asked]:
    found = Asked()
    running = asyncio.create_task(found.publisher.run())
    await found.apply(
        service("reviews"),
        service("ratings", "other", ports=[{"name": "tcp", "port": 7000}]),
        pod("reviews-1", "198.18.0.9", app="reviews"),
        endpoint_slice("reviews", pods=[("reviews-1", "198.18.0.9")]),
        destination_rule("reviews", subsets=["v1"]),
        SECRET,
    )
    proxies = [Client(found.publisher, "web-1"), Client(found.publisher, "db-0", "other")]
    for proxy in proxies:
        proxy.ask(CLUSTER)
        proxy.ask(ENDPOINT, REVIEWS)
        await found.publisher.settled()
        proxy.accept()
    yield found
    for proxy in proxies:
        proxy.leave()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_every_page_that_is_listed_answers(mesh: Asked) -> None:
    listed = await mesh.json("list")
    assert len(listed) == len(PAGES)
    for path in listed:
        assert (await mesh.page(path.removeprefix("/debug/"), "proxyID=web-1.default")).status == 200, path


async def test_the_index_has_every_page(mesh: Asked) -> None:
    index = await mesh.page("")
    assert index.content_type.startswith("text/html")
    for name, entry in PAGES.items():
        assert f'href="/debug/{name}"' in index.text
        assert entry.sentence in index.text


async def test_configz_has_objects_as_kubernetes_writes_them(mesh: Asked) -> None:
    found = await mesh.json("configz")
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [
        ("Pod", "reviews-1"),
        ("Secret", "key"),
        ("Service", "reviews"),
        ("Service", "ratings"),
        ("EndpointSlice", "reviews"),
        ("DestinationRule", "reviews"),
    ]
    assert found[-1] == {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]},
    }


async def test_configz_shows_no_keys(mesh: Asked) -> None:
    found = await mesh.page("configz", "kind=secret")
    assert json.loads(found.text)[0]["data"] == {"tls.key": "(11 bytes, not shown)"}
    assert "very secret" not in found.text
    assert "dmVyeSBzZWNyZXQ" not in found.text


@pytest.mark.parametrize("kind", ["DestinationRule", "destinationrules", "dr"])
async def test_configz_of_a_kind_by_any_of_its_names(mesh: Asked, kind: str) -> None:
    assert [each["kind"] for each in await mesh.json("configz", f"kind={kind}")] == ["DestinationRule"]


async def test_registryz_has_services_by_host_name(mesh: Asked) -> None:
    ratings, reviews = await mesh.json("registryz")
    assert reviews["hostname"] == "reviews.default.svc.cluster.local"
    assert reviews["ports"] == [{"name": "http", "port": 9080, "protocol": "HTTP"}]
    assert ratings["Attributes"] == {"ServiceRegistry": "Kubernetes", "Name": "ratings", "Namespace": "other"}


@pytest.mark.parametrize("name", ["endpointShardz", "endpointz"])
async def test_endpoints_by_service_namespace_and_shard(mesh: Asked, name: str) -> None:
    found = await mesh.json(name)
    (endpoint,) = found["reviews.default.svc.cluster.local"]["default"]["Shards"]["Kubernetes/Kubernetes"]
    assert endpoint["Addresses"] == ["198.18.0.9"]
    assert (endpoint["EndpointPort"], endpoint["ServicePortName"]) == (9080, "http")
    assert endpoint["HealthStatus"] == "HEALTHY"
    assert found["ratings.other.svc.cluster.local"]["other"]["Shards"] == {"Kubernetes/Kubernetes": []}


async def test_syncz_of_a_namespace(mesh: Asked) -> None:
    assert [each["proxy"] for each in await mesh.json("syncz")] == ["db-0.other", "web-1.default"]
    (web,) = await mesh.json("syncz", "namespace=default")
    assert web["proxy"] == "web-1.default"
    assert web["cluster_sent"] == web["cluster_acked"] == "1"
    assert web["resources"][ENDPOINT]["synced"]


async def test_connections_and_what_they_ask_for(mesh: Asked) -> None:
    found = await mesh.json("adsz")
    assert found["totalClients"] == 2
    assert found["clients"][0]["connectionId"] == "web-1.default-1"
    assert found["clients"][0]["address"] == "unix (pid 7, uid 1337)"
    assert found["clients"][0]["watches"] == {CLUSTER: ["*"], ENDPOINT: [REVIEWS]}
    brief = await mesh.json("connections")
    assert [each["connectionId"] for each in brief["clients"]] == ["web-1.default-1", "db-0.other-2"]


async def test_a_configuration_dump_reads_like_one_of_envoy(mesh: Asked) -> None:
    found = await mesh.json("config_dump", "proxyID=web-1.default&include_eds")
    assert [part["@type"].rpartition(".")[2] for part in found["configs"]] == [
        "ClustersConfigDump",
        "ListenersConfigDump",
        "RoutesConfigDump",
        "EndpointsConfigDump",
    ]
    offered = {each["name"]: each for each in dump.clusters(found)}
    assert ("reviews.default.svc.cluster.local", "9080", "-", "outbound", "EDS", "reviews.default") in [
        tuple(row) for row in clusters.rows([offered[REVIEWS]])
    ]
    assert offered[REVIEWS]["@type"] == CLUSTER
    assert {"virtualInbound", "virtualOutbound", "0.0.0.0_9080"} <= {each["name"] for each in dump.listeners(found)}
    assert "9080" in [each["name"] for each in dump.routes(found)]
    assert REVIEWS in [each["cluster_name"] for each in dump.endpoints(found)]


@pytest.mark.parametrize("types", ["lds,cds", "LDS,CDS", f"{LISTENER},{CLUSTER}"])
async def test_a_dump_of_some_types(mesh: Asked, types: str) -> None:
    found = await mesh.json("config_dump", f"proxyID=web-1.default&types={types}")
    assert [part["@type"].rpartition(".")[2] for part in found["configs"]] == [
        "ClustersConfigDump",
        "ListenersConfigDump",
    ]


async def test_endpoints_are_not_dumped_unless_asked_for(mesh: Asked) -> None:
    found = await mesh.json("config_dump", "proxyID=web-1.default")
    assert "EndpointsConfigDump" not in json.dumps(found)
    assert [each["cluster_name"] for each in await mesh.json("edsz", "proxyID=web-1.default")] == [
        "outbound|7000||ratings.other.svc.cluster.local",
        "outbound|9080|v1|reviews.default.svc.cluster.local",
        REVIEWS,
    ]


async def test_what_is_wrong_is_listed_by_code_and_place(mesh: Asked) -> None:
    assert await mesh.json("push_status") == {}
    wrong = virtual_service("reviews", [{"route": [{"destination": {"host": "nobody"}}]}])
    proxy = Client(mesh.publisher, "other-1")
    proxy.ask(CLUSTER)
    await mesh.apply(wrong)
    found = await mesh.json("push_status")
    (place,) = found["unknown-host"]
    assert place == "VirtualService default/reviews spec.http[0].route[0].destination.host"
    assert "nobody" in found["unknown-host"][place]["message"]
    await mesh.publisher.settled()
    proxy.accept()
    await mesh.apply(destination_rule("reviews", subsets=["v2"]))
    proxy.accept("Error adding/updating cluster(s) outbound|9080|v2|reviews.default.svc.cluster.local: no such thing")
    assert "no such thing" in json.dumps((await mesh.json("push_status"))["refused"])
    proxy.leave()


@pytest.mark.parametrize(
    ("path", "query", "status", "told"),
    [
        ("configs", "", 404, "there is no page /debug/configs; did you mean /debug/configz?"),
        ("nothing/at/all", "", 404, "/debug lists those that there are"),
        ("configz", "kind=DestinationRules2", 400, "did you mean DestinationRule?"),
        ("configz", "kind=xyz", 400, "there are Namespace, "),
        ("config_dump", "", 400, "?proxyID=POD.NAMESPACE; connected are: db-0.other, web-1.default"),
        ("config_dump", "proxyID=web-2.default", 404, "no proxy 'web-2.default'; did you mean web-1.default?"),
        ("edsz", "proxyID=zzz", 404, "no proxy 'zzz'; connected are: db-0.other, web-1.default"),
        ("config_dump", "proxyID=web-1.default&types=lds,xds", 400, "types: 'xds' is not one of cds, lds, rds, eds"),
        ("config_dump", "proxyID=web-1.default&types=sds", 400, "types: 'sds' is not one of"),
    ],
)
async def test_what_there_is_not_says_what_there_is(mesh: Asked, path: str, query: str, status: int, told: str) -> None:
    found = await mesh.page(path, query)
    assert found.status == status
    assert told in found.text


async def test_pretty_indents_and_means_the_same(mesh: Asked) -> None:
    plain, pretty = await mesh.page("registryz"), await mesh.page("registryz", "pretty")
    assert plain.text.count("\n") == 1
    assert pretty.text.startswith('[\n  {\n    "Attributes"')
    assert json.loads(plain.text) == json.loads(pretty.text)


async def test_the_settings_of_the_mesh(mesh: Asked) -> None:
    assert await mesh.json("mesh") == {}
    await mesh.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": "accessLogFile: /dev/stdout\n"},
        }
    )
    assert await mesh.json("mesh") == {"accessLogFile": "/dev/stdout"}
