"""The local mesh as its users meet it: traffic, names, pods, files that are watched, commands."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.lab import NAMESPACE, UNDECLARED_PORT
from support.local_mesh import LocalMesh, eventually, write_manifest

from lateen.local_runtime.api.client import ApiClient

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NO_SUCH_NAME = -2  # EAI_NONAME: the name does not exist, unlike EAI_AGAIN, after which programs retry


def call(mesh: LocalMesh, url: str, pod: str = "caller", **query: str) -> Json:
    """What a program in a pod of the lab gets for a URL; the answer of the echo service is under `seen`."""
    got = mesh.inside(pod, 8080, "/call", NAMESPACE, url=url, **query)
    if got["status"] == 200 and got["text"].startswith("{"):
        got["seen"] = json.loads(got["text"])
    return got


def logged(mesh: LocalMesh, pod: str, *words: str) -> str:
    """The last line with these words in the access log of a pod of the lab."""

    def found() -> str:
        lines = mesh.log(pod, "istio-proxy", NAMESPACE).splitlines()
        return next((line for line in reversed(lines) if all(word in line for word in words)), "")

    return eventually(found)


def shell(mesh: LocalMesh, script: str, pod: str = "caller", container: str = "app") -> str:
    """What a shell in a container of the lab writes."""
    return mesh.told("exec", "-n", NAMESPACE, pod, "-c", container, "--", "sh", "-c", script)


# Traffic


def test_a_call_goes_through_both_envoys(mesh: LocalMesh) -> None:
    seen = call(mesh, "http://echo/both")["seen"]
    assert seen["client"] == "127.0.0.6", "an inbound Envoy calls its application from there"
    assert seen["headers"]["x-envoy-attempt-count"] == "1"
    request_id = seen["headers"]["x-request-id"]
    out = logged(mesh, "caller", request_id)
    into = logged(mesh, "echo", request_id)
    assert "outbound|80||echo.lab.svc.cluster.local" in out
    assert f'"{mesh.pod_ip("echo", NAMESPACE)}:8080"' in out, "the Service's port leads to the container's"
    assert "inbound|8080||" in into
    assert out.split()[-5] == into.split()[-3], "one connection, named from both of its ends"


def test_applications_run_as_an_ordinary_user_without_capabilities(mesh: LocalMesh) -> None:
    assert call(mesh, "http://echo/")["seen"]["uid"] == 1000
    status = dict(line.split(":\t") for line in shell(mesh, "cat /proc/self/status").splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1000"] * 4
    assert {status[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0000000000000000"}
    assert status["NoNewPrivs"] == "1"
    assert mesh.run("exec", "-n", NAMESPACE, "caller", "--", "ip", "link", "set", "lo", "down").returncode != 0


def test_a_pod_is_called_by_its_address(mesh: LocalMesh) -> None:
    address = mesh.pod_ip("echo", NAMESPACE)
    seen = call(mesh, f"http://{address}:8080/by-address")["seen"]
    assert seen["client"] == "127.0.0.6"
    assert "PassthroughCluster" in logged(mesh, "caller", "/by-address", "8080")
    assert "inbound|8080||" in logged(mesh, "echo", "/by-address")


def test_a_port_that_nobody_declared_is_passed_through_at_both_ends(mesh: LocalMesh) -> None:
    address = mesh.pod_ip("echo", NAMESPACE)
    seen = call(mesh, f"http://{address}:{UNDECLARED_PORT}/undeclared")["seen"]
    assert seen["port"] == UNDECLARED_PORT
    assert seen["client"] == "127.0.0.6"
    assert "x-request-id" not in seen["headers"], "plain TCP is not touched"
    assert f"{address}:{UNDECLARED_PORT}" in logged(mesh, "caller", " PassthroughCluster ", f":{UNDECLARED_PORT} ")
    assert "InboundPassthroughCluster" in logged(mesh, "echo", f"{address}:{UNDECLARED_PORT}")


def test_a_port_declared_as_tcp_is_balanced_but_not_read(mesh: LocalMesh) -> None:
    seen = call(mesh, "http://echo:9000/raw")["seen"]
    assert seen["port"] == 8082
    assert "x-request-id" not in seen["headers"]
    assert "outbound|9000||echo.lab.svc.cluster.local" in logged(mesh, "caller", "outbound|9000|")
    assert "inbound|8082||" in logged(mesh, "echo", "inbound|8082||")


def test_a_pod_calls_its_own_service(mesh: LocalMesh) -> None:
    seen = call(mesh, "http://caller/own")["seen"]
    assert seen["pod"] == mesh.pod_name("caller", NAMESPACE)
    assert seen["client"] == "127.0.0.6"
    assert "outbound|80||caller.lab.svc.cluster.local" in logged(mesh, "caller", "/own", "outbound")
    assert "inbound|8080||" in logged(mesh, "caller", "/own", "inbound")


def test_a_pod_calls_itself_without_its_envoy(mesh: LocalMesh) -> None:
    for host in ("127.0.0.1", mesh.pod_ip("caller", NAMESPACE)):
        seen = call(mesh, f"http://{host}:8080/self")["seen"]
        assert "x-request-id" not in seen["headers"]
        assert seen["client"] == host


def test_destinations_that_the_mesh_does_not_know_pass_through(mesh: LocalMesh) -> None:
    address = mesh.pod_ip("bare", NAMESPACE)
    seen = call(mesh, f"http://{address}:8080/unknown")["seen"]
    assert seen["client"] == mesh.pod_ip("caller", NAMESPACE)
    assert f'"{address}:8080"' in logged(mesh, "caller", "/unknown", "PassthroughCluster")
    # With the name of a host that the mesh does not know either.
    assert call(mesh, f"http://{address}:8080/unknown", host="example.com")["seen"]["headers"]["host"] == "example.com"


def test_a_pod_without_a_sidecar_calls_and_is_called(mesh: LocalMesh) -> None:
    assert [each["name"] for each in mesh.pod("plain", NAMESPACE)["spec"]["containers"]] == ["app"]
    seen = call(mesh, "http://echo/from-plain", pod="plain")["seen"]
    assert seen["client"] == "127.0.0.6", "the sidecar of the one that is called is there all the same"
    assert "inbound|8080||" in logged(mesh, "echo", "/from-plain")
    assert call(mesh, "http://echo:9000/from-plain", pod="plain")["seen"]["port"] == 8082
    seen = call(mesh, "http://plain/to-plain")["seen"]
    assert seen["client"] == mesh.pod_ip("caller", NAMESPACE)
    assert "outbound|80||plain.lab.svc.cluster.local" in logged(mesh, "caller", "/to-plain")


def test_a_program_of_another_uid_is_intercepted_and_envoy_is_not(mesh: LocalMesh) -> None:
    answer = "import urllib.request as u; print(u.urlopen('http://echo/as-{}').read().decode())"
    python = ("exec", "-n", NAMESPACE, "caller")
    mesh.told(*python, "-c", "beside", "--", "/usr/bin/python3", "-c", answer.format("2002"))
    assert "outbound|80|" in logged(mesh, "caller", "/as-2002", "outbound")
    direct = mesh.told(*python, "-c", "istio-proxy", "--", "/usr/bin/python3", "-c", answer.format("1337"))
    assert json.loads(direct)["client"] == "127.0.0.6"
    assert "/as-1337" in logged(mesh, "echo", "/as-1337", "inbound")
    assert "/as-1337" not in mesh.log("caller", "istio-proxy", NAMESPACE)


# Names


def test_names_short_medium_and_long(mesh: LocalMesh) -> None:
    def resolve(name: str) -> Json:
        return mesh.inside("caller", 8080, "/resolve", NAMESPACE, name=name)

    vip = mesh.api.get("/api/v1/namespaces/lab/services/echo")["spec"]["clusterIP"]
    assert vip.startswith("198.19.")
    for name in ("echo", "echo.lab", "echo.lab.svc", "echo.lab.svc.cluster.local", "echo.lab.svc.cluster.local."):
        assert resolve(name) == {"addresses": [vip]}, name
    reviews = mesh.api.get("/api/v1/namespaces/default/services/reviews")["spec"]["clusterIP"]
    assert resolve("reviews.default") == {"addresses": [reviews]}
    assert resolve("echo-headless") == {"addresses": [mesh.pod_ip("echo", NAMESPACE)]}
    for name in ("reviews", "no-such-service", "no-such-service.lab.svc.cluster.local", "example.com"):
        missing = resolve(name)
        assert missing["error"] == NO_SUCH_NAME, name
        assert missing["seconds"] < 2
    assert resolve("caller.lab")["addresses"] != [vip]


def test_a_headless_service_is_called_by_name(mesh: LocalMesh) -> None:
    seen = call(mesh, "http://echo-headless:8080/headless")["seen"]
    assert seen["pod"] == mesh.pod_name("echo", NAMESPACE)
    assert seen["client"] == "127.0.0.6"


# Pods


def test_init_containers_ran_in_order_each_as_its_user(mesh: LocalMesh) -> None:
    assert shell(mesh, "cat /var/data/notes/order") == "first 1000\nsecond 2001\n"
    names = [each["name"] for each in mesh.pod("caller", NAMESPACE)["status"]["initContainerStatuses"]]
    assert sorted(names) == ["first", "istio-init", "second"]


def test_environment_volumes_and_what_only_an_init_container_may_see(mesh: LocalMesh) -> None:
    address = mesh.pod_ip("caller", NAMESPACE)
    seen = shell(
        mesh, "echo $GREETING $TOKEN $URL; cat /var/data/notes/token; ls /etc/key 2>&1 || echo hidden; cat /etc/hosts"
    )
    first, second, third, *hosts = seen.splitlines()
    assert first == f"hello s3cret http://{address}:8080"
    assert second.startswith("s3cret")
    assert "hidden" in (second, third, *hosts)
    assert any(address in line and mesh.pod_name("caller", NAMESPACE) in line for line in hosts)


def test_containers_share_volumes_and_not_their_files(mesh: LocalMesh) -> None:
    shell(mesh, "echo from-app > /tmp/mine; echo from-app > /var/data/notes/shared")
    assert shell(mesh, "cat /var/data/notes/shared; id -u", container="beside") == "from-app\n2002\n"
    assert "mine" not in shell(mesh, "ls /tmp", container="beside").split()
    assert not Path("/tmp/mine").exists()
    refused = mesh.run(
        "exec", "-n", NAMESPACE, "caller", "-c", "beside", "--", "sh", "-c", "echo > /var/data/notes/shared"
    )
    assert "Permission denied" in refused.stderr


def test_a_pods_processes_are_its_own(mesh: LocalMesh) -> None:
    listed = shell(mesh, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done")
    assert "echo_service.py" in listed
    assert "productpage.py" not in listed
    assert "supervise" not in listed


# Files that are watched

ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lab-route, namespace: lab}
spec:
  hosts: [echo]
  http:
  - route: [{destination: {host: %s}}]
    headers: {response: {set: {x-routed: "%s"}}}
"""


