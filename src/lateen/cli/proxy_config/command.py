"""`lateen proxy-config listener|route|cluster|endpoint|bootstrap POD`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from lateen.cli.connection import namespace_option, state_option
from lateen.cli.output import Format, rendered, say, table
from lateen.cli.proxy_config import clusters, dump, endpoints, listeners, routes
from lateen.cli.proxy_config.source import ADMIN_PORT, Source

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


def _common(function: F) -> F:
    options = (
        click.argument("pod", required=False, metavar="POD[.NAMESPACE]"),
        click.option("-f", "--file", metavar="FILE", help="Read Envoy's configuration dump from a file (- is stdin)."),
        click.option(
            "-o", "--output", type=click.Choice(["short", "json", "yaml"]), default="short", help="Output format."
        ),
        click.option("--proxy-admin-port", type=int, default=ADMIN_PORT, show_default=True, help="Envoy's admin port."),
        namespace_option,
        state_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


def _source(given: dict[str, Any]) -> Source:
    return Source(given["pod"], given["file"], given["namespace"], given["state_dir"], given["proxy_admin_port"])


def _show(output: str, found: Any, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    say(table(columns, rows) if output == "short" else rendered(found, Format(output)))


_SHORT_NAMES = {"c": "cluster", "l": "listener", "r": "route", "ep": "endpoint", "b": "bootstrap"}
_PLURALS = {f"{name}s": name for name in _SHORT_NAMES.values()}


class _Group(click.Group):
    """Also answers to istioctl's short names and plurals."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, (_SHORT_NAMES | _PLURALS).get(cmd_name, cmd_name))


@click.group("proxy-config", cls=_Group)
def command() -> None:
    """Show what the Envoy of a pod has: its listeners, routes, clusters, endpoints, or its bootstrap."""


@command.command("cluster")
@_common
@click.option("--fqdn", help="Only clusters of this host.")
@click.option("--direction", type=click.Choice(["inbound", "outbound"]), help="Only clusters of this direction.")
@click.option("--subset", help="Only clusters of this subset.")
@click.option("--port", type=int, help="Only clusters of this port.")
def cluster_command(
    fqdn: str | None, direction: str | None, subset: str | None, port: int | None, **given: Any
) -> None:
    """Clusters (c), with the DestinationRule behind each."""
    wanted = clusters.ClusterFilter(fqdn, direction, subset, port)
    found = [cluster for cluster in dump.clusters(_source(given).dump()) if wanted.admits(cluster)]
    _show(given["output"], found, clusters.COLUMNS, clusters.rows(found))


@command.command("listener")
@_common
@click.option("--address", help="Only listeners of this address.")
@click.option("--port", type=int, help="Only listeners of this port.")
@click.option("--type", "kind", help="Only listeners of this type: HTTP, TCP, HTTP+TCP, UNKNOWN.")
@click.option("--verbose/--no-verbose", default=True, help="Matches and destinations, or only types.")
def listener_command(address: str | None, port: int | None, kind: str | None, verbose: bool, **given: Any) -> None:
    """Listeners (l), with what each filter chain takes and where it leads."""
    wanted = listeners.ListenerFilter(address, port, kind)
    found = [listener for listener in dump.listeners(_source(given).dump()) if wanted.admits(listener)]
    if verbose:
        _show(given["output"], found, listeners.COLUMNS, listeners.rows(found))
    else:
        _show(given["output"], found, listeners.BRIEF_COLUMNS, listeners.brief_rows(found))


@command.command("route")
@_common
@click.option("--name", help="Only the route configuration of this name.")
@click.option("--verbose/--no-verbose", default=True, help="Virtual hosts and routes, or only how many.")
def route_command(name: str | None, verbose: bool, **given: Any) -> None:
    """Routes (r), with the VirtualService behind each."""
    found = [each for each in dump.routes(_source(given).dump()) if name is None or each.get("name") == name]
    if verbose:
        _show(given["output"], found, routes.COLUMNS, routes.rows(found))
    else:
        _show(given["output"], found, routes.BRIEF_COLUMNS, routes.brief_rows(found))


@command.command("endpoint")
@_common
@click.option("--address", help="Only endpoints of this address.")
@click.option("--port", type=int, help="Only endpoints of this port.")
@click.option("--cluster", help="Only endpoints of this cluster.")
@click.option("--status", help="Only endpoints of this status, such as healthy.")
def endpoint_command(
    address: str | None, port: int | None, cluster: str | None, status: str | None, **given: Any
) -> None:
    """Endpoints (ep), with their health as this Envoy sees it."""
    wanted = endpoints.EndpointFilter(address, port, cluster, status)
    source = _source(given)
    if source.file is not None:
        assignments = dump.endpoints(source.dump())
        _show(given["output"], assignments, endpoints.DUMP_COLUMNS, endpoints.dump_rows(assignments, wanted))
        return
    live = source.live_clusters()
    statuses = live.get("cluster_statuses", [])
    found = [each for each in statuses if cluster is None or each["name"] == cluster]
    _show(given["output"], found, endpoints.COLUMNS, endpoints.live_rows(live, wanted))


@command.command("bootstrap")
@_common
def bootstrap_command(**given: Any) -> None:
    """The bootstrap (b) that the Envoy was started with: JSON, or its versions with `-o short`."""
    found = dump.section(_source(given).dump(), "BootstrapConfigDump").get("bootstrap", {})
    explicit = click.get_current_context().get_parameter_source("output") is not click.core.ParameterSource.DEFAULT
    if given["output"] == "short" and explicit:
        node = found.get("node", {})
        build = node.get("user_agent_build_version", {}).get("version", {})
        version = ".".join(str(build.get(part, 0)) for part in ("major_number", "minor_number", "patch"))
        say(f"Istio Version:       {node.get('metadata', {}).get('ISTIO_VERSION', '')}")
        say(f"Istio Proxy Version: {node.get('metadata', {}).get('ISTIO_PROXY_SHA', '')}")
        say(f"Envoy Version:       {version}")
        return
    say(rendered(found, Format.YAML if given["output"] == "yaml" else Format.JSON))
