"""`lateen ps`: the pods of the mesh, with the sync state of their proxies."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from lateen.cli.connection import mesh, namespace_option, output_option, state_option
from lateen.cli.output import Format, age, complain, rendered, say, table, warn
from lateen.cli.pod_summary import PodSummary, summarise
from lateen.cli.sync_words import word_for
from lateen.local_runtime.api.client import ApiFailure

Json = dict[str, Any]


@click.command("ps")
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Pods of all namespaces (the default).")
@output_option(Format.WIDE, Format.JSON, Format.YAML)
@state_option
def command(namespace: str | None, all_namespaces: bool, output: Format | None, state_dir: Path | None) -> None:
    """List pods: ready, status, restarts, address, sync state; and what is wrong in the mesh, on standard error."""
    within = None if all_namespaces else namespace
    with mesh(state_dir) as client:
        listed = client.get(f"/api/v1/namespaces/{within}/pods" if within else "/api/v1/pods")
        if output in (Format.JSON, Format.YAML):
            say(rendered(listed, output))
            return
        info = client.get("/lateen/v1/info")
        try:
            proxies = client.get("/debug/syncz")["items"]
        except ApiFailure:  # the control plane is away
            proxies = []
    _list(listed["items"], proxies, within, wide=output is Format.WIDE)
    for text in info.get("refused") or []:
        complain(text)
    for text in info.get("problems") or []:
        warn(text)


def _list(items: list[Json], proxies: list[Json], within: str | None, *, wide: bool) -> None:
    if not items:
        say(f"no pods in namespace {within}" if within else "the mesh has no pods")
        return
    sync = {each["proxy"]: sync_state(each) for each in proxies}
    now = datetime.now(UTC)
    pods = [(pod, summarise(pod)) for pod in items]
    columns = ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "IP", "SYNC", "AGE"]
    rows = [_row(each, sync, now) for _, each in pods]
    if wide:
        columns += ["SERVICE ACCOUNT", "CONTAINERS"]
        rows = [row + _more(pod) for row, (pod, _) in zip(rows, pods, strict=True)]
    say(table(columns, rows))


def _row(pod: PodSummary, sync: dict[str, str], now: datetime) -> list[str]:
    return [
        pod.namespace,
        pod.name,
        f"{pod.ready}/{pod.containers}",
        pod.status,
        str(pod.restarts),
        pod.ip or "-",
        sync.get(f"{pod.name}.{pod.namespace}", "-"),
        age(pod.created, now),
    ]


def _more(pod: Json) -> list[str]:
    spec = pod.get("spec") or {}
    return [
        spec.get("serviceAccountName") or "default",
        ",".join(each["name"] for each in spec.get("containers") or []),
    ]


def sync_state(proxy: Json) -> str:
    """One word for a proxy of `/debug/syncz`: the worst of its types, those left aside for which there is nothing."""
    words = {word_for(each) for each in (proxy.get("resources") or {}).values()}
    return next((word for word in ("ERROR", "STALE", "SYNCED") if word in words), "NOT SENT")
