"""Bookinfo through real Envoys: upstream's manifests and routing files as they are, and our own."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from math import sqrt
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from support.local_mesh import Answer, LocalMesh, eventually

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
Weights = Mapping[str, int]
"""Per cent of requests by version of reviews."""

OURS = Path(__file__).parents[2] / "examples" / "bookinfo"
UPSTREAM = Path(__file__).parents[3] / "shared" / "conformance" / "samples" / "bookinfo"

ANY_VERSION = {"v1", "v2", "v3"}
COUNTED = 200
SIGMAS = 6.5
"""How far from the mean a count may lie: beyond that chance comes once in ten thousand million."""

VERSION = re.compile(r"Reviews <span[^>]*>(v\d)</span>")
REQUEST_ID = re.compile(r'"([0-9a-f]{8}-[0-9a-f-]{27})"')


def version_on(page: Answer) -> str:
    """Which version of reviews a product page shows."""
    assert page.status == 200, page.text
    found = VERSION.search(page.text)
    assert found is not None, page.text
    return found[1]


def sign_in(mesh: LocalMesh, user: str) -> dict[str, str]:
    """Sign in as the page's form does; the header that a browser sends from then on."""
    form = urlencode({"username": user, "passwd": "any"})
    answer = mesh.request("/login", "POST", form, {"content-type": "application/x-www-form-urlencoded"})
    assert answer.status == 302, answer.text
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def counted(mesh: LocalMesh, requests: int, headers: Mapping[str, str]) -> Counter[str]:
    """Which version of reviews answers how often, asked over four connections through gateway and productpage."""

    def ask(share: int) -> Counter[str]:
        connection = HTTPConnection("127.0.0.1", mesh.port, timeout=10)
        found: Counter[str] = Counter()
        for _ in range(share):
            connection.request("GET", "/api/v1/products/0/reviews", headers=dict(headers))
            answer = connection.getresponse()
            body = answer.read()
            found[json.loads(body)["version"] if answer.status == 200 else f"HTTP {answer.status}"] += 1
        connection.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(ask, [requests // 4] * 4), Counter())


def check_versions(mesh: LocalMesh, weights: Weights, user: str = "") -> None:
    """Wait until no other version answers, then hold what answers against the weights."""
    headers = sign_in(mesh, user) if user else {}
    eventually(lambda: counted(mesh, 20, headers).keys() <= weights.keys())
    if len(weights) == 1:
        assert counted(mesh, 40, headers).keys() == weights.keys()
        return
    found = counted(mesh, COUNTED, headers)
    assert found.keys() == weights.keys(), found
    for version, weight in weights.items():
        mean = COUNTED * weight / 100
        assert abs(found[version] - mean) < SIGMAS * sqrt(mean * (1 - weight / 100)), found


def planned_weights(mesh: LocalMesh) -> list[dict[str, int]]:
    """What productpage's Envoy has as routes to reviews, in order: subsets and their weights."""
    dump = mesh.envoy("productpage", "/config_dump?resource=dynamic_route_configs")["configs"]
    (found,) = (each["route_config"] for each in dump if each["route_config"]["name"] == "9080")
    (host,) = (each for each in found["virtual_hosts"] if each["name"] == "reviews.default.svc.cluster.local:9080")
    return [dict(_shares(route["route"])) for route in host["routes"]]


def _shares(action: Json) -> Iterator[tuple[str, int]]:
    if "cluster" in action:
        yield action["cluster"].split("|")[2], 100
    for each in action.get("weighted_clusters", {}).get("clusters", []):
        yield each["name"].split("|")[2], each["weight"]


def follow(mesh: LocalMesh, path: str, wanted: Weights) -> None:
    """Find one request of the page in the access logs of the gateway, and of both ends of every call that it makes."""
    (version,) = wanted
    assert version_on(mesh.request(path)) == version

    def lines_of(pod: str, namespace: str = "default") -> list[str]:
        return mesh.log(pod, "istio-proxy", namespace).splitlines()

    at_gateway = eventually(lambda: [line for line in lines_of("istio-ingress", "istio-system") if path in line])
    found = REQUEST_ID.search(at_gateway[0])
    assert found is not None, at_gateway
    request_id = found[1]
    assert " 200 - " in at_gateway[0]
    assert "outbound|9080||productpage.default.svc.cluster.local" in at_gateway[0]

    def line(pod: str, *words: str) -> str:
        """The one line of a sidecar that is about this request and has these words."""
        (only,) = eventually(
            lambda: [each for each in lines_of(pod) if request_id in each and all(word in each for word in words)]
        )
        return str(only)

    assert f'"GET {path} ' in line("productpage", "inbound|9080||")
    line("details", '"GET /details/0 ', "inbound|9080||")
    line("productpage", '"GET /details/0 ', "outbound|9080|")
    out = line("productpage", '"GET /reviews/0 ', f"outbound|9080|{version}|reviews.default.svc.cluster.local")
    into = line(f"reviews-{version}", '"GET /reviews/0 ', "inbound|9080||")
    # `cluster, upstream local, downstream local, downstream remote`: one connection, named from both of its ends.
    assert out.split()[-5] == into.split()[-3]
    assert f'"{mesh.pod_ip(f"reviews-{version}")}:9080"' in out
    line(f"reviews-{version}", '"GET /ratings/0 ', "outbound|9080|")
    line("ratings", '"GET /ratings/0 ', "inbound|9080||")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Upstream's bookinfo, gateway and destination rules, in its own files."""
    if not UPSTREAM.is_dir():
        pytest.skip(f"upstream's samples are not at {UPSTREAM}")
    files = [
        UPSTREAM / "platform" / "kube" / "bookinfo.yaml",
        *(UPSTREAM / "networking" / f"{name}.yaml" for name in ("bookinfo-gateway", "destination-rule-all")),
    ]
    mesh = LocalMesh(tmp_path_factory.mktemp("upstream"), *files, images=[OURS / "images.yaml"])
    try:
        mesh.await_start()
        yield mesh
    finally:
        mesh.stop()


def test_upstreams_bookinfo_runs_as_it_is(upstream: LocalMesh) -> None:
    assert "Warning" not in upstream.shown()
    assert upstream.problems() == []
    assert "7 pods are ready" in upstream.shown()
    eventually(lambda: counted(upstream, 40, {}).keys() == ANY_VERSION)


@pytest.mark.parametrize(
    ("file", "weights", "for_jason"),
    [
        ("virtual-service-reviews-v3", {"v3": 100}, {"v3": 100}),
        ("virtual-service-reviews-80-20", {"v1": 80, "v2": 20}, None),
        ("virtual-service-reviews-90-10", {"v1": 90, "v2": 10}, None),
        ("virtual-service-reviews-50-v3", {"v1": 50, "v3": 50}, None),
        ("virtual-service-reviews-v2-v3", {"v2": 50, "v3": 50}, None),
        ("virtual-service-reviews-test-v2", {"v1": 100}, {"v2": 100}),
        ("virtual-service-reviews-jason-v2-v3", {"v3": 100}, {"v2": 100}),
        ("virtual-service-all-v1", {"v1": 100}, {"v1": 100}),
    ],
)
def test_upstreams_routing_does_what_its_name_says(
    upstream: LocalMesh, file: str, weights: Weights, for_jason: Weights | None
) -> None:
    upstream.told("apply", "-f", str(UPSTREAM / "networking" / f"{file}.yaml"))
    planned = [dict(weights)] if for_jason in (None, weights) else [dict(for_jason or {}), dict(weights)]
    eventually(lambda: planned_weights(upstream) == planned)
    check_versions(upstream, weights)
    if for_jason:
        check_versions(upstream, for_jason, "jason")
        (version,) = for_jason
        assert version_on(upstream.request("/productpage", headers=sign_in(upstream, "jason"))) == version
        (other,) = weights
        assert version_on(upstream.request("/productpage", headers=sign_in(upstream, "someone"))) == other


def test_upstreams_random_load_balancing_is_told_to_envoy(upstream: LocalMesh) -> None:
    upstream.told("apply", "-f", str(UPSTREAM / "networking" / "destination-rule-reviews.yaml"))

    def policies() -> set[str]:
        dump = upstream.envoy("productpage", "/config_dump?resource=dynamic_active_clusters")["configs"]
        found = [
            each["cluster"] for each in dump if each["cluster"]["name"].endswith("|reviews.default.svc.cluster.local")
        ]
        assert len(found) == 4
        return {each.get("lb_policy", "ROUND_ROBIN") for each in found}

    eventually(lambda: policies() == {"RANDOM"})
    check_versions(upstream, {"v1": 100})


def test_a_request_is_in_the_access_logs_of_all_its_sidecars(upstream: LocalMesh) -> None:
    upstream.told("apply", "-f", str(UPSTREAM / "networking" / "virtual-service-reviews-v3.yaml"))
    check_versions(upstream, {"v3": 100})
    follow(upstream, "/productpage?followed=upstream", {"v3": 100})


def test_no_proxy_has_refused_anything(upstream: LocalMesh) -> None:
    proxies = upstream.api.get("/debug/syncz")["items"]
    assert len(proxies) == 7
    for proxy in proxies:
        for type_url, found in proxy["resources"].items():
            assert found["synced"], (proxy["proxy"], type_url)
            assert "lastError" not in found
    assert upstream.problems() == []


def test_every_envoy_has_what_it_is_offered(upstream: LocalMesh) -> None:
    for proxy in upstream.api.get("/debug/connections")["clients"]:
        name = proxy["connectionId"].rpartition("-")[0]
        clusters, listeners, routes = upstream.told("proxy-status", name).splitlines()
        assert (clusters, listeners) == ("Clusters Match", "Listeners Match"), name
        assert routes.startswith("Routes Match (RDS last loaded at "), name


def test_our_bookinfo_follows_its_routing_files(mesh: LocalMesh) -> None:
    eventually(lambda: counted(mesh, 40, {}).keys() == ANY_VERSION)
    for file, weights, for_jason in (
        ("all-v1", {"v1": 100}, {"v1": 100}),
        ("80-20", {"v1": 80, "v2": 20}, None),
        ("by-user", {"v3": 100}, {"v2": 100}),
        ("all-v3", {"v3": 100}, {"v3": 100}),
    ):
        mesh.told("apply", "-f", str(OURS / "routing" / f"{file}.yaml"))
        check_versions(mesh, weights)
        if for_jason:
            check_versions(mesh, for_jason, "jason")
    follow(mesh, "/productpage?followed=ours", {"v3": 100})
    mesh.told("delete", "-f", str(OURS / "routing" / "all-v3.yaml"))
    eventually(lambda: counted(mesh, 40, {}).keys() == ANY_VERSION)


def test_the_page_is_served_with_all_that_belongs_to_it(mesh: LocalMesh) -> None:
    page = mesh.request("/productpage")
    assert page.status == 200
    assert page.headers["x-bookinfo-version"] == "productpage-v1"
    assert "are not available" not in page.text
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert links
    assert {mesh.request(link).status for link in links} == {200}
    assert "jason" in mesh.request("/productpage", headers=sign_in(mesh, "jason")).text
    assert mesh.request("/nothing-of-the-kind").status == 404


def test_the_demonstration_shows_every_version_and_two_switches(tmp_path: Path) -> None:
    # It leaves its mesh running; here in a PID namespace that ends with this test, whatever happens.
    enclosed = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")
    script = '"$@" && "$0" -P -m lateen.cli ps && "$0" -P -m lateen.cli down'
    argv = (*enclosed, "sh", "-c", script, sys.executable, sys.executable, str(OURS / "demo.py"))
    environment = {**os.environ, "LATEEN_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    answered = [set(re.findall(r"^  (v\d) ", part, re.M)) for part in done.stdout.split("reviews answered from")[1:]]
    assert answered == [ANY_VERSION, {"v3"}, {"v1", "v2"}]
    page = re.search(r"the page is (http://127\.0\.0\.1:\d+/productpage)", done.stdout)
    assert page is not None
    assert done.stdout.count(page[1]) >= 2
    assert re.search(r"productpage-v1-\S+ +2/2 +Running", done.stdout)
    assert done.stdout.endswith("the mesh is down\n")
