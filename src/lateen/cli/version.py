"""`lateen version`: of this program, the running control plane and the proxies."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

import lateen
from lateen.cli.connection import output_option, state_directory, state_option
from lateen.cli.output import Format, rendered, say
from lateen.local_runtime.api.client import ApiClient, ApiFailure, NotRunning

Json = dict[str, Any]


@click.command("version")
@click.option("-s", "--short", is_flag=True, help="Only the number of this program.")
@output_option(Format.JSON, Format.YAML)
@state_option
def command(short: bool, output: Format | None, state_dir: Path | None) -> None:
    """Versions of this program, the control plane and the proxies."""
    if short:
        say(lateen.__version__)
        return
    shown: Json = {"clientVersion": {"version": lateen.__version__}}
    client = ApiClient(state_directory(state_dir).api_socket)
    try:
        running = client.get("/lateen/v1/info")
        proxies = client.get("/debug/syncz")["items"]
    except (NotRunning, ApiFailure):
        running, proxies = {}, []
    finally:
        client.close()
    if running:
        shown["meshVersion"] = [{"component": "control-plane", "version": running.get("version", "unknown")}]
        shown["dataPlaneVersion"] = [
            {"id": each["proxy"], "version": each.get("istio_version") or "unknown"} for each in proxies
        ]
    say(rendered(shown, output) if output else _text(shown))


def _text(shown: Json) -> str:
    lines = [f"client version: {shown['clientVersion']['version']}"]
    lines += [f"control plane version: {each['version']}" for each in shown.get("meshVersion", [])]
    counted = Counter(each["version"] for each in shown.get("dataPlaneVersion", []))
    if counted:
        said = ", ".join(f"{version} ({count} proxies)" for version, count in sorted(counted.items()))
        lines.append(f"data plane version: {said}")
    if len(lines) == 1:
        lines.append("control plane version: none, as no mesh is running here")
    return "\n".join(lines)
