"""`lateen up`: starts the mesh in a process of its own, shows it starting, and stays in front of it unless detached."""

import sys
import time
from pathlib import Path
from typing import Final

import click

from lateen.cli.connection import state_directory, state_option
from lateen.cli.mesh_process import MeshProcess
from lateen.cli.output import Colour, Failure, coloured, note, say
from lateen.cli.startup import Outcome
from lateen.cli.startup_display import display
from lateen.cli.startup_watcher import Watcher

_LOOK_SECONDS: Final = 0.1
_IDLE_LOOK_SECONDS: Final = 1.0


@click.command("up")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option("-d", "--detach", is_flag=True, help="Leave it running in the background once it is ready.")
@click.option(
    "--images",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Catalogue that says which program of this machine an image stands for. May be repeated.",
)
@click.option(
    "--publish",
    multiple=True,
    metavar="[ADDRESS:]PORT[:TARGET]",
    help="Port of this machine that leads to the gateway.  [default: 8080 on 127.0.0.1]",
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=180.0, show_default=True, help="Seconds to wait for all pods."
)
@state_option
def command(
    paths: tuple[Path, ...],
    detach: bool,
    images: tuple[Path, ...],
    publish: tuple[str, ...],
    timeout: float,
    state_dir: Path | None,
) -> int:
    """Bring the manifests at PATH (files and directories) up as a mesh on this machine.

    Files are watched: an edit takes effect at once. Ctrl-C takes the mesh down, unless it was detached.
    """
    state = state_directory(state_dir)
    orders = {
        "paths": [str(path.absolute()) for path in paths],
        "images": [str(path.absolute()) for path in images],
        "publish": list(publish),
        "state_dir": str(state.root),
    }
    mesh = MeshProcess(state, orders, detach)
    try:
        code = _follow(mesh, detach, timeout)
    except KeyboardInterrupt:
        if detach:
            note("\nit goes on starting in the background; see `lateen ps`, stop it with `lateen down`")
            return 130
        mesh.take_down()
        return 0
    return code


def _follow(mesh: MeshProcess, detach: bool, timeout: float) -> int:
    mesh.await_start()
    shown = display()
    watcher = Watcher(mesh.client, shown)
    try:
        outcome = _await_ready(mesh, watcher, time.monotonic() + timeout)
    finally:
        shown.close()
    _conclude(watcher, outcome, detach, timeout)
    if detach:
        return 0 if outcome is Outcome.READY and not watcher.info.get("refused") else 1
    while not mesh.ends_within(_IDLE_LOOK_SECONDS):
        watcher.look(quiet=True)
    if code := mesh.process.wait():
        raise Failure(f"the mesh broke (exit code {code}):\n{mesh.last_words()}")
    note("the mesh was taken down")
    return 0


def _await_ready(mesh: MeshProcess, watcher: Watcher, deadline: float) -> Outcome:
    while True:
        outcome = watcher.look()
        if outcome is not Outcome.STARTING or time.monotonic() > deadline:
            return outcome
        if mesh.ended():
            raise Failure(f"the mesh ended while it started (exit code {mesh.process.wait()}):\n{mesh.last_words()}")
        time.sleep(_LOOK_SECONDS)


def _conclude(watcher: Watcher, outcome: Outcome, detach: bool, timeout: float) -> None:
    match outcome:
        case Outcome.READY:
            count = len(watcher.progress.pods)
            say(coloured("1 pod is ready" if count == 1 else f"{count} pods are ready", Colour.GREEN))
        case Outcome.FAILED:
            names = [f"{pod.namespace}/{pod.name}" for pod in watcher.progress.pods if pod.trouble]
            names += [f"{each.namespace}/{each.name} ({each.reason})" for each in watcher.progress.missing]
            note(coloured(f"failed: {', '.join(names)}; the rest runs", Colour.RED, sys.stderr))
        case Outcome.STARTING:
            late = [f"{p.namespace}/{p.name} (waits for {p.waits_for})" for p in watcher.progress.pods if not p.is_up]
            note(coloured(f"not ready after {timeout:g} s: {', '.join(late)}", Colour.RED, sys.stderr))
    for url in watcher.info.get("published") or []:
        say(f"  published: {coloured(str(url), Colour.BOLD)}")
    say("  stop it with: lateen down" if detach else "  stop it with: Ctrl-C")