def routed(mesh: LocalMesh) -> str | None:
    """The mark that the VirtualService of the test puts on answers."""
    found = call(mesh, "http://echo/routed")
    assert found["status"] == 200
    return dict(found["headers"]).get("x-routed")


def test_what_analysis_finds_in_the_manifests_is_told_in_short(mesh: LocalMesh) -> None:
    (told,) = eventually(lambda: [problem for problem in mesh.problems() if "[LTN0001]" in problem])
    assert "lab.yaml" in told
    assert "Deployment lab/bare: spec.template.metadata.labels: Deployment bare belongs to no Service" in told
    eventually(lambda: f"Warning: {told}" in mesh.shown())


def test_the_running_mesh_can_be_analyzed(mesh: LocalMesh) -> None:
    found = json.loads(mesh.told("analyze", "-n", NAMESPACE, "-o", "json"))
    about = {(each["code"], each["origin"]) for each in found}
    assert ("LTN0001", "Deployment lab/bare") in about
    assert ("LTN0013", "Deployment lab/plain") in about
    assert not {code for code, _ in about} & {"LTN0010", "LTN0011", "LTN0012", "IST0001"}


def test_an_edited_file_changes_routing_and_a_wrong_edit_does_not(mesh: LocalMesh) -> None:
    file = mesh.directory / "manifests" / "route.yaml"

    def problems() -> list[str]:
        return [problem for problem in mesh.problems() if str(file) in problem]

    write_manifest(file, ROUTE % ("echo", "one"))
    eventually(lambda: routed(mesh) == "one")

    begun = time.monotonic()
    write_manifest(file, ROUTE % ("plain", "two"))
    eventually(lambda: routed(mesh) == "two")
    assert time.monotonic() - begun < 5, "an edit is meant to be in force in a moment"
    assert call(mesh, "http://echo/routed")["seen"]["pod"] == mesh.pod_name("plain", NAMESPACE)

    write_manifest(file, (ROUTE % ("echo", "three")).replace("headers:", "headerz:"))
    (problem,) = eventually(problems)
    assert problem.startswith(f"{file}:9: VirtualService lab/lab-route: ")
    assert "spec.http[0].headerz: unknown field; did you mean `headers`?" in problem
    eventually(lambda: problem in mesh.shown())
    assert routed(mesh) == "two"

    write_manifest(file, "spec: [")
    (problem,) = eventually(lambda: [each for each in problems() if "headerz" not in each])
    assert problem.startswith(f"{file}:")
    eventually(lambda: problem in mesh.shown())
    assert routed(mesh) == "two"

    write_manifest(file, ROUTE % ("echo", "four"))
    eventually(lambda: routed(mesh) == "four")
    assert problems() == []
    file.unlink()
    eventually(lambda: routed(mesh) is None)


