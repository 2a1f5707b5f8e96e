"""The injection webhook over TLS, in the test's own process: reviews, bad input, overload."""

import asyncio
import io
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from support.admission_reviews import UID, admitted, patch_of, refusal_of, review_of
from support.certificates import make_certificate

from lateen.config.store import ConfigStore
from lateen.control_plane import webhook_server
from lateen.control_plane.certificates import ServerCertificate
from lateen.control_plane.injector import Injector
from lateen.control_plane.settings import Injection, TlsFiles
from lateen.control_plane.webhook_server import MOST_REVIEWS, WebhookServer
from lateen.inject.admission import Outcome
from lateen.xds.listening import TcpAddress

POD: dict[str, Any] = {
    "metadata": {"generateName": "web-", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app", "image": "app:1"}]},
}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(*make_certificate(tmp_path_factory.mktemp("pki")))


@pytest.fixture
def injector() -> Injector:
    injector, store = Injector(Injection()), ConfigStore()
    injector.follow(store, store.apply([]))
    return injector


class Client:
    """Asks one server, over TLS that is verified."""

    def __init__(self, session: aiohttp.ClientSession, server: WebhookServer) -> None:
        self.session = session
        self.server = server

    async def post(self, body: bytes | dict[str, Any], path: str = "/inject", **options: Any) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(path, data=data, headers=JSON, **options) as answer:
            return answer.status, await answer.read()

    async def review(self, pod: object = POD, path: str = "/inject", **request: Any) -> bytes:
        status, body = await self.post(review_of(pod, **request), path)
        assert status == 200
        return body


@pytest.fixture
async def client(injector: Injector, files: TlsFiles) -> AsyncIterator[Client]:
    server = WebhookServer(injector, lambda: True, body_within_s=0.5)
    listener = await server.listen(TcpAddress("127.0.0.1", 0), ServerCertificate(files).for_anyone())
    trust = ssl.create_default_context(cafile=files.certificate)
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    async with aiohttp.ClientSession(f"https://localhost:{listener.port}", connector=connector) as session:
        yield Client(session, server)
    await server.close()


async def test_a_pod_is_answered_with_a_patch_that_brings_the_proxy(client: Client, injector: Injector) -> None:
    answer = await client.review()
    assert json.loads(answer)["apiVersion"] == "admission.k8s.io/v1"
    assert json.loads(answer)["response"]["uid"] == UID
    pod = admitted(POD, answer)
    assert [each["name"] for each in pod["spec"]["containers"]] == ["app", "istio-proxy"]
    assert "namespace" not in pod["metadata"]
    assert (injector.counts.requests, injector.counts.outcomes[Outcome.INJECTED]) == (1, 1)
    assert sum(injector.counts.seconds.counts) == 1


async def test_an_older_review_is_answered_in_its_version(client: Client) -> None:
    status, answer = await client.post({**review_of(POD), "apiVersion": "admission.k8s.io/v1beta1"})
    assert (status, json.loads(answer)["apiVersion"]) == (200, "admission.k8s.io/v1beta1")
    assert patch_of(answer)


async def test_a_pod_that_is_not_to_be_injected_is_let_through_as_it_is(client: Client, injector: Injector) -> None:
    pod = {**POD, "metadata": {"labels": {"sidecar.istio.io/inject": "false"}}}
    assert json.loads(await client.review(pod))["response"] == {"uid": UID, "allowed": True}
    assert json.loads(await client.review(namespace="kube-system"))["response"] == {"uid": UID, "allowed": True}
    assert injector.counts.outcomes[Outcome.SKIPPED] == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/inject/cluster/east/net/blue", {"ISTIO_META_CLUSTER_ID": "east", "ISTIO_META_NETWORK": "blue"}),
        ("/inject/cluster/a--slash--b/zone/1/odd", {"ISTIO_META_CLUSTER_ID": "a/b", "ZONE": "1"}),
        (
            "/inject/:ENV:cluster=a/b:ENV:net=n:ENV:=x:ENV:y",
            {"ISTIO_META_CLUSTER_ID": "a/b", "ISTIO_META_NETWORK": "n"},
        ),
    ],
)
async def test_the_path_names_the_proxys_cluster_and_network(
    client: Client, path: str, expected: dict[str, str]
) -> None:
    pod = admitted(POD, await client.review(path=path))
    (proxy,) = (each for each in pod["spec"]["containers"] if each["name"] == "istio-proxy")
    assert {each["name"]: each.get("value") for each in proxy["env"][-len(expected) :]} == expected
    assert pod["metadata"]["labels"].get("topology.istio.io/network") == expected.get("ISTIO_META_NETWORK")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no json", "the body is not JSON"),
        (b"\xff{}", "the body is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        ([], "must be an AdmissionReview"),
        ({"kind": "Pod", "apiVersion": "v1"}, "must be an AdmissionReview"),
        ({**review_of(POD), "apiVersion": "admission.k8s.io/v2"}, "'admission.k8s.io/v2' is not understood"),
        ({**review_of(POD), "apiVersion": 1}, "1 is not understood"),
        ({**review_of(POD), "request": None}, "has no request"),
        (review_of(None), "the request has no object"),
        (review_of({}, kind={"group": "apps", "version": "v1", "kind": "Deployment"}), "only pods are injected"),
        (review_of({**POD, "metadata": {"name": 1}}), "metadata.name: expected a text, not 1"),
        (review_of({**POD, "metadata": []}), "metadata: expected an object"),
        (
            review_of({"spec": {"containers": [{"name": "a", "env": "x"}]}}),
            "spec.containers[0].env: expected a list, not 'x'",
        ),
        (
            review_of({**POD, "metadata": {"annotations": {"proxy.istio.io/config": "{"}}}),
            "annotation proxy.istio.io/config",
        ),
        (
            review_of({**POD, "metadata": {"annotations": {"sidecar.istio.io/interceptionMode": "x"}}}),
            "invalid value 'x' for annotation 'sidecar.istio.io/interceptionMode'",
        ),
    ],
)
async def test_what_cannot_be_injected_is_refused_in_words(
    client: Client, injector: Injector, body: Any, said: str
) -> None:
    status, answer = await client.post(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert status == 200
    assert said in refusal_of(answer)
    request = body.get("request") if isinstance(body, dict) and "not understood" not in said else None
    assert json.loads(answer)["response"]["uid"] == (UID if request else "")
    assert injector.counts.outcomes[Outcome.FAILED] == 1


async def test_requests_that_are_no_reviews_have_a_status_that_says_so(client: Client, injector: Injector) -> None:
    assert await client.post(b"") == (400, b"no body found\n")
    async with client.session.post("/inject", data=io.BytesIO(b" " * 5_000_000), headers=JSON) as answer:
        assert answer.status == 413
    async with client.session.post("/inject", data=b"{}", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415
    async with client.session.get("/inject") as answer:
        assert answer.status == 405
    async with client.session.post("/elsewhere") as answer:
        assert answer.status == 404
    assert injector.counts.outcomes == {Outcome.FAILED: 3}
    assert sum(injector.counts.seconds.counts) == 0


async def test_a_body_that_does_not_come_is_not_waited_for(client: Client) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with client.session.post("/inject", data=never(), headers=JSON) as answer:
        assert answer.status == 408


@pytest.fixture
def held(injector: Injector, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set to let reviews go on."""
    go, plain = threading.Event(), injector.review

    def waiting(*arguments: Any) -> bytes:
        go.wait(20)
        return plain(*arguments)

    monkeypatch.setattr(injector, "review", waiting)
    yield go
    go.set()


async def test_too_many_at_once_are_turned_away_and_the_others_answered(
    client: Client, injector: Injector, held: threading.Event
) -> None:
    waiting = [asyncio.create_task(client.post(review_of(POD))) for _ in range(MOST_REVIEWS)]
    for _ in range(1000):
        if client.server.under_way == MOST_REVIEWS:
            break
        await asyncio.sleep(0.01)
    async with client.session.post("/inject", data=b"{}", headers=JSON) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    async with client.session.get("/ready") as answer:
        assert answer.status == 200  # served meanwhile
    held.set()
    assert {status for status, _ in await asyncio.gather(*waiting)} == {200}
    assert (injector.counts.requests, injector.counts.turned_away) == (MOST_REVIEWS, 1)
    assert patch_of(await client.review())


async def test_a_bug_is_an_answer_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lateen.inject.admission.inject", broken)
    assert "because of a bug in lateen" in refusal_of(await client.review())


async def test_without_its_settings_it_refuses_every_pod(client: Client) -> None:
    client.server._injector = Injector(Injection())
    assert "settings are not known yet" in refusal_of(await client.review())


def test_limits_are_what_the_pages_say() -> None:
    assert (webhook_server.MOST_BYTES, webhook_server.MOST_REVIEWS, webhook_server.BODY_WITHIN_S) == (4 << 20, 64, 10)
