"""The frame of analysis: an analyzer is a function from a view to messages, with a name by which it is run alone."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import Resource
from lateen.analysis.view import View
from lateen.config.objects import Origin
from lateen.config.problems import Path, render

SUPPRESS: Final = "galley.istio.io/analyze-suppress"
"""Annotation: codes of messages that are not to be given about the object, or `*`."""


class Message(msgspec.Struct, frozen=True, eq=False):
    """One finding. `text` says what follows from it in this mesh, then what mends it; `path` is the field concerned.

    `resource` is None only for what concerns no object, a bug of an analyzer.
    """

    type: MessageType
    resource: Resource | None
    path: Path
    text: str

    @property
    def origin(self) -> Origin | None:
        """Where the field is written."""
        return self.resource.place(self.path) if self.resource else None

    @property
    def about(self) -> str:
        """The object, as `Kind name` or `Kind namespace/name`."""
        return str(self.resource.ref) if self.resource else ""

    @property
    def order(self) -> tuple[int, str, tuple[str, str, str], str]:
        """Worst first, then by code, object and text."""
        ref = self.resource.ref if self.resource else None
        where = (ref.kind, ref.namespace, ref.name) if ref else ("", "", "")
        return (self.type.level, self.type.code, where, self.text)

    def told_at(self, origin: Origin) -> str:
        """For people who do not know the object's text by heart: place, object, field, text and code."""
        parts = [str(origin), self.about, render(self.path), f"{self.text} [{self.type.code}]"]
        return ": ".join(part for part in parts if part)


class Analyzer(msgspec.Struct, frozen=True):
    """`name` is Istio's where Istio has the analyzer. One that is not `default` is run only when it is named."""

    name: str
    description: str
    types: tuple[MessageType, ...]
    run: Callable[[View], Iterable[Message]]
    default: bool = True


def findings(analyzer: Analyzer, view: View) -> Iterator[Message]:
    """What one analyzer says, without what objects suppress. A bug in it costs its messages, not those of others."""
    try:
        for message in analyzer.run(view):
            if not _is_suppressed(message):
                yield message
    except Exception as error:
        text = f"{analyzer.name} stopped because of a bug in lateen: {type(error).__name__}: {error}"
        yield Message(MessageType.InternalError, None, (), text)


def analyze(view: View, analyzers: Iterable[Analyzer]) -> list[Message]:
    """What the analyzers say, in order, equal messages once."""
    found = {message.order: message for analyzer in analyzers for message in findings(analyzer, view)}
    return [found[order] for order in sorted(found)]


def _is_suppressed(message: Message) -> bool:
    if message.resource is None or not (stated := message.resource.annotations.get(SUPPRESS)):
        return False
    codes = {code.strip() for code in stated.split(",")}
    return "*" in codes or message.type.code in codes
