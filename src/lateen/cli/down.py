"""`lateen down`: stops the running mesh and waits until nothing of it is left."""

import os
import select
import signal
from pathlib import Path

import click

from lateen.cli.connection import of_root, state_directory, state_option
from lateen.cli.output import Failure, say, warn
from lateen.local_runtime.api.client import ApiClient, ApiFailure, NotRunning


@click.command("down")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds to wait for its end."
)
@state_option
def command(timeout: float, state_dir: Path | None) -> None:
    """Stop the mesh and wait until nothing of it is left.

    One that does not answer, as it has only begun to start, is told by a signal; one that does not end is killed, and
    leaves nothing either.
    """
    state = state_directory(state_dir)
    if state.is_closed():
        raise Failure(f"{state.root} may only be entered by its owner: use the user (or sudo) that started the mesh")
    pid = state.holder()
    if not pid:
        state.sweep_unless_held()
        say(f"no mesh is running here ({state.root}){of_root(state)}")
        return
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        say("the mesh is down")
        return
    try:
        ApiClient(state.api_socket).request("POST", "/lateen/v1/shutdown")
    except (NotRunning, ApiFailure, OSError):
        signal.pidfd_send_signal(process, signal.SIGTERM)
    if not select.select([process], [], [], timeout)[0]:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        warn(f"the mesh (pid {pid}) had not ended after {timeout:g} s and was killed; its log: {state.log}")
        select.select([process], [], [])
        state.sweep_unless_held()
    say("the mesh is down")
