"""Commands against a served API, as a person calls them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api_server import Served, web_pod
from support.workloads import workload

from lateen.cli.__main__ import main
from lateen.config.objects import ObjectRef

Json = dict[str, Any]
POD = ObjectRef("", "Pod", "default", "web")
RUNNING = {
    "phase": "Running",
    "podIP": "198.18.0.7",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [
        {"name": "app", "ready": True, "restartCount": 1, "state": {"running": {}}},
        {"name": "never", "ready": False, "restartCount": 0, "state": {"waiting": {}}},
    ],
}
Lateen = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    await made.server.serve(made.path)
    made.put(web_pod())
    made.store.put_status(POD, RUNNING)
    yield made
    await made.server.close()


@pytest.fixture
def lateen(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Lateen:
    """Runs a command beside the server: exit code, output, errors."""

    async def run(command: str, *arguments: str) -> tuple[int, str, str]:
        argv = [*command.split(), "--state-dir", str(tmp_path), *arguments]
        code = await asyncio.to_thread(main, argv)
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


async def test_ps(served: Served, lateen: Lateen) -> None:
    served.program.proxies = [
        {"proxy": "web.default", "resources": {"t": {"sent": "n1", "acked": "n1", "synced": True}}}
    ]
    code, out, _ = await lateen("ps")
    assert code == 0
    header, row = (line.split() for line in out.splitlines())
    assert header == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "IP", "SYNC", "AGE"]
    assert row[:7] == ["default", "web", "1/2", "Running", "1", "198.18.0.7", "SYNCED"]


@pytest.mark.usefixtures("served")
async def test_ps_as_data_and_by_namespace(lateen: Lateen) -> None:
    assert json.loads((await lateen("ps", "-o", "json"))[1])["items"][0]["metadata"]["name"] == "web"
    assert yaml.safe_load((await lateen("ps", "-o", "yaml"))[1])["kind"] == "PodList"
    assert "app,never" in (await lateen("ps", "-o", "wide"))[1]
    assert (await lateen("ps", "-n", "other"))[1] == "no pods in namespace other\n"


@pytest.mark.usefixtures("served")
async def test_logs(lateen: Lateen, tmp_path: Path) -> None:
    (tmp_path / "web.app").write_text("one\ntwö\nunfinished")
    (tmp_path / "web.app.previous").write_text("before\n")
    assert (await lateen("logs", "web", "--tail", "0"))[:2] == (0, "")
    assert (await lateen("logs", "web", "--tail", "2"))[:2] == (0, "twö\nunfinished")
    assert (await lateen("logs", "pod/web", "-p"))[:2] == (0, "before\n")
    code, _, err = await lateen("logs", "web", "-c", "nobody")
    assert (code, err) == (1, "Error: container nobody is not valid for pod web; it has app, never, setup\n")


async def test_apply_delete_and_what_is_refused(served: Served, lateen: Lateen, tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\ndata: {a: b}\n"
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec:\n  ports:\n  - port: http\n"
        "---\napiVersion: example.com/v1\nkind: Wombat\nmetadata: {name: w}\n"
    )
    code, out, err = await lateen("apply", "-f", str(file))
    assert (code, out.splitlines()) == (1, ["configmap/good created", "wombat.example.com/w created"])
    assert f"Error: {file}:11: Service default/bad: spec.ports[0].port: " in err
    stored = served.store.get(ObjectRef("", "ConfigMap", "default", "good"))
    assert stored is not None
    assert str(stored.origin) == f"{file}:1"
    assert (await lateen("apply", "-f", str(file)))[1].splitlines()[0] == "configmap/good unchanged"
    code, out, _ = await lateen("delete", "-f", str(file))
    assert (code, out.splitlines()) == (1, ['wombat.example.com "w" deleted', 'configmap "good" deleted'])


async def test_what_an_api_server_would_refuse_is_not_stored(served: Served, lateen: Lateen, tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    job = workload("Job")
    file.write_text(yaml.dump(job))
    assert (await lateen("apply", "-f", str(file), "--dry-run"))[::2] == (0, "")
    del job["spec"]["template"]["spec"]["restartPolicy"]
    file.write_text(yaml.dump(job))
    for dry_run in ((), ("--dry-run",)):
        code, out, err = await lateen("apply", "-f", str(file), *dry_run)
        assert (code, out) == (1, "")
        assert "Job default/web: spec.template.spec.restartPolicy: `Always` is not for a Job" in err
    assert not served.store.list("batch", "Job")


async def test_delete_by_name(served: Served, lateen: Lateen) -> None:
    for name in ("a", "b"):
        served.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {}})
    assert (await lateen("delete", "svc", "a"))[1] == 'service "a" deleted\n'
    assert (await lateen("delete", "services/b"))[1] == 'service "b" deleted\n'
    assert (await lateen("delete", "svc", "a"))[::2] == (1, 'Error: services "a" not found\n')
    assert (await lateen("delete", "svc", "a", "--ignore-not-found"))[0] == 0
    assert (await lateen("delete", "wombat", "a"))[::2] == (1, "Error: there is no kind 'wombat'\n")


async def test_proxy_status_takes_pods_by_their_workload_and_service(served: Served, lateen: Lateen) -> None:
    served.put(workload())
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    served.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    served.program.proxies = [{"proxy": "web.default"}, {"proxy": "other.default"}]
    for text in ("web", "deploy/web", "svc/web", "pod/web"):
        assert json.loads((await lateen("proxy-status", text, "-o", "json"))[1]) == [{"proxy": "web.default"}]
    code, _, err = await lateen("proxy-status", "deploy/nobody")
    assert (code, err) == (1, "Error: there is no Deployment 'nobody'; there are: web.default\n")


async def test_a_pod_without_envoy_is_told_as_one(served: Served, lateen: Lateen) -> None:
    for command in ("proxy-config cluster", "proxy-config endpoint", "proxy-status"):
        _, _, err = await lateen(command, "web")
        assert err == "Error: pod default/web has no Envoy: no sidecar was injected into it\n"
    pod = web_pod()
    pod["spec"]["containers"][0]["env"] = [{"name": "GRPC_XDS_BOOTSTRAP", "value": "/etc/bootstrap.json"}]
    served.put(pod)
    _, _, err = await lateen("proxy-status", "web")
    assert err == "Error: pod default/web has no Envoy: it is a gRPC client that speaks xDS itself\n"


async def test_version_tells_what_runs(served: Served, lateen: Lateen) -> None:
    served.program.proxies = [{"proxy": "web.default", "istio_version": "1.40.0"}]
    out = (await lateen("version"))[1].splitlines()
    assert out[1:] == ["control plane version: 0.0.1", "data plane version: 1.40.0 (1 proxies)"]
    told = yaml.safe_load((await lateen("version", "-o", "yaml"))[1])
    assert told["dataPlaneVersion"] == [{"id": "web.default", "version": "1.40.0"}]


async def run_lateen(directory: Path, *argv: str, **options: Any) -> asyncio.subprocess.Process:
    environment = {**os.environ, "LATEEN_STATE_DIR": str(directory)}
    pipe = asyncio.subprocess.PIPE
    streams = {"stdin": asyncio.subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **options}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "lateen.cli", *argv, env=environment, **streams)


@pytest.mark.parametrize(
    ("argv", "given", "code", "out", "err"),
    [
        (["web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"], None, 7, b"out\n", b"err\n"),
        (["-i", "web", "--", "cat"], b"input", 0, b"input", b""),
        (["-i", "web", "--", "echo", "hi"], b"", 0, b"hi\n", b""),
        (["web", "-c", "never", "--", "ls"], None, 1, b"", b"Error: container never of pod web is not running\n"),
        (["-t", "web", "--", "ls"], None, 1, b"", b"Error: -t needs a terminal on standard input; leave it out\n"),
    ],
)
@pytest.mark.usefixtures("served")
async def test_exec(tmp_path: Path, argv: list[str], given: bytes | None, code: int, out: bytes, err: bytes) -> None:
    stdin = asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE
    command = await run_lateen(tmp_path, "exec", *argv, stdin=stdin)
    told = await asyncio.wait_for(command.communicate(given), 10)
    assert (command.returncode, *told) == (code, out, err)


@pytest.mark.usefixtures("served")
async def test_exec_ends_though_input_does_not(tmp_path: Path) -> None:
    reads, writes = os.pipe()
    command = await run_lateen(tmp_path, "exec", "-i", "web", "--", "true", stdin=reads)
    assert await asyncio.wait_for(command.wait(), 10) == 0
    os.close(reads)
    os.close(writes)


@pytest.mark.usefixtures("served")
async def test_exec_with_a_terminal(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = await run_lateen(
        tmp_path, "exec", "-it", "web", "--", "sh", "-c", "tty -s && echo a-terminal", stdin=theirs, stdout=theirs
    )
    assert await asyncio.wait_for(command.wait(), 10) == 0
    assert b"a-terminal\r\n" in os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


@pytest.mark.usefixtures("served")
async def test_following_ends_quietly_when_the_reader_leaves(tmp_path: Path) -> None:
    log = tmp_path / "web.app"
    log.write_text("one\n" * 20000)
    command = await run_lateen(tmp_path, "logs", "-f", "web")
    assert command.stdout is not None
    await asyncio.wait_for(command.stdout.readline(), 10)
    command._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # as a pager that was quit does
    with log.open("a") as more:
        more.write("two\n" * 20000)
    assert await asyncio.wait_for(command.wait(), 10) == 1
    assert command.stderr is not None
    assert await command.stderr.read() == b""


def test_apply_reads_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lateen.cli", "apply", "--state-dir", str(tmp_path), "-f", "-"],
        input="kind: [",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: <stdin>:2: column 1: not valid YAML")
    assert done.stderr.count("Error:") == 1


async def test_check_inject_asks_the_running_mesh_about_its_pods_and_about_labels(
    served: Served, lateen: Lateen
) -> None:
    served.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    code, out, _ = await lateen("check-inject", "web")
    assert code == 0
    assert "istio-sidecar-injector   default    ✔          namespaces are injected unless they say no" in out
    assert "  namespace default with the label istio-injection=disabled" in out
    labels = {"istio-injection": "disabled"}
    served.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "off", "labels": labels}})
    code, out, _ = await lateen("check-inject", "-l", "app=web", "-n", "off", "-o", "json")
    assert (code, json.loads(out)[0]["reason"]) == (0, "the label istio-injection of namespace off is disabled")
    code, _, err = await lateen("check-inject", "-l", "app=web", "-n", "none")
    assert (code, "none" in err) == (1, True)


async def test_kube_inject_takes_settings_of_the_running_mesh(served: Served, lateen: Lateen, tmp_path: Path) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}}
    served.put({**config_map, "data": {"mesh": "trustDomain: example.org"}})
    file = tmp_path / "pod.yaml"
    file.write_text("kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a}]}\n")
    code, out, _ = await lateen("kube-inject", "-f", str(file), "--meshConfigMapName", "istio")
    assert (code, "value: example.org" in out) == (0, True)
    code, out, err = await lateen("kube-inject", "-f", str(file), "--injectConfigMapName", "other")
    assert (code, out, "other" in err) == (1, "", True)
