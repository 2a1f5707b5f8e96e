"""The group of all commands: help from the table in `__main__`, modules imported on first use."""

import importlib
from typing import Any

import click

import lateen as package
from lateen.cli.__main__ import PROGRAMS, SECTIONS, Entry


def _entries() -> dict[str, Entry]:
    return {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """Commands of the table. A mistyped name is answered with the nearest ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return [*_entries(), *(name for name, program in PROGRAMS.items() if program.help)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        entries = _entries()
        aliases = {alias: name for name, entry in entries.items() for alias in entry.aliases}
        entry = entries.get(aliases.get(cmd_name, cmd_name))
        if entry is None:
            return None
        command = importlib.import_module(f"lateen.cli.{entry.module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        programs = {name: Entry("", program.help) for name, program in PROGRAMS.items() if program.help}
        for title, section in {**SECTIONS, "Programs inside pods": programs}.items():
            with formatter.section(title):
                rows = [(", ".join((name, *entry.aliases)), entry.help) for name, entry in section.items()]
                formatter.write_dl(rows, col_max=24)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package.__version__, "--version", message="%(version)s")
def lateen(**_: Any) -> None:
    """A service mesh that speaks Istio's API and drives stock Envoy, on this machine or on Kubernetes.

    Start with:  lateen up ./manifests
    """
