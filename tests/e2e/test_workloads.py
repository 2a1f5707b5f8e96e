"""Workloads of the local mesh on real namespaces: what keeps pods, restarts them, checks them and ends them."""

import sys
import time

import pytest
from support.local_mesh import LocalMesh, eventually, write_manifest

pytestmark = pytest.mark.e2e

PYTHON = sys.executable

SERVER = """
import http.server, os, ssl, sys, threading
from pathlib import Path
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = 200 if not Path("/tmp/broken").exists() else 500
        self.send_response(code); self.end_headers(); self.wfile.write(os.environ["HOSTNAME"].encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def container(name, *command, **more):
    return {"name": name, "image": "busybox", "command": list(command), **more}


def server(**more):
    return container("main", PYTHON, "-u", "-c", SERVER, ports=[{"name": "http", "containerPort": 8080}], **more)


def workload(kind, name, *containers, inject=False, annotations=None, pod=None, **spec):
    labels = {"app": name} if inject else {"app": name, "sidecar.istio.io/inject": "false"}
    template = {
        "metadata": {"labels": labels, "annotations": annotations or {}},
        "spec": {"terminationGracePeriodSeconds": 2, "containers": list(containers), **(pod or {})},
    }
    version = "batch/v1" if kind == "Job" else "apps/v1"
    selector = {} if kind == "Job" else {"selector": {"matchLabels": {"app": name}}}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {**selector, "template": template, **spec},
    }


def bare_pod(name, *containers, inject=False, annotations=None, **spec):
    labels = {"app": name} if inject else {"app": name, "sidecar.istio.io/inject": "false"}
    metadata = {"name": name, "labels": labels, "annotations": annotations or {}}
    spec = {"terminationGracePeriodSeconds": 2, "containers": list(containers), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(name, port=8080, **spec):
    ports = [{"name": "http", "port": port}]
    body = {"selector": {"app": name}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    directory = tmp_path_factory.mktemp("workloads")
    manifests = directory / "manifests"
    manifests.mkdir()
    running = LocalMesh(directory, manifests)
    eventually(lambda: running.api.get("/lateen/v1/info"))
    yield running
    running.stop()


@pytest.fixture
def apply(mesh):
    """Writes a file of manifests, again under the same name; what was written last is gone after the test."""
    path = mesh.directory / "manifests" / "test.yaml"

    def write(*objects):
        write_manifest(path, *objects)

    yield write
    path.unlink(missing_ok=True)
    eventually(lambda: not mesh.pods(""), seconds=8)


def ready(pod):
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def names(pods):
    return sorted(pod["metadata"]["name"] for pod in pods)


def all_ready(mesh, prefix, count):
    pods = [pod for pod in mesh.pods(prefix) if "deletionTimestamp" not in pod["metadata"]]
    return pods if len(pods) == count and all(map(ready, pods)) else None


def shell(mesh, pod, script, container="main"):
    done = mesh.run("exec", pod, "-c", container, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def status_of(pod, container):
    every = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    return next(each for each in every if each["name"] == container)


def endpoints(mesh, service):
    slices = mesh.api.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")["items"]
    mine = [s for s in slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == service]
    return [each for piece in mine for each in piece.get("endpoints") or ()]


def test_a_failed_liveness_probe_restarts_only_the_container(mesh, apply):
    probe = {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 1, "failureThreshold": 2}
    apply(bare_pod("alive", server(livenessProbe=probe), container("other", "sleep", "1000")))
    pod = eventually(lambda: all_ready(mesh, "alive", 1))[0]
    shell(mesh, "alive", "touch /tmp/broken")
    restarted = eventually(
        lambda: (p := mesh.pod("alive")) and status_of(p, "main")["restartCount"] == 1 and ready(p) and p
    )
    assert restarted["status"]["podIP"] == pod["status"]["podIP"]
    assert status_of(restarted, "other")["restartCount"] == 0
    ended = status_of(restarted, "main")["lastState"]["terminated"]
    assert ended["message"] == "liveness probe failed: HTTP status 500"
    assert not any("liveness probe failed" in text for text in mesh.problems())


GRPC = """
import sys
from concurrent import futures
import grpc
def check(request, context):
    sys.stdout.write("asked %r" % request); sys.stdout.flush()
    return b"\\x08\\x01" if request in (b"", b"\\x0a\\x02ok") else b"\\x08\\x02"
