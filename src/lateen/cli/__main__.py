"""The `lateen` command: a table of commands, each in a file of its own that is imported only when it is called.

Programs get their arguments as they are and load nothing of the command line: containers run them, and memory counts.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

WRONG_USAGE: Final = 64
FAILED: Final = 1
INTERRUPTED: Final = 130


class Entry(NamedTuple):
    """A command: where it lives, and its line of help. Its module has it as `command`."""

    module: str
    help: str
    aliases: tuple[str, ...] = ()


class Program(NamedTuple):
    """A command that reads its own arguments: `function` of `module` takes them and returns the exit code."""

    module: str
    function: str
    help: str = ""


SECTIONS: Final[dict[str, dict[str, Entry]]] = {
    "The mesh on this machine": {
        "up": Entry("up", "Bring manifests up as a mesh on this machine."),
        "down": Entry("down", "Stop the mesh and wait until nothing of it is left."),
        "ps": Entry("ps", "List pods: ready, status, restarts, address, sync state."),
        "logs": Entry("logs", "Show what a container wrote."),
        "exec": Entry("exec", "Run a command in a container."),
        "apply": Entry("apply", "Write objects of files into the running mesh."),
        "delete": Entry("delete", "Remove objects from the running mesh."),
    },
    "What it comes to": {
        "analyze": Entry(
            "analyze.command", "Find what is wrong or without effect in manifests or in the running mesh."
        ),
        "proxy-config": Entry("proxy_config.command", "Show what the Envoy of a pod has.", ("pc",)),
        "proxy-status": Entry("proxy_status", "Show how far each proxy is with what it should have."),
        "translate": Entry("translate", "Show what manifests mean for one proxy, without running anything."),
    },
    "Injection": {
        "kube-inject": Entry("kube_inject", "Put the sidecar into the workloads of a file."),
        "check-inject": Entry(
            "check_inject", "Show whether pods are injected, which rule decides, and what would change it."
        ),
    },
    "The control plane by itself": {
        "control-plane": Entry("control_plane", "Serve proxies over xDS from a directory of configuration."),
    },
    "Everything else": {
        "version": Entry("version", "Versions of this program, the control plane and the proxies."),
    },
}

PROGRAMS: Final[dict[str, Program]] = {
    "agent": Program("agent", "main", "Run the proxy of a pod (the entry point of the proxy's container)."),
    "iptables": Program("iptables", "run", "Program traffic interception in this network namespace."),
    "supervise": Program("supervise", "main"),
}
"""Those without a line of help are not for people to call."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 for any failure, 64 for wrong usage, or the command's own."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if argv and (program := PROGRAMS.get(argv[0])) is not None:
            code = int(getattr(_module(program.module), program.function)(argv[1:]))
        else:
            code = _run(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be told, nor flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    return code


def _run(argv: list[str]) -> int:
    import click

    from lateen.cli.commands import lateen
    from lateen.cli.output import Failure, complain

    try:
        result = lateen.main(argv, prog_name="lateen", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 0
    except click.UsageError as error:
        error.show()
        return WRONG_USAGE
    except (Failure, click.ClickException) as error:
        complain(error.format_message() if isinstance(error, click.ClickException) else str(error))
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _module(name: str) -> object:
    return importlib.import_module(f"lateen.cli.{name}")


if __name__ == "__main__":
    sys.exit(main())
