"""`lateen analyze` as a person calls it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api_server import Served, web_pod

from lateen.cli.__main__ import main

Run = Callable[..., tuple[int, str, str]]

WEB = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: nobody}
  ports:
  - {name: http2foo, port: 80}
"""
REFUSED = WEB.replace("port: 80", "port: text")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def analyze(*arguments: object) -> tuple[int, str, str]:
        code = main(["analyze", *map(str, arguments)])
        return (code, *capsys.readouterr())

    return analyze


@pytest.fixture
def web(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(WEB)
    return path


def test_a_line_for_each_message(run: Run, web: Path) -> None:
    code, out, err = run(web)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split(" ", 2)[:2] for line in lines] == [
        ["Warning", "[LTN0004]"],
        ["Warning", "[LTN0005]"],
        ["Info", "[IST0118]"],
    ]
    assert lines[1].startswith(f"Warning [LTN0005] (Service default/web {web}:8) `http2foo` declares no protocol")


def test_nothing_to_say(run: Run, web: Path) -> None:
    code, out, err = run("--output-threshold", "Error", web)
    assert (code, out) == (0, "")
    assert err == f"no validation issues found when analyzing {web}\n"


@pytest.mark.parametrize(("threshold", "code"), [("Error", 0), ("warning", 79), ("Info", 79)])
def test_the_failure_threshold_decides_on_the_exit_code(run: Run, web: Path, threshold: str, code: int) -> None:
    assert run("--failure-threshold", threshold, web)[0] == code


def test_messages_that_are_not_shown_count(run: Run, web: Path) -> None:
    assert run("--failure-threshold", "Warning", "--output-threshold", "Error", web)[:2] == (79, "")


def test_a_refused_object_is_an_error(run: Run, web: Path) -> None:
    web.write_text(REFUSED)
    code, out, err = run("--output-threshold", "Error", web)
    assert code == 79
    assert out.startswith(f"Error [IST0106] (Service default/web {web}:8) spec.ports[0].port: must be a whole number")
    assert "level Error or worse" in err


@pytest.mark.parametrize("read", [json.loads, yaml.safe_load])
def test_formats_have_istioctls_fields(run: Run, web: Path, read: Callable[[str], Any]) -> None:
    form = "json" if read is json.loads else "yaml"
    _, out, _ = run("-o", form, "--analyzer", "service.PortNameAnalyzer", web)
    (found,) = read(out)
    assert found.pop("message").startswith("`http2foo` declares no protocol, so port 80 is served as plain TCP")
    assert found == {
        "code": "IST0118",
        "documentationUrl": "https://istio.io/latest/docs/reference/config/analysis/ist0118/",
        "level": "Info",
        "origin": "Service default/web",
        "reference": f"{web}:8",
    }
    assert read(run("-o", form, "--output-threshold", "Error", web)[1]) == []


def test_a_document_that_cannot_be_parsed(run: Run, web: Path) -> None:
    broken = web.with_name("broken.yaml")
    broken.write_text("a: [")
    code, out, err = run(web.parent)
    assert code == 65
    assert "LTN0005" in out
    assert err.startswith(f"Error: {broken}:2: column 1: not valid YAML")
    code, _, err = run("--ignore-unknown", web.parent)
    assert (code, err) == (0, "")


def test_an_object_that_is_written_twice(run: Run, web: Path) -> None:
    again = web.with_name("web2.yaml")
    again.write_text(WEB)
    _, out, err = run("--analyzer", "service.PortNameAnalyzer", web.parent)
    assert f"Warning: {again}:1: Service default/web: is also defined at {web}:1" in err
    assert f"{again}:8" in out
    assert f"{web}:8" not in out


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    code, _, err = run("--ignore-unknown", tmp_path / "none.yaml")
    assert code == 64
    assert "none.yaml' does not exist" in err


def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(WEB))
    assert "(Service default/web <stdin>:8)" in run("-")[1]


