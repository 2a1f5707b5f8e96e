"""What commands print: tables, JSON and YAML, colour on terminals only, and failures without tracebacks."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TextIO


class Failure(Exception):
    """Ends a command: the text is told as `Error: …`, and the exit code is 1."""


class Format(StrEnum):
    """Values of `-o`."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


class Colour(StrEnum):
    """SGR codes."""

    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BOLD = "1"
    DIM = "2"


def coloured(text: str, colour: Colour, stream: TextIO | None = None, wanted: bool | None = None) -> str:
    """The text in a colour where that is wanted, which is where the stream (standard output if None) is a terminal."""
    if wanted is None:
        wanted = (stream or sys.stdout).isatty()
    return f"\033[{colour.value}m{text}\033[0m" if wanted else text


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns under their titles, three spaces apart, as kubectl and istioctl print them."""
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def rendered(value: Any, form: Format) -> str:
    """The value as JSON or YAML."""
    if form is Format.YAML:
        import yaml

        return str(yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, default_flow_style=False)).rstrip()
    return json.dumps(value, indent=2)


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Something worth knowing that is not the command's result: to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def warn(text: str) -> None:
    note(f"{coloured('Warning:', Colour.YELLOW, sys.stderr)} {text}")


def complain(text: str) -> None:
    note(f"{coloured('Error:', Colour.RED, sys.stderr)} {text}")


def age(since: str | None, now: datetime) -> str:
    """The time since a timestamp of the API as kubectl writes it: `45s`, `3m12s`, `2h5m`, `3d`, or `<unknown>`."""
    if not since:
        return "<unknown>"
    seconds = max(0, int((now - datetime.fromisoformat(since.replace("Z", "+00:00"))).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"
