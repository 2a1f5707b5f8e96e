"""Messages as istioctl prints them: a line each, or JSON and YAML with the same fields."""

from collections.abc import Sequence
from typing import Any

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import Level
from lateen.cli.output import Colour, coloured

_COLOURS = {Level.ERROR: Colour.RED, Level.WARNING: Colour.YELLOW, Level.INFO: Colour.DIM}


def line(message: Message, colour: bool | None) -> str:
    """`Warning [IST0103] (Pod default/web web.yaml:12) text`, with colour where that is wanted or fits the terminal."""
    level = coloured(str(message.type.level), _COLOURS[message.type.level], wanted=colour)
    where = " ".join(str(part) for part in (message.about, message.origin) if part)
    return f"{level} [{message.type.code}]{f' ({where})' if where else ''} {message.text}"


def fields(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """What `-o json` and `-o yaml` have of each message; empty fields are left out."""
    listed = (
        {
            "code": message.type.code,
            "documentationUrl": message.type.documentation,
            "level": str(message.type.level),
            "message": message.text,
            "origin": message.about,
            "reference": str(message.origin or ""),
        }
        for message in messages
    )
    return [{key: value for key, value in each.items() if value} for each in listed]
