"""`lateen check-inject` on files."""

import json
from pathlib import Path

import pytest

from lateen.cli.__main__ import main

FILES = """\
kind: Namespace
apiVersion: v1
metadata: {name: shop, labels: {istio-injection: enabled}}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: x}]}}
"""
ALONE = """---
kind: Job
apiVersion: batch/v1
metadata: {name: job}
spec: {template: {spec: {containers: [{name: a}]}}}
"""
CONFIG = """---
kind: ConfigMap
apiVersion: v1
metadata: {name: istio-sidecar-injector, namespace: istio-system}
data: {config: "neverInjectSelector: [{matchLabels: {a: b}}]"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "all.yaml"


def test_a_single_workload_has_istioctls_columns_and_what_would_change_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILES)
    assert main(["check-inject", "-f", str(file)]) == 0
    title, row, _, *changes = capsys.readouterr().out.splitlines()
    assert title.split() == ["WEBHOOK", "REVISION", "INJECTED", "REASON"]
    assert row.split(maxsplit=3) == [
        *("istio-sidecar-injector", "default", "✔"),
        "the label istio-injection of namespace shop is enabled",
    ]
    assert changes[0] == "It would be left as it is, with:"
    assert "  the pod with the label sidecar.istio.io/inject=false" in changes


def test_several_are_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILES + ALONE)
    assert main(["check-inject", "-f", str(file)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[0] == "WORKLOAD"
    assert "Job job would be injected, with:\n  the pod with the label sidecar.istio.io/inject=true\n" in out


def test_the_injection_config_of_the_files_counts(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILES + CONFIG)
    assert main(["check-inject", "-f", str(file), "-o", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["workload"] == "Deployment shop/web"
    assert found["entry"] == "namespace.sidecar-injector.istio.io"
    assert (found["injected"], found["reason"]) == (False, "the pod's labels match neverInjectSelector")
    assert found["changes"] == ["the pod with the label sidecar.istio.io/inject=true"]


def test_labels_are_asked_about_without_any_pod(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILES)
    words = ["-l", "istio.io/rev=canary", "-n", "other", "-r", "canary", "-o", "json"]
    assert main(["check-inject", "-f", str(file), *words]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["webhook"], found["injected"]) == ("istio-sidecar-injector-canary", True)
    assert found["entry"] == "rev.object.sidecar-injector.istio.io"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a pod, labels with -l, or files with -f"),
        (["web", "-l", "a=b"], "named by itself"),
        (["-l", "a"], "-l a: write KEY=VALUE"),
    ],
)
def test_wrong_usage_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-inject", *words]) == 64
    assert said in capsys.readouterr().err


def test_files_without_workloads_are_a_failure(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILES.partition("---\n")[0])
    assert main(["check-inject", "-f", str(file)]) == 1
    assert "the files have no workloads" in capsys.readouterr().err