def test_the_later_write_wins_whoever_writes(mesh: LocalMesh) -> None:
    file = write_manifest(mesh.directory / "manifests" / "route.yaml", ROUTE % ("echo", "file"))
    eventually(lambda: routed(mesh) == "file")
    mesh.told("apply", "-f", "-", given=ROUTE % ("echo", "applied"))
    eventually(lambda: routed(mesh) == "applied")
    write_manifest(file, ROUTE % ("echo", "file again"))
    eventually(lambda: routed(mesh) == "file again")
    assert "deleted" in mesh.told("delete", "-n", "lab", "virtualservice", "lab-route")
    eventually(lambda: routed(mesh) is None)
    refused = mesh.run("apply", "-f", "-", given=(ROUTE % ("echo", "x")).replace("hosts:", "host:"))
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: <stdin>:6: VirtualService lab/lab-route: spec.host: unknown field")
    file.unlink()


# Commands


def test_ps_shows_pods_and_sync_state(mesh: LocalMesh) -> None:
    def rows() -> dict[str, list[str]]:
        head, *lines = (re.split(r" {2,}", line) for line in mesh.told("ps").splitlines())
        assert head == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "IP", "SYNC", "AGE"]
        return {f"{line[0]}/{re.sub('-[a-z0-9]{10}-[a-z0-9]{5}$', '', line[1])}": line[2:7] for line in lines}

    found = rows()
    assert len(found) == 11
    assert found["lab/caller"] == ["3/3", "Running", "0", mesh.pod_ip("caller", NAMESPACE), "SYNCED"]
    assert found["lab/plain"] == ["1/1", "Running", "0", mesh.pod_ip("plain", NAMESPACE), "-"]
    assert found["istio-system/istio-ingressgateway"][0] == "1/1"
    only = mesh.told("ps", "-n", NAMESPACE, "-o", "json")
    assert {item["metadata"]["namespace"] for item in json.loads(only)["items"]} == {NAMESPACE}


