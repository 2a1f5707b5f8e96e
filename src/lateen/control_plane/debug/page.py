"""One page: what was asked for, what is answered, and how a value becomes text.

Pages are plain functions of what the control plane knows. A value may have leaves that are still to be made (`later`),
so that what is costly, Envoy's messages as JSON, keeps nobody from being served: `rendered` runs in a thread.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from lateen.config.store import ConfigStore
from lateen.control_plane.publisher import Publisher
from lateen.sources.handover import Page

Json = dict[str, Any]

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

later = partial
"""Makes a leaf of a function and arguments that will never change."""


class Known(msgspec.Struct, frozen=True):
    """All that pages are made of."""

    publisher: Publisher
    store: ConfigStore


class PageError(Exception):
    """A page that there is not, or not for this query; the text says what would be right."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @property
    def page(self) -> Page:
        return Page(self.status, TEXT, f"{self}\n")


class Query(msgspec.Struct, frozen=True):
    """Parameters by name; of several of one name the last counts. One without a value is there, and empty."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "Query":
        """Reads what follows the question mark."""
        return cls(dict(parse_qsl(text, keep_blank_values=True)))

    def has(self, name: str) -> bool:
        """Whether a switch is on: there, and not said to be false."""
        return self.values.get(name, "false").lower() != "false"

    def get(self, name: str) -> str:
        return self.values.get(name, "")


Function = Callable[[Known, Query], Any]


def rendered(value: Any, *, pretty: bool) -> Page:
    """The page of a value; text stays as it is. May run in any thread, and for long."""
    if isinstance(value, str):
        return Page(200, TEXT, value)
    encoded = msgspec.json.encode(value, enc_hook=_made)
    return Page(200, JSON, (msgspec.json.format(encoded, indent=2) if pretty else encoded).decode() + "\n")


def _made(value: Any) -> Any:
    return value() if isinstance(value, partial) else str(value)
