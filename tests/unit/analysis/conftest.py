"""Analyzers over YAML as users write it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from support.analysis import resources_of

from lateen.analysis.analyzer import Message, findings
from lateen.analysis.registry import BY_NAME
from lateen.analysis.view import Surroundings, View
from lateen.config.problems import render


class Said(NamedTuple):
    """A message in short."""

    code: str
    about: str
    line: int
    path: str
    text: str


def short(message: Message) -> Said:
    line = message.origin.line if message.origin else 0
    return Said(message.type.code, message.about, line, render(message.path), message.text)


@pytest.fixture
def view_of() -> Callable[..., View]:
    """The view of a YAML text; keywords are those of `Surroundings`."""
    return lambda text, **around: View(resources_of(text), Surroundings(**around))


@pytest.fixture
def said() -> Callable[..., list[Said]]:
    """What one analyzer says of a YAML text, in order; keywords are those of `Surroundings`."""

    def run(analyzer: str, text: str, **around: object) -> list[Said]:
        view = View(resources_of(text), Surroundings(**around))  # type: ignore[arg-type]
        return [short(message) for message in sorted(findings(BY_NAME[analyzer], view), key=lambda each: each.order)]

    return run
