"""`lateen kube-inject` as it is called: files and standard input, settings, and what goes wrong."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lateen.cli.__main__ import main

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: app}]
"""
SERVICE = "kind: Service   # as it is\nmetadata: {name: web}\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls the command on a file with this text; words that begin with @ become files with the rest as their text."""
    for name in ("ENABLE_NATIVE_SIDECARS", "COMPLIANCE_POLICY"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, text: str = DEPLOYMENT) -> tuple[int, str, str]:
        manifest = tmp_path / "web.yaml"
        manifest.write_text(text)
        arguments = ["-f", str(manifest)]
        for number, word in enumerate(words):
            if word.startswith("@"):
                file = tmp_path / f"setting-{number}"
                file.write_text(word[1:])
                word = str(file)
            arguments.append(word)
        code = main(["kube-inject", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def proxy(text: str) -> dict[str, str]:
    spec = yaml.safe_load(text.partition("---\n")[0])["spec"]["template"]["spec"]
    (found,) = (each for each in spec["containers"] if each["name"] == "istio-proxy")
    return dict(found)


def test_what_is_not_injected_stays_and_the_rest_is_written(run: Run) -> None:
    code, out, err = run(text=f"{SERVICE}---\n{DEPLOYMENT}")
    assert (code, err) == (0, "")
    assert out.startswith(f"{SERVICE}---\napiVersion: apps/v1\n")
    assert out.endswith("---\n")


def test_injected_once_more_it_is_the_same(run: Run) -> None:
    _, once, _ = run()
    assert run(text=once) == (0, once, "")


def test_standard_input_and_an_output_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, expected, _ = run()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DEPLOYMENT.encode())))
    assert main(["kube-inject", "--filename", "-", "-o", str(tmp_path / "out.yaml")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "out.yaml").read_text() == expected


def test_a_skipped_workload_is_a_warning(run: Run) -> None:
    text = DEPLOYMENT.replace("{name: app}]", "{name: app}]\n      hostNetwork: true")
    code, out, err = run(text=text)
    assert (code, err) == (0, '===> Skipping injection because Deployment "web" has host networking enabled\n')
    assert "istio-proxy" not in out


def test_settings_come_from_files_and_flags_the_later_over_the_earlier(run: Run) -> None:
    values, mesh = '@{"global": {"hub": "a", "tag": "1"}}', "@trustDomain: example.org"
    operator = "@{spec: {values: {global: {hub: b}}}}"
    words = ("--valuesFile", values, "--meshConfigFile", mesh, "--operatorFileName", operator)
    code, out, _ = run(*words, "--set", "values.global.tag=2", "-r", "canary")
    assert (code, proxy(out)["image"]) == (0, "b/proxyv2:2")
    assert {"name": "TRUST_DOMAIN", "value": "example.org"} in proxy(out)["env"]
    assert "istio.io/rev: canary" in out


@pytest.mark.parametrize(
    "config",
    [
        "policy: disabled\ndefaultTemplates: [none]\n"
        "templates: {sidecar: 'metadata: {labels: {mine: \"{{ .Revision }}\"}}'}",
        'metadata:\n  labels: {mine: "{{ .Revision }}"}\n',
    ],
)
def test_an_injection_config_or_a_bare_template_has_the_template_and_nothing_else(run: Run, config: str) -> None:
    code, out, err = run("--injectConfigFile", f"@{config}")
    assert (code, err) == (0, "")
    template = yaml.safe_load(out.partition("---\n")[0])["spec"]["template"]
    assert template["metadata"]["labels"] == {"mine": "default"}
    assert [each["name"] for each in template["spec"]["containers"]] == ["app"]


def test_what_the_environment_says_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_NATIVE_SIDECARS", "true")
    monkeypatch.setenv("COMPLIANCE_POLICY", "fips-140-2")
    _, out, _ = run()
    spec = yaml.safe_load(out.partition("---\n")[0])["spec"]["template"]["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["istio-init", "istio-proxy"]
    assert {"name": "COMPLIANCE_POLICY", "value": "fips-140-2"} in spec["initContainers"][1]["env"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--webhookConfig", "x"), "Error: --webhookConfig x: there is no cluster to ask"),
        (("--valuesFile", "/no/such"), "Error: /no/such: No such file or directory"),
        (("--valuesFile", "@{"), "setting-1: values: line 2"),
        (("--meshConfigFile", "@proxyListenPort: x"), "Error: mesh config: proxyListenPort: must be a whole number"),
        (("--set", "global.tag=1"), "Error: --set global.tag=1: write PATH=VALUE"),
        (("-o", "/no/such/file"), "Error: /no/such/file: No such file or directory"),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_written(run: Run, words: tuple[str, ...], said: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    assert said in err


def test_a_wrong_document_is_told_with_its_file_and_line(run: Run) -> None:
    code, out, err = run(text=f"{SERVICE}---\n{DEPLOYMENT}---\nkind: Job\nmetadata: {{name: j}}\n")
    assert (code, out) == (1, "")
    assert "web.yaml: line 12: Job j: spec.template: is missing" in err


def test_without_a_file_the_usage_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kube-inject"]) == 64
    assert "filename not specified (see --filename or -f)" in capsys.readouterr().err


def test_explained_it_tells_what_would_change_and_why_and_writes_no_manifest(run: Run) -> None:
    skipped = DEPLOYMENT.replace("    spec:", "    metadata: {labels: {sidecar.istio.io/inject: 'false'}}\n    spec:")
    code, out, err = run("--explain", text=f"{SERVICE}---\n{DEPLOYMENT}---\n{skipped}")
    assert (code, err) == (0, "")
    assert "Deployment web (line 4)\n" in out
    assert (
        "  + spec.initContainers[istio-init].args[2]: 15001\n      template sidecar; mesh config proxyListenPort\n"
        in out
    )
    assert "Deployment web (line 12): not injected: " in out
    assert "apiVersion" not in out


def test_explained_for_programs(run: Run) -> None:
    code, out, _ = run("--explain=json", "--set", "values.global.proxy.logLevel=debug")
    assert code == 0
    (found,) = json.loads(out)
    (level,) = (each for each in found["changes"] if each["value"] == "--proxyLogLevel=debug")
    assert level["field"] == "spec.containers[istio-proxy].args[4]"
    assert level["decided_by"] == ["values global.proxy.logLevel"]


def test_what_cannot_be_explained_is_told_with_its_line(run: Run) -> None:
    code, out, err = run("--explain", text=f"{SERVICE}---\nkind: Deployment\nmetadata: {{name: web}}\n")
    assert (code, out) == (1, "")
    assert "line 4: spec.template: is missing" in err
