"""`lateen logs`: what a container wrote."""

import sys
from pathlib import Path

import click

from lateen.cli.connection import mesh, namespace_option, state_option
from lateen.cli.pod_arguments import resolve
from lateen.local_runtime.api.client import Query, object_path


@click.command("logs")
@click.argument("pod")
@click.option("-c", "--container", metavar="NAME", help="Container.  [default: the application's]")
@click.option("-f", "--follow", is_flag=True, help="Go on as it writes more.")
@click.option("--tail", type=click.IntRange(min=0), metavar="LINES", help="Only the last lines.")
@click.option("-p", "--previous", is_flag=True, help="The run before the last restart.")
@namespace_option
@state_option
def command(
    pod: str,
    container: str | None,
    follow: bool,
    tail: int | None,
    previous: bool,
    namespace: str | None,
    state_dir: Path | None,
) -> None:
    """Show what a container of POD wrote.

    POD is POD[.NAMESPACE], the beginning of a name that fits one pod, deploy/NAME or svc/NAME.
    """
    with mesh(state_dir) as client:
        found = resolve(client, pod, namespace)["metadata"]
        query: dict[str, str | int | bool] = {"follow": follow, "previous": previous}
        if container:
            query["container"] = container
        if tail is not None:
            query["tailLines"] = tail
        asked: Query = query
        for piece in client.stream(object_path("v1", "pods", found["namespace"], found["name"], "log"), asked):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