def test_exec_passes_streams_and_exit_codes(mesh: LocalMesh) -> None:
    done = mesh.run(
        "exec", "-i", "-n", NAMESPACE, "caller", "--", "sh", "-c", "cat; echo no >&2; exit 42", given="yes\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (42, "yes\n", "no\n")
    assert mesh.run("exec", "-n", NAMESPACE, "caller", "--", "sh", "-c", "kill -9 $$").returncode == 137
    missing = mesh.run("exec", "-n", NAMESPACE, "caller", "--", "no-such-program")
    assert (missing.returncode, missing.stderr) == (
        1,
        'Error: exec: "no-such-program": executable file not found in $PATH\n',
    )
    nobody = mesh.run("exec", "nobody", "--", "true")
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("Error: there is no pod 'nobody'; there are ")
    unknown = mesh.run("exec", "-n", NAMESPACE, "caller", "-c", "wrong", "--", "true")
    assert "container wrong is not valid for pod" in unknown.stderr


def test_logs_follow_what_is_written(mesh: LocalMesh) -> None:
    with mesh.start("logs", "-f", "--tail", "0", "-n", NAMESPACE, "echo") as following:
        try:
            assert following.stdout is not None
            call(mesh, "http://echo/before")
            marks = [f"/followed-{number}" for number in range(3)]
            # The first may come before it follows.
            for mark in marks:
                call(mesh, f"http://echo{mark}")
            line = ""
            while marks[-1] not in line:
                call(mesh, f"http://echo{marks[-1]}")
                line = following.stdout.readline()
                assert line
        finally:
            following.kill()
    assert "200" in mesh.told("logs", "-n", NAMESPACE, "echo", "--tail", "1")
    of_proxy = ("logs", "-n", NAMESPACE, "deploy/echo", "-c", "istio-proxy")
    eventually(lambda: "/followed-0" in mesh.told(*of_proxy))


@pytest.mark.parametrize("kind", ["listener", "route", "cluster", "endpoint", "bootstrap"])
def test_proxy_config_as_json_and_yaml(mesh: LocalMesh, kind: str) -> None:
    as_json = json.loads(mesh.told("proxy-config", kind, "deploy/productpage-v1", "-o", "json"))
    as_yaml = yaml.load(mesh.told("proxy-config", kind, "deploy/productpage-v1", "-o", "yaml"), Loader=yaml.CSafeLoader)
    assert as_json
    if kind == "endpoint":  # with counters that move, in any order
        as_json, as_yaml = ({each["name"] for each in found} for found in (as_json, as_yaml))
    assert as_json == as_yaml


def test_proxy_config_tables(mesh: LocalMesh) -> None:
    def table(*words: str) -> str:
        return mesh.told("proxy-config", *words)

    listeners = table("listener", "deploy/productpage-v1", "--port", "9080")
    assert listeners.splitlines()[0].split() == ["ADDRESSES", "PORT", "MATCH", "DESTINATION"]
    assert "Route: 9080" in listeners
    assert "reviews.default.svc.cluster.local:9080" in table("route", "deploy/productpage-v1", "--name", "9080")
    found = table("cluster", "deploy/productpage-v1", "--fqdn", "reviews.default.svc.cluster.local", "--subset", "v2")
    assert found.splitlines()[1].split() == [
        "reviews.default.svc.cluster.local",
        "9080",
        "v2",
        "outbound",
        "EDS",
        "reviews.default",
    ]
    wanted = "outbound|9080|v3|reviews.default.svc.cluster.local"
    endpoint = table("endpoint", "deploy/productpage-v1", "--cluster", wanted).splitlines()[1].split()
    assert endpoint == [f"{mesh.pod_ip('reviews-v3')}:9080", "HEALTHY", "OK", wanted]


@pytest.mark.parametrize("pod", ["productpage-v1", "caller.lab", "istio-ingressgateway.istio-system"])
def test_translate_says_what_the_live_envoy_has(mesh: LocalMesh, pod: str) -> None:
    planned = json.loads(mesh.told("translate", str(mesh.directory / "manifests"), "--proxy", pod, "-o", "json"))
    name, _, namespace = pod.partition(".")
    live = {kind: set(_live_names(mesh, name, namespace or "default", kind)) for kind in ("clusters", "listeners")}
    clusters = {each["name"] for each in planned["clusters"]}
    assert clusters == live["clusters"]
    assert {each["name"] for each in planned["listeners"]} == live["listeners"]
    by_discovery = {each["name"] for each in planned["clusters"] if each.get("type") == "EDS"}
    assert {each["cluster_name"] for each in planned["endpoints"]} == by_discovery
    routes = set(_live_names(mesh, name, namespace or "default", "routes"))
    assert routes
    assert routes <= {each["name"] for each in planned["routes"]}, "Envoy asks only for those that its listeners name"


def _live_names(mesh: LocalMesh, pod: str, namespace: str, kind: str) -> Iterator[str]:
    sections = {
        "clusters": ("dynamic_active_clusters", "cluster"),
        "listeners": ("dynamic_listeners", "active_state"),
        "routes": ("dynamic_route_configs", "route_config"),
    }
    section, inner = sections[kind]
    for each in mesh.envoy(pod, f"/config_dump?resource={section}", namespace)["configs"]:
        yield each[inner]["listener"]["name"] if inner == "active_state" else each[inner]["name"]


# Ends


def test_a_killed_envoy_comes_back(mesh: LocalMesh) -> None:
    name = mesh.pod_name("caller", NAMESPACE)
    mesh.told("exec", "-n", NAMESPACE, "caller", "-c", "istio-proxy", "--", "sh", "-c", "kill -9 $(pidof envoy)")

    def restarted() -> bool:
        statuses = mesh.pod("caller", NAMESPACE)["status"]["containerStatuses"]
        (proxy,) = (each for each in statuses if each["name"] == "istio-proxy")
        return bool(proxy["restartCount"] == 1 and proxy["ready"])

    eventually(restarted)
    assert mesh.pod_name("caller", NAMESPACE) == name
    seen = eventually(lambda: call(mesh, "http://echo/after")["seen"])
    assert seen["client"] == "127.0.0.6"
    assert "outbound|80|" in logged(mesh, "caller", "/after")


def test_a_deleted_pod_finishes_what_it_has_begun(mesh: LocalMesh) -> None:
    old = mesh.pod_name("echo", NAMESPACE)
    caller = mesh.pod_name("caller", NAMESPACE)

    def ask() -> Json:
        api = ApiClient(mesh.api.path)
        query = {"url": "http://echo/slow?seconds=1.5"}
        found = api.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{caller}:8080/proxy/call", query)
        api.close()
        return found

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        eventually(lambda: "/slow" in mesh.log("echo", "app", NAMESPACE))
        assert mesh.told("delete", "-n", NAMESPACE, "pod", old) == f'pod "{old}" deleted\n'
        answer = asked.result()
    assert (answer["status"], answer["text"]) == (200, "begunended")

    def replaced() -> bool:
        (pod,) = mesh.pods("echo", NAMESPACE)
        return pod["metadata"]["name"] != old and all(each["ready"] for each in pod["status"]["containerStatuses"])

    eventually(replaced)
    eventually(lambda: call(mesh, "http://echo/replaced")["seen"]["pod"] == mesh.pod_name("echo", NAMESPACE))