method = grpc.unary_unary_rpc_method_handler(check)
handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})
server = grpc.server(futures.ThreadPoolExecutor(2)); server.add_generic_rpc_handlers((handler,))
server.add_insecure_port("0.0.0.0:9000"); server.start(); server.wait_for_termination()
"""


@pytest.mark.parametrize("inject", [False, True])
def test_grpc_probes_ask_the_health_service(mesh, apply, inject):
    def grpc_server(name, service):
        probe = {"grpc": {"port": 9000, "service": service}, "periodSeconds": 1}
        return bare_pod(name, container("main", PYTHON, "-u", "-c", GRPC, readinessProbe=probe), inject=inject)

    apply(grpc_server("serving", "ok"), grpc_server("sick", "bad"))
    eventually(lambda: all_ready(mesh, "serving", 1))
    eventually(lambda: "asked" in mesh.log("sick", "main"))
    assert not status_of(mesh.pod("sick"), "main")["ready"]


TLS = """
import http.server, ssl, subprocess
files = ["-keyout", "/tmp/k", "-out", "/tmp/c"]
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, "-subj", "/CN=x"], check=True)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("/tmp/c", "/tmp/k")
server = http.server.HTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True); server.serve_forever()
"""


def test_https_probes_check_no_certificate(mesh, apply):
    probe = {"httpGet": {"port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1}
    apply(bare_pod("secure", container("main", PYTHON, "-c", TLS, readinessProbe=probe)))
    eventually(lambda: all_ready(mesh, "secure", 1))


def test_probes_of_an_injected_pod_go_through_its_agent(mesh, apply):
    http = {"httpGet": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    tcp = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    apply(bare_pod("injected", server(livenessProbe=http, readinessProbe=tcp, startupProbe=http), inject=True))
    eventually(lambda: all_ready(mesh, "injected", 1))
    shell(mesh, "injected", "touch /tmp/broken")
    eventually(lambda: status_of(mesh.pod("injected"), "main")["restartCount"] == 1 and ready(mesh.pod("injected")))
    assert status_of(mesh.pod("injected"), "istio-proxy")["restartCount"] == 0


def test_a_stateful_set_has_names_order_and_data_of_its_own(mesh, apply):
    def database(replicas, version="1"):
        main = server(volumeMounts=[{"name": "data", "mountPath": "/data"}], env=[{"name": "V", "value": version}])
        claims = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
        return workload("StatefulSet", "db", main, replicas=replicas, serviceName="db", volumeClaimTemplates=claims)

    headless = service("db", clusterIP="None")
    apply(headless, database(2))
    pods = eventually(lambda: all_ready(mesh, "db", 2))
    assert names(pods) == ["db-0", "db-1"]
    first, second = sorted(pods, key=lambda pod: pod["metadata"]["name"])
    started = status_of(first, "main")["state"]["running"]["startedAt"]
    assert started <= second["metadata"]["creationTimestamp"]
    assert shell(mesh, "db-1", "hostname -f; echo precious > /data/x") == "db-1.db.default.svc.cluster.local"
    other = second["status"]["podIP"]
    assert shell(mesh, "db-0", "getent hosts db-1.db.default.svc.cluster.local").split()[0] == other
    apply(headless, database(2, "2"))
    eventually(lambda: all(shell(mesh, f"db-{n}", "echo $V") == "2" for n in (0, 1)) and all_ready(mesh, "db", 2))
    assert shell(mesh, "db-1", "cat /data/x") == "precious"
    apply(headless, database(1, "2"))
    eventually(lambda: names(mesh.pods("db")) == ["db-0"])
    apply(headless, database(2, "2"))
    eventually(lambda: all_ready(mesh, "db", 2))
    assert shell(mesh, "db-1", "cat /data/x") == "precious"


def test_replicas_follow_the_number_and_a_rolling_restart_keeps_the_service_up(mesh, apply):
    def web(replicas, stamp="0"):
        probe = {"httpGet": {"port": 8080}, "periodSeconds": 1}
        made = workload("Deployment", "web", server(readinessProbe=probe), replicas=replicas)
        made["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": stamp}
        return made

    apply(service("web"), web(1))
    eventually(lambda: all_ready(mesh, "web", 1))
    apply(service("web"), web(3))
    before = names(eventually(lambda: all_ready(mesh, "web", 3)))
    apply(service("web"), web(3, "1"))
    least, deadline = 3, time.monotonic() + 30
    while set(before) & set(names(mesh.pods("web"))) and time.monotonic() < deadline:
        least = min(least, sum(each["conditions"]["ready"] for each in endpoints(mesh, "web")))
    after = names(eventually(lambda: all_ready(mesh, "web", 3)))
    assert not set(before) & set(after)
    assert least == 3
    apply(service("web"), web(1, "1"))
    eventually(lambda: all_ready(mesh, "web", 1) and len(mesh.pods("web")) == 1)


def test_daemon_sets_and_bare_replica_sets_have_their_pods(mesh, apply):
    apply(workload("DaemonSet", "daemon", server()), workload("ReplicaSet", "bare", server(), replicas=2))
    eventually(lambda: all_ready(mesh, "daemon", 1) and all_ready(mesh, "bare", 2))
    status = mesh.api.get("/apis/apps/v1/namespaces/default/daemonsets/daemon")["status"]
    assert status["numberReady"] == status["desiredNumberScheduled"] == 1


@pytest.mark.parametrize("inject", [False, True])
def test_a_job_runs_to_its_end_with_and_without_a_sidecar(mesh, apply, inject):
    once = container("main", "sh", "-c", "sleep 0.2; echo done")
    never = {"restartPolicy": "Never"}
    apply(workload("Job", "once", once, inject=inject, pod=never, completions=2))

    def condition():
        job = mesh.api.get("/apis/batch/v1/namespaces/default/jobs/once")
        return next((c for c in job.get("status", {}).get("conditions", ()) if c["status"] == "True"), None)

    assert eventually(condition)["type"] == "Complete"
    pods = mesh.pods("once")
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded", "Succeeded"]
    if inject:
        assert "terminated" in status_of(pods[0], "istio-proxy")["state"]
    assert mesh.told("logs", pods[0]["metadata"]["name"], "-c", "main") == "done\n"


def test_a_job_that_fails_too_often_is_failed(mesh, apply):
    fails = container("main", "sh", "-c", "exit 3")
    apply(workload("Job", "fails", fails, pod={"restartPolicy": "Never"}, backoffLimit=0))

    def condition():
        job = mesh.api.get("/apis/batch/v1/namespaces/default/jobs/fails")
        return next((c for c in job.get("status", {}).get("conditions", ()) if c["status"] == "True"), None)

    assert eventually(condition)["reason"] == "BackoffLimitExceeded"


def test_the_application_is_held_until_its_proxy_is_ready(mesh, apply):
    # Without a proxy that answers, this first request of the application would fail.
    asks = (
        "import time, urllib.request; print(urllib.request.urlopen('http://held-target:8080').status); time.sleep(1e6)"
    )
    held = {"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}
    apply(
        service("held-target"),
        bare_pod("held-target", server(readinessProbe={"httpGet": {"port": 8080}})),
    )
    eventually(lambda: all_ready(mesh, "held-target", 1))
    apply(
        service("held-target"),
        bare_pod("held-target", server(readinessProbe={"httpGet": {"port": 8080}})),
        bare_pod("held", container("main", PYTHON, "-u", "-c", asks), inject=True, annotations=held),
    )
    found = eventually(lambda: [p for p in mesh.pods("held") if p["metadata"]["name"] == "held" and ready(p)])
    pod = found[0]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["istio-proxy", "main"]
    assert status_of(pod, "main")["restartCount"] == 0
    assert mesh.told("logs", "held", "-c", "main") == "200\n"
    assert "LIVE" in mesh.told(
        "exec", "held", "-c", "istio-proxy", "--", "pilot-agent", "request", "GET", "server_info"
    )


def test_native_sidecars_start_first_and_end_last(mesh, apply):
    shared = [{"name": "shared", "mountPath": "/shared"}]
    writes = "trap 'echo %s >> /shared/order; exit 0' TERM; touch /shared/up-%s; while :; do sleep 0.05; done"

    def endless(name, **more):
        return container(name, "sh", "-c", writes % (name, name), volumeMounts=shared, **more)

    probe = {"exec": {"command": ["test", "-e", "/shared/up-first"]}}
    second = endless("second", restartPolicy="Always", lifecycle={"preStop": {"exec": {"command": ["sleep", "0.2"]}}})
    claims = [{"metadata": {"name": "shared"}, "spec": {}}]
    made = workload(
        "StatefulSet",
        "native",
        endless("main"),
        pod={
            "terminationGracePeriodSeconds": 10,
            "initContainers": [
                endless("first", restartPolicy="Always", startupProbe=probe),
                container("check", "test", "-e", "/shared/up-first", volumeMounts=shared),
                second,
            ],
        },
        serviceName="native",
        volumeClaimTemplates=claims,
    )
    apply(made)
    pod = eventually(lambda: all_ready(mesh, "native", 1))[0]
    assert status_of(pod, "check")["state"]["terminated"]["exitCode"] == 0
    mesh.told("delete", "pod", "native-0")
    eventually(lambda: (p := all_ready(mesh, "native", 1)) and p[0]["metadata"]["uid"] != pod["metadata"]["uid"])
    assert shell(mesh, "native-0", "cat /shared/order").split() == ["main", "second", "first"]


def test_an_injected_native_sidecar_carries_traffic(mesh, apply):
    native = {"sidecar.istio.io/nativeSidecar": "true"}
    apply(
        service("plain"),
        bare_pod("plain", server(readinessProbe={"httpGet": {"port": 8080}}), inject=True, annotations=native),
    )
    pod = eventually(lambda: all_ready(mesh, "plain", 1))[0]
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["istio-init", "istio-proxy"]
    assert status_of(pod, "istio-proxy")["ready"]
    assert shell(mesh, "plain", "curl -s -o /dev/null -w '%{http_code}' http://plain:8080/") == "200"


def test_a_pod_that_is_ending_is_shown_in_its_services_until_it_is_gone(mesh, apply):
    drains = {"preStop": {"sleep": {"seconds": 1}}}
    apply(service("leaving"), bare_pod("leaving", server(lifecycle=drains), terminationGracePeriodSeconds=20))
    eventually(lambda: all_ready(mesh, "leaving", 1))
    mesh.told("delete", "pod", "leaving")
    (endpoint,) = eventually(lambda: endpoints(mesh, "leaving"))
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}
    eventually(lambda: not endpoints(mesh, "leaving"))
    eventually(lambda: not mesh.pods("leaving"))


def test_files_of_config_maps_follow_and_parts_of_them_stay(mesh, apply):
    def settings(value):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"key": value}}

    mounts = [
        {"name": "s", "mountPath": "/whole"},
        {"name": "s", "mountPath": "/part/key", "subPath": "key"},
    ]
    reads = bare_pod(
        "reads",
        container("main", "sleep", "1000", volumeMounts=mounts),
        volumes=[{"name": "s", "configMap": {"name": "s"}}],
        hostAliases=[{"ip": "198.18.200.1", "hostnames": ["a.example", "b.example"]}],
    )
    apply(settings("old"), reads)
    eventually(lambda: all_ready(mesh, "reads", 1))
    assert shell(mesh, "reads", "cat /whole/key /part/key") == "oldold"
    assert shell(mesh, "reads", "getent hosts b.example").split()[0] == "198.18.200.1"
    apply(settings("new"), reads)
    eventually(lambda: shell(mesh, "reads", "cat /whole/key") == "new", seconds=2)
    assert shell(mesh, "reads", "cat /part/key") == "old"


def test_a_part_of_a_volume_does_not_lead_out_of_it(mesh, apply):
    mounts = [{"name": "v", "mountPath": "/v"}]
    apply(
        bare_pod(
            "escapes",
            container(
                "main", "sleep", "1000", volumeMounts=[{"name": "v", "mountPath": "/seen", "subPath": "out/etc"}]
            ),
            initContainers=[container("links", "ln", "-s", "/", "/v/out", volumeMounts=mounts)],
            volumes=[{"name": "v", "emptyDir": {}}],
        ),
        bare_pod(
            "stays",
            container("main", "sleep", "1000", volumeMounts=[{"name": "v", "mountPath": "/seen", "subPath": "in/x"}]),
            initContainers=[container("links", "sh", "-c", "mkdir -p /v/a/x; ln -s a /v/in", volumeMounts=mounts)],
            volumes=[{"name": "v", "emptyDir": {}}],
        ),
    )
    eventually(lambda: all_ready(mesh, "stays", 1))
    told = eventually(lambda: status_of(mesh.pod("escapes"), "main")["lastState"].get("terminated"))
    assert "it leads out of its volume" in told["message"]


def test_a_cron_job_is_told_to_be_without_effect(mesh, apply):
    template = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container("c", "true")]}}}}
    spec = {"schedule": "* * * * *", "jobTemplate": template}
    apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": spec})
    eventually(lambda: any("nightly" in text and "nothing keeps schedules here" in text for text in mesh.problems()))
