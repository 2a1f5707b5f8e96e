"""`lateen kube-inject`: a file of manifests in, the same file with sidecars out, with istioctl's flags."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from lateen.cli.output import Failure, Format, note, rendered
from lateen.inject.configuration import (
    INJECTION_CONFIG_KEY,
    VALUES_KEY,
    Documents,
    read,
    read_injection_config,
    set_flags,
    with_operator,
)
from lateen.inject.errors import InjectionError
from lateen.inject.native_sidecars import native_sidecars
from lateen.inject.settings import Policy, Settings

if TYPE_CHECKING:
    from lateen.inject.manifests import Explanation

T = TypeVar("T")

_SIGNS: Final = {"added": "+", "changed": "~", "removed": "-"}

STDIN: Final = "-"
_MESH_KEY: Final = "mesh"
_DEFAULT_REVISION: Final = "default"
_NOTHING: Final[Mapping[str, Any]] = {}


@click.command("kube-inject")
@click.option("-f", "--filename", metavar="FILE|-", help="What to inject into; - is standard input.")
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: standard output]")
@click.option("--meshConfigFile", "mesh_config_file", metavar="FILE", help="The mesh's settings, MeshConfig in YAML.")
@click.option("--valuesFile", "values_file", metavar="FILE", help="The injector's values, as Helm has them.")
@click.option(
    "--injectConfigFile", "inject_config_file", metavar="FILE", help="The injection config; its templates count."
)
@click.option(
    "--operatorFileName", "operator_file", metavar="FILE", help="An IstioOperator: its values and meshConfig."
)
@click.option("--set", "flags", multiple=True, metavar="PATH=VALUE", help="One of its settings: values.…, meshConfig.…")
@click.option("--meshConfigMapName", "mesh_config_map", metavar="NAME", help="The same from the mesh that runs here.")
@click.option("--injectConfigMapName", "inject_config_map", metavar="NAME", help="Config and values from that mesh.")
@click.option("-i", "--istioNamespace", "namespace", default="istio-system", metavar="NAMESPACE", help="Of those two.")
@click.option("-r", "--revision", default="", metavar="NAME", help="The control plane that pods are to belong to.")
@click.option("--state-dir", "state_dir", type=click.Path(path_type=Path), metavar="DIR", help="Of that mesh.")
@click.option(
    "--explain",
    is_flag=False,
    flag_value="text",
    type=click.Choice(["text", "json", "yaml"]),
    help="Print each thing that would be added or changed in pods, and why, in place of the result.",
)
@click.option("--webhookConfig", "webhook_config", metavar="NAME", help="Needs a cluster; an error here.")
def command(
    filename: str | None, output: str | None, explain: str | None, webhook_config: str | None, **flags: Any
) -> int:
    """Put the sidecar into every workload of a file, as the webhook would into its pods.

    Documents of other kinds stay as they are, byte for byte; what is not to be injected is told on standard error.
    """
    from lateen.inject.manifests import explained, injected

    if not filename:
        raise click.UsageError("filename not specified (see --filename or -f)")
    if webhook_config:
        raise Failure(
            f"--webhookConfig {webhook_config}: there is no cluster to ask; give the settings as files, with "
            "--injectConfigFile, --valuesFile and --meshConfigFile"
        )
    settings = _settings(**flags)
    text = _text(filename)
    try:
        if explain:
            _write(output, _told(explained(text, settings), explain))
            return 0
        result = injected(text, settings)
    except InjectionError as error:
        raise Failure(f"{'standard input' if filename == STDIN else filename}: {error}") from error
    for warning in result.warnings:
        note(warning)
    _write(output, result.text)
    return 0


def _told(explanations: "Sequence[Explanation]", form: str) -> str:
    if form != "text":
        return rendered(msgspec.to_builtins(explanations), Format(form)) + "\n"
    lines: list[str] = []
    for each in explanations:
        lines.append(
            f"{each.workload} (line {each.line})" + (f": not injected: {each.skipped}" if each.skipped else "")
        )
        for change in each.changes:
            value = change.value if isinstance(change.value, str) else json.dumps(change.value)
            because = "; ".join((change.why, *change.decided_by))
            lines += [f"  {_SIGNS[change.kind]} {change.field}: {value}", f"      {because}"]
    return "\n".join([*lines, ""]) if lines else ""


def _settings(
    mesh_config_file: str | None,
    values_file: str | None,
    inject_config_file: str | None,
    operator_file: str | None,
    flags: tuple[str, ...],
    mesh_config_map: str | None,
    inject_config_map: str | None,
    namespace: str,
    state_dir: Path | None,
    revision: str,
) -> Settings:
    """Files win over what the running mesh has, flags over files."""
    mesh = _config_map(state_dir, namespace, mesh_config_map) if mesh_config_map else {}
    injector = _config_map(state_dir, namespace, inject_config_map) if inject_config_map else {}
    config = _read(inject_config_file, _config_of, injector.get(INJECTION_CONFIG_KEY, ""), None)
    documents = Documents(
        config=config,
        values=_read(values_file, lambda text: read(text, "values"), injector.get(VALUES_KEY, ""), _NOTHING),
        mesh=_read(mesh_config_file, lambda text: read(text, "mesh config"), mesh.get(_MESH_KEY, ""), _NOTHING),
    )
    operator = _read(operator_file, lambda text: read(text, "operator"), "", _NOTHING)
    try:
        documents = with_operator(with_operator(documents, operator), set_flags(flags))
        return _as_asked_for(documents.settings(), revision)
    except InjectionError as error:
        raise Failure(str(error)) from error


def _as_asked_for(settings: Settings, revision: str) -> Settings:
    """Whoever calls the command wants injection, by the usual template, whatever the webhook is told to choose."""
    return msgspec.structs.replace(
        settings,
        policy=Policy.ENABLED,
        never_inject=(),
        always_inject=(),
        default_templates=("sidecar",),
        injected_annotations={},
        revision=revision or _DEFAULT_REVISION,
        native_sidecars=native_sidecars(os.environ.get("ENABLE_NATIVE_SIDECARS", "")),
        compliance_policy=os.environ.get("COMPLIANCE_POLICY", ""),
    )


def _config_of(text: str) -> Mapping[str, Any]:
    """A whole injection config, or the text of the template `sidecar` alone."""
    with contextlib.suppress(InjectionError):
        if (config := read_injection_config(text)).get("templates"):
            return config
    return {"templates": {"sidecar": text}}


def _read(file: str | None, reading: Callable[[str], T], otherwise: str, default: T) -> T:
    try:
        if file:
            return reading(_text(file))
        return reading(otherwise) if otherwise else default
    except InjectionError as error:
        raise Failure(f"{file}: {error}" if file else str(error)) from error


def _config_map(state_dir: Path | None, namespace: str, name: str) -> Mapping[str, str]:
    """The data of a ConfigMap of the mesh that runs on this machine."""
    from lateen.cli.connection import mesh
    from lateen.local_runtime.api.client import object_path

    with mesh(state_dir) as client:
        found: Mapping[str, str] = client.get(object_path("v1", "configmaps", namespace, name)).get("data") or {}
    return found


def _text(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file}: is not UTF-8 text (byte {error.start})") from error


def _write(file: str | None, text: str) -> None:
    if file is None or file == STDIN:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(text.encode())
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