def test_namespaces(run: Run, web: Path) -> None:
    assert "Service shop/web" in run("-n", "shop", web)[1]
    web.write_text(WEB.replace("name: web", "name: web\n  namespace: elsewhere"))
    assert run("-n", "shop", web)[1] == ""
    assert "Service elsewhere/web" in run("-A", "-n", "shop", web)[1]


def test_suppression(run: Run, web: Path) -> None:
    _, out, err = run("-S", "LTN0005=Service *.default", "-S", "LTN0004=Service web", "-S", "IST9=*", web)
    assert [line.split()[1] for line in out.splitlines()] == ["[LTN0004]", "[IST0118]"]
    assert err == "Warning: there is no message IST9, so suppressing it has no effect\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-S", "LTN0005"], "is not CODE=RESOURCE"),
        (["--analyzer", "service.PortName"], "did you mean service.PortNameAnalyzer?"),
        (["--remote-contexts", "east"], "has no meaning here"),
        (["-r", "canary"], "has no meaning here"),
        (["-o", "table"], "is not one of"),
        (["--failure-threshold", "Fatal"], "is not one of"),
        (["--timeout", "soon"], "Invalid value"),
        (["--use-kube=false"], "nothing to analyze"),
        (["-k=false"], "nothing to analyze"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], told: str) -> None:
    code, _, err = run(*arguments)
    assert code == 64
    assert told in err


def test_colour_is_for_terminals_and_for_those_who_ask(run: Run, web: Path) -> None:
    assert "\033[" not in run(web)[1]
    for wanted in ("--color", "--color=true"):
        assert run(wanted, web)[1].startswith("\033[33mWarning\033[0m [LTN0004]")
    assert "\033[" not in run("--color=false", web)[1]


def test_analyzers_are_listed(run: Run) -> None:
    code, out, _ = run("-L")
    assert code == 0
    assert "* injection.Analyzer:\n    Labels of namespaces" in out
    assert "annotations.AlphaAnalyzer" not in out


def test_verbose(run: Run, web: Path) -> None:
    err = run("-v", web)[2]
    assert "read 1 objects, 1 of them from files" in err
    assert "service.PortNameAnalyzer" in err


def test_mesh_config_from_a_file(run: Run, web: Path) -> None:
    settings = web.with_name("mesh-config")
    settings.write_text("a: [")
    assert run("--meshConfigFile", settings, web)[0] == 1
    settings.write_text("accessLogFile: /dev/stdout")
    assert run("--meshConfigFile", settings, web)[0] == 0


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    await made.server.serve(made.path)
    made.put(web_pod())
    yield made
    await made.server.close()


async def test_the_running_mesh_is_analyzed_where_no_files_are_named(served: Served, run: Run) -> None:
    state = served.path.parent
    served.put({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "f"}})
    code, out, err = await asyncio.to_thread(run, "--state-dir", state, "-v")
    assert code == 0
    assert "Warning [LTN0001] (Pod default/web) Pod web belongs to no Service" in out
    assert "read 2 objects, 0 of them from files" in err


async def test_files_are_a_change_to_the_running_mesh(served: Served, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(WEB.replace("nobody", "web"))
    _, out, _ = await asyncio.to_thread(run, "--state-dir", served.path.parent, "--use-kube", "-o", "json", file)
    assert {each["code"] for each in json.loads(out)} == {"LTN0005", "LTN0009", "IST0118"}


def test_no_mesh_runs(run: Run, tmp_path: Path) -> None:
    code, _, err = run("--state-dir", tmp_path)
    assert code == 1
    assert "no mesh is running here" in err


def test_what_a_runtime_would_refuse_is_an_error_too(run: Run, web: Path) -> None:
    web.write_text("{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {template: {spec: {}}}}")
    code, out, _ = run("--output-threshold", "Error", web)
    assert code == 79
    assert f"Error [IST0106] (StatefulSet default/db {web}:1) spec." in out


def test_a_kind_that_is_misspelt_is_no_object(run: Run, web: Path) -> None:
    web.write_text("{apiVersion: networking.istio.io/v1, kind: VirtualServce, metadata: {name: v}}")
    code, _, err = run(web)
    assert code == 65
    assert "did you mean `VirtualService`?" in err
