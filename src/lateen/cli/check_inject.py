"""`lateen check-inject`: whether pods are injected, which rule decides, and what would change it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from lateen.cli.connection import mesh, namespace_option, output_option, state_option
from lateen.cli.output import Failure, Format, complain, rendered, say, table
from lateen.inject.configuration import INJECTION_CONFIG_KEY, VALUES_KEY, Documents, read, read_injection_config
from lateen.inject.errors import InjectionError
from lateen.inject.settings import Settings
from lateen.inject.shape_checks import check_shape
from lateen.inject.verdict import Case, Verdict, verdict
from lateen.inject.workloads import is_workload, name_of, pod_of

Json = dict[str, Any]

_DEFAULT_NAMESPACE: Final = "default"
_DEFAULT_REVISION: Final = "default"
_WEBHOOK: Final = "istio-sidecar-injector"
_ROOT: Final = "istio-system"


class Checked(msgspec.Struct, frozen=True):
    """A pod, or what makes it, by the name that people know it by, and what becomes of it."""

    name: str
    webhook: str
    revision: str
    verdict: Verdict


@click.command("check-inject")
@click.argument("pod", required=False, metavar="[POD[.NAMESPACE]]")
@click.option("-f", "--filename", "files", multiple=True, type=click.Path(exists=True, path_type=Path), metavar="PATH")
@click.option("-l", "--labels", metavar="KEY=VALUE,…", help="A pod with these labels, whether or not there is one.")
@click.option("-r", "--revision", default=_DEFAULT_REVISION, metavar="NAME", help="Of the control plane that is asked.")
@namespace_option
@output_option(Format.TABLE, Format.JSON, Format.YAML, default=Format.TABLE)
@state_option
def command(
    pod: str | None,
    files: tuple[Path, ...],
    labels: str | None,
    revision: str,
    namespace: str | None,
    output: Format,
    state_dir: Path | None,
) -> int:
    """Show whether a pod is injected, which rule decides, and what would change it.

    POD is one of the running mesh, as in `lateen logs`. With -f: every workload of the files as a cluster would take
    it, by their Namespaces and their ConfigMap istio-sidecar-injector. With -l: a pod of these labels in the namespace.
    """
    if not (pod or files or labels):
        raise click.UsageError("name a pod, labels with -l, or files with -f")
    if pod and (files or labels):
        raise click.UsageError("a pod of the running mesh is named by itself, without -f and -l")
    asked = _labelled(labels, namespace) if labels is not None else None
    if files:
        found = list(_of_files(files, asked, namespace, revision))
    else:
        found = [_of_mesh(pod, asked, namespace, state_dir)]
    if output is Format.TABLE:
        say(shown(found))
    else:
        say(rendered([_as_json(each) for each in found], output))
    return 0


def shown(found: Sequence[Checked]) -> str:
    """istioctl's columns, behind the names where there are several pods; then what would change each answer."""
    several = len(found) > 1
    columns = ("WEBHOOK", "REVISION", "INJECTED", "REASON")
    rows = [
        (*((each.name,) if several else ()), each.webhook, each.revision, _mark(each.verdict), each.verdict.reason)
        for each in found
    ]
    lines = [table(("WORKLOAD", *columns) if several else columns, rows)]
    for each in found:
        whose = f"{each.name} would be" if several else "It would be"
        other = "left as it is" if each.verdict.injected else "injected"
        lines += ["", f"{whose} {other}, with:"] if each.verdict.changes else []
        lines += [f"  {change}" for change in each.verdict.changes]
    return "\n".join(lines)


def _mark(found: Verdict) -> str:
    return "✔" if found.injected else "✘"


def _as_json(found: Checked) -> Json:
    return {
        "workload": found.name,
        "webhook": found.webhook,
        "revision": found.revision,
        "entry": found.verdict.entry,
        "injected": found.verdict.injected,
        "reason": found.verdict.reason,
        "changes": list(found.verdict.changes),
    }


def _labelled(text: str, namespace: str | None) -> Json:
    labels = {}
    for pair in text.split(","):
        key, equals, value = pair.strip().partition("=")
        if not key or not equals:
            raise click.UsageError(f"-l {text}: write KEY=VALUE, and a comma between two of them")
        labels[key] = value
    return {"metadata": {"namespace": namespace or _DEFAULT_NAMESPACE, "labels": labels}, "spec": {}}


def _of_files(files: Sequence[Path], asked: Json | None, namespace: str | None, revision: str) -> Iterator[Checked]:
    from lateen.sources.files import load

    loaded = load(files)
    for rejected in loaded.rejected:
        complain(str(rejected))
    objects = [document.raw for document in loaded.documents]
    settings = msgspec.structs.replace(_settings_of(objects, revision), revision=revision)
    labels = {each["metadata"]["name"]: _labels(each) for each in objects if each.get("kind") == "Namespace"}
    wanted = [("a pod with these labels", asked)] if asked is not None else list(_workloads(objects))
    if not wanted:
        raise Failure("the files have no workloads")
    for name, pod in wanted:
        within = pod["metadata"]["namespace"]
        if namespace in (None, within):
            found = verdict(Case(pod, labels.get(within, {}), settings))
            yield Checked(name, _webhook(revision), revision, found)


def _workloads(objects: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    for each in objects:
        if is_workload(each):
            try:
                check_shape(pod := pod_of(each))
            except InjectionError as error:
                raise Failure(f"{name_of(each)}: {error}") from error
            namespace = each["metadata"].get("namespace") or _DEFAULT_NAMESPACE
            yield name_of(each), {**pod, "metadata": {**pod["metadata"], "namespace": namespace}}


def _settings_of(objects: Sequence[Json], revision: str) -> Settings:
    metadata = {"namespace": _ROOT, "name": _webhook(revision)}
    maps = [
        each for each in objects if each.get("kind") == "ConfigMap" and metadata.items() <= each["metadata"].items()
    ]
    data: Mapping[str, str] = (maps[0].get("data") or {}) if maps else {}
    config = data.get(INJECTION_CONFIG_KEY)
    try:
        documents = Documents(
            config=read_injection_config(config) if config else None, values=read(data.get(VALUES_KEY, ""), "values")
        )
        return documents.settings()
    except InjectionError as error:
        raise Failure(f"ConfigMap {_ROOT}/{_webhook(revision)}: {error}") from error


def _of_mesh(name: str | None, asked: Json | None, namespace: str | None, state_dir: Path | None) -> Checked:
    """The running mesh's own rule: every namespace is injected unless it says no."""
    from lateen.cli.pod_arguments import resolve
    from lateen.local_runtime.api.client import object_path

    settings = Settings(inject_by_default=True)
    with mesh(state_dir) as client:
        pod = asked if asked is not None else resolve(client, name or "", namespace)
        within = pod["metadata"]["namespace"]
        labels = _labels(client.get(object_path("v1", "namespaces", name=within)))
    title = f"{pod['metadata']['name']}.{within}" if "name" in pod["metadata"] else "a pod with these labels"
    return Checked(title, _webhook(_DEFAULT_REVISION), _DEFAULT_REVISION, verdict(Case(pod, labels, settings)))


def _labels(raw: Json) -> Mapping[str, str]:
    return (raw.get("metadata") or {}).get("labels") or {}


def _webhook(revision: str) -> str:
    return _WEBHOOK if revision == _DEFAULT_REVISION else f"{_WEBHOOK}-{revision}"
