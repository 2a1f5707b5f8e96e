"""The running mesh that a command talks to: its options, and its failures in words."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from lateen.cli.output import Failure, Format
from lateen.local_runtime.api.client import TIMEOUT_SECONDS, ApiClient, ApiFailure, NotRunning
from lateen.local_runtime.state_directory import OfAnotherUser, StateDirectory

F = TypeVar("F", bound=Callable[..., Any])

state_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="State directory of the mesh.  "
    "[default: /run/lateen for root, else lateen in $XDG_RUNTIME_DIR, else /tmp/lateen-UID]",
)
namespace_option = click.option("-n", "--namespace", metavar="NAMESPACE", help="Namespace of what is named.")


def output_option(*forms: Format, default: Format | None = None) -> Callable[[F], F]:
    """`-o`, with these values."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([form.value for form in forms]),
        default=default.value if default else None,
        callback=lambda _context, _option, value: Format(value) if value else None,
        help="Output format.",
    )


def state_directory(named: Path | None) -> StateDirectory:
    """Raises `Failure` for one that another user made."""
    state = StateDirectory(named.absolute()) if named else StateDirectory.default()
    try:
        state.check_owner()
    except OfAnotherUser as error:
        raise Failure(str(error)) from None
    return state


def of_root(state: StateDirectory) -> str:
    """For somebody who finds no mesh and may have meant one that was started with sudo: a hint, or nothing."""
    theirs = StateDirectory.of_root()
    meant = os.geteuid() != 0 and state.root == StateDirectory.default().root != theirs.root and theirs.root.exists()
    return f"; for root's, in {theirs.root}, use sudo" if meant else ""


@contextmanager
def mesh(state_dir: Path | None, timeout: float = TIMEOUT_SECONDS) -> Iterator[ApiClient]:
    """A client of the running mesh; what it refuses, and that none runs, ends the command with words.

    `timeout` is how many seconds it may be silent.
    """
    state = state_directory(state_dir)
    client = ApiClient(state.api_socket, timeout)
    try:
        yield client
    except NotRunning as error:
        raise Failure(f"{error}{of_root(state)}") from error
    except ApiFailure as error:
        raise Failure(str(error)) from error
    except TimeoutError as error:
        raise Failure(f"the mesh has not answered within {timeout:g} s") from error
    finally:
        client.close()
