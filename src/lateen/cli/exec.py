"""`lateen exec`: a command in a container, with this terminal's streams."""

import os
import sys
from pathlib import Path

import click

from lateen.cli.connection import mesh, namespace_option, state_option
from lateen.cli.output import Failure
from lateen.cli.pod_arguments import resolve
from lateen.local_runtime.api.client import object_path


@click.command("exec", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True})
@click.argument("pod")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
@click.option("-c", "--container", metavar="NAME", help="Container.  [default: the application's]")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="With a terminal.")
@namespace_option
@state_option
def command(
    pod: str,
    argv: tuple[str, ...],
    container: str | None,
    stdin: bool,
    tty: bool,
    namespace: str | None,
    state_dir: Path | None,
) -> int:
    """Run a command in a container of POD; its exit code is passed on.

    POD is POD[.NAMESPACE], the beginning of a name that fits one pod, deploy/NAME or svc/NAME.
    """
    if tty and not os.isatty(0):
        raise Failure("-t needs a terminal on standard input; leave it out")
    with mesh(state_dir) as client:
        found = resolve(client, pod, namespace)["metadata"]
        from lateen.local_runtime.api.exec_client import run

        sys.stdout.flush()
        path = object_path("v1", "pods", found["namespace"], found["name"], "exec")
        return run(client.path, path, argv, container=container, stdin=stdin, tty=tty)
