"""`lateen down`: stops the running mesh and waits until nothing of it is left."""

import os
import select
from pathlib import Path

import click

from lateen.cli.connection import mesh, of_root, state_directory, state_option
from lateen.cli.output import Failure, say


@click.command("down")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds to wait for its end."
)
@state_option
def command(timeout: float, state_dir: Path | None) -> None:
    """Stop the mesh and wait until nothing of it is left."""
    state = state_directory(state_dir)
    if state.is_closed():
        raise Failure(f"{state.root} may only be entered by its owner: use the user (or sudo) that started the mesh")
    pid = state.holder()
    if not pid:
        say(f"no mesh is running here ({state.root}){of_root(state)}")
        return
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        say("the mesh is down")
        return
    with mesh(state_dir) as client:
        client.request("POST", "/lateen/v1/shutdown")
    if not select.select([process], [], [], timeout)[0]:
        raise Failure(f"the mesh (pid {pid}) has not ended after {timeout:g} s; its log: {state.log}")
    say("the mesh is down")
