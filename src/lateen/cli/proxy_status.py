"""`lateen proxy-status`: how far each proxy is with what the control plane has for it, in istioctl's columns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from lateen.cli.connection import mesh, namespace_option, output_option, state_option
from lateen.cli.output import Failure, Format, age, rendered, say, table
from lateen.cli.pod_arguments import resolve, without_envoy
from lateen.cli.proxy_config.comparison import compared
from lateen.cli.proxy_config.source import ADMIN_PORT, Source
from lateen.cli.sync_words import word_for
from lateen.local_runtime.api.client import ApiClient

Json = dict[str, Any]

_PREFIX: Final = "type.googleapis.com/envoy."
SHORT_NAMES: Final[Mapping[str, str]] = {
    f"{_PREFIX}config.cluster.v3.Cluster": "CDS",
    f"{_PREFIX}config.core.v3.TypedExtensionConfig": "ECDS",
    f"{_PREFIX}config.endpoint.v3.ClusterLoadAssignment": "EDS",
    f"{_PREFIX}config.listener.v3.Listener": "LDS",
    f"{_PREFIX}config.route.v3.RouteConfiguration": "RDS",
    f"{_PREFIX}extensions.transport_sockets.tls.v3.Secret": "SDS",
}
"""By type URL, in the order of columns."""

_FIRST: Final = ("CDS", "LDS", "EDS", "RDS")
_ALWAYS: Final = ("CDS", "ECDS", "EDS", "LDS", "RDS")
_CONTROL_PLANE: Final = "lateen"


@click.command("proxy-status")
@click.argument("proxy", required=False, metavar="[POD]")
@click.option("-v", "--verbosity", type=click.IntRange(0, 1), default=0, help="1 shows each type's state and its age.")
@click.option("-f", "--file", metavar="FILE", help="With POD: its Envoy's configuration dump (- is stdin).")
@namespace_option
@output_option(Format.TABLE, Format.JSON, Format.YAML, default=Format.TABLE)
@state_option
def command(
    proxy: str | None, verbosity: int, file: str | None, namespace: str | None, output: Format, state_dir: Path | None
) -> int:
    """Show how far each proxy is: which types it asks for and, with -v 1, whether it has what it should have.

    SYNCED: it has what it is offered. STALE: it has not answered yet. ERROR: it refused something, and keeps
    what it had; the reason follows the table. NOT SENT: it asked, and there is nothing yet. IGNORED: it does not ask.

    With POD: how what its Envoy has differs from what the control plane offers it.
    """
    with mesh(state_dir) as client:
        chosen = _chosen(client, proxy, namespace)
    if output is not Format.TABLE:
        say(rendered(chosen, output))
        return 0
    if proxy is not None and len(chosen) == 1:
        say(_difference(chosen[0]["proxy"], file, state_dir))
    else:
        say(verbose_table(chosen, datetime.now(UTC)) if verbosity else brief_table(chosen))
    for text in refusals(chosen):
        say(text)
    return 0


def _chosen(client: ApiClient, text: str | None, namespace: str | None) -> list[Json]:
    """The proxies that are meant: all of them, or those of one pod, or whose names begin so."""
    proxies: list[Json] = client.get("/debug/syncz")["items"]
    chosen = [each for each in proxies if _is_meant(each["proxy"], text, namespace)]
    if text is None or chosen:
        return chosen
    pod = resolve(client, text, namespace)
    name = f"{pod['metadata']['name']}.{pod['metadata']['namespace']}"
    chosen = [each for each in proxies if each["proxy"] == name]
    if not chosen:
        known = ", ".join(each["proxy"] for each in proxies) or "none"
        reason = f"has no Envoy: {without_envoy(pod)}" if without_envoy(pod) else "is not connected"
        raise Failure(f"pod {name} {reason}; connected are: {known}")
    return chosen


def _difference(name: str, file: str | None, state_dir: Path | None) -> str:
    """Of one proxy: what it is offered, beside what its Envoy has or a dump says."""
    pod, _, namespace = name.rpartition(".")
    held = Source(pod, file, namespace, state_dir, ADMIN_PORT).dump()
    with mesh(state_dir) as client:
        return compared(client.get("/debug/config_dump", {"proxyID": name}), held)


def _is_meant(name: str, wanted: str | None, namespace: str | None) -> bool:
    pod, _, within = name.rpartition(".")
    if namespace is not None and within != namespace:
        return False
    return wanted is None or name == wanted or pod == wanted or pod.startswith(f"{wanted}-")


def brief_table(proxies: Sequence[Json]) -> str:
    """NAME, CLUSTER, ISTIOD, VERSION, SUBSCRIBED TYPES, sorted by name."""
    rows = [
        (each["proxy"], each.get("cluster_id", ""), _CONTROL_PLANE, each.get("istio_version", ""), _types(each))
        for each in proxies
    ]
    return table(("NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED TYPES"), rows)


def _types(proxy: Json) -> str:
    found = [SHORT_NAMES.get(url, url) for url in sorted(proxy.get("resources", {}))]
    listed = [name for name in _FIRST if name in found] + [name for name in found if name not in _FIRST]
    return f"{len(listed)} ({','.join(listed)})" if listed else "0"


def verbose_table(proxies: Sequence[Json], now: datetime) -> str:
    """NAME, CLUSTER, a column for each type, ISTIOD, VERSION, sorted by name."""
    seen = {url for each in proxies for url in each.get("resources", {})}
    urls = sorted(url for url in {*SHORT_NAMES, *seen} if SHORT_NAMES.get(url) in _ALWAYS or url in seen)
    columns = ("NAME", "CLUSTER", *(SHORT_NAMES.get(url, url) for url in urls), "ISTIOD", "VERSION")
    rows = [
        (
            each["proxy"],
            each.get("cluster_id", ""),
            *(state(each.get("resources", {}).get(url), now) for url in urls),
            _CONTROL_PLANE,
            each.get("istio_version", ""),
        )
        for each in proxies
    ]
    return table(columns, rows)


def state(resource: Json | None, now: datetime) -> str:
    """One cell: the state of a type of a proxy, with the time since it was last sent something."""
    if resource is None:
        return "IGNORED"
    sent = resource.get("sentTime")
    return f"{word_for(resource)} ({age(sent, now)})" if sent else word_for(resource)


def refusals(proxies: Sequence[Json]) -> list[str]:
    """What proxies refused, and which objects are behind it."""
    found = []
    for each in proxies:
        for url, resource in each.get("resources", {}).items():
            if resource.get("lastError"):
                names = ", ".join(resource.get("refused", [])) or "the last response"
                causes = f" (made from {', '.join(resource['causes'])})" if resource.get("causes") else ""
                place = f"{each['proxy']} {SHORT_NAMES.get(url, url)}"
                found.append(f"{place}: refused {names}{causes}: {resource['lastError']}")
    return found
