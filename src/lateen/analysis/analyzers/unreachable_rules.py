"""Rules of a VirtualService that can never apply, and matches that an earlier one takes everything from."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import Resource
from lateen.analysis.view import View
from lateen.config.kinds.virtual_service import (
    HTTPMatchRequest,
    HTTPRoute,
    L4MatchAttributes,
    TCPRoute,
    TLSMatchAttributes,
    TLSRoute,
    VirtualService,
)
from lateen.config.problems import Path, render

_Match = HTTPMatchRequest | TLSMatchAttributes | L4MatchAttributes
_Rule = HTTPRoute | TLSRoute | TCPRoute
_FREE: Final = ("name", "uri", "ignore_uri_case")
"""Fields of an HTTP match that are not compared one by one: a name matches nothing, URIs are compared by prefix."""


def rules(view: View) -> Iterator[Message]:
    """Source: Istio's validation of VirtualServices, its warnings."""
    for resource in view.all((VirtualService.GROUP, VirtualService.KIND)):
        if isinstance(found := resource.object, VirtualService):
            spec = found.spec
            fields: tuple[tuple[str, Sequence[_Rule]], ...] = (
                ("http", spec.http),
                ("tls", spec.tls),
                ("tcp", spec.tcp),
            )
            for field, written in fields:
                yield from _without_match(resource, field, written)
                yield from _without_effect(resource, field, written)


def _without_match(resource: Resource, field: str, written: Sequence[_Rule]) -> Iterator[Message]:
    for position, rule in enumerate(written[:-1]):
        if not rule.match:
            text = (
                f"rules after {render(('spec', field, position))} never apply, as it has no match and so takes "
                "everything; make it the last one, or give it a match"
            )
            yield Message(MessageType.VirtualServiceUnreachableRule, resource, ("spec", field, position + 1), text)


class _Seen:
    """The matches above, each by what it asks for."""

    def __init__(self) -> None:
        self._equal: dict[bytes, Path] = {}
        self._prefixes: list[tuple[Path, HTTPMatchRequest]] = []

    def equal(self, match: _Match) -> Path | None:
        return self._equal.get(_asked(match))

    def covering(self, match: _Match) -> Path | None:
        if not isinstance(match, HTTPMatchRequest) or match.uri is None or match.uri.prefix is None:
            return None
        return next((path for path, other in self._prefixes if _covers(other, match)), None)

    def add(self, path: Path, match: _Match) -> None:
        self._equal.setdefault(_asked(match), path)
        if isinstance(match, HTTPMatchRequest) and match.uri is not None and match.uri.prefix is not None:
            self._prefixes.append((path, match))


def _asked(match: _Match) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(match, name=None) if hasattr(match, "name") else match)


def _covers(earlier: HTTPMatchRequest, later: HTTPMatchRequest) -> bool:
    """Whether the earlier prefix begins the later one, and the later match asks for all that the earlier one does."""
    assert earlier.uri is not None  # only matches with a prefix are compared
    assert later.uri is not None
    if (
        not str(later.uri.prefix).startswith(str(earlier.uri.prefix))
        or earlier.ignore_uri_case != later.ignore_uri_case
    ):
        return False
    named = (field for field in HTTPMatchRequest.__struct_fields__ if field not in _FREE)
    return all(not (wanted := getattr(earlier, field)) or wanted == getattr(later, field) for field in named)


def _without_effect(resource: Resource, field: str, written: Sequence[_Rule]) -> Iterator[Message]:
    """Matches that an earlier one makes useless, and rules all of whose matches earlier rules have."""
    seen = _Seen()
    for position, rule in enumerate(written):
        path: Path = ("spec", field, position)
        doubles = 0
        matches: Sequence[_Match] = rule.match
        for number, match in enumerate(matches):
            here: Path = (*path, "match", number)
            double = seen.equal(match)
            doubles += double is not None and double[:3] != path
            if (earlier := double or seen.covering(match)) is not None:
                other = render(earlier)
                text = f"{render(here)} never applies, as {other} takes all that it would; remove it, or move it up"
                yield Message(MessageType.VirtualServiceIneffectiveMatch, resource, here, text)
            seen.add(here, match)
        if rule.match and doubles == len(rule.match):
            text = f"{render(path)} never applies, as earlier rules have all of its matches; remove it, or move it up"
            yield Message(MessageType.VirtualServiceUnreachableRule, resource, path, text)
