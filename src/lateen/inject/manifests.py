"""A file of documents in, the same file with every workload injected out: all of `kube-inject` but its flags.

Documents of other kinds, and comments between documents, pass through byte for byte.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from lateen.config.documents import Malformed, parse_whole, split
from lateen.inject.errors import InjectionError
from lateen.inject.inject import Skipped
from lateen.inject.reasons import Change, explain
from lateen.inject.settings import Settings
from lateen.inject.workloads import is_known, name_of, question, rewritten, workloads_of
from lateen.inject.yaml_text import yaml_text

SEPARATOR: Final = "---\n"

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_BARE_MARKER: Final = re.compile(r"---[ \t\r]*\n?")


class Manifests(msgspec.Struct, frozen=True):
    """The text with what was injected, and one warning for each workload that was not."""

    text: str
    warnings: tuple[str, ...]


def injected(text: str, settings: Settings) -> Manifests:
    """Each document of the text, followed by a separator. Raises `InjectionError` at the first that is wrong, with its
    line."""
    texts: list[str] = []
    warnings: list[str] = []
    for piece, above in _pieces(text):
        documents = parse_whole(piece)
        if isinstance(documents, Malformed):
            raise InjectionError(f"line {above + documents.line}: column {documents.column}: {documents.message}")
        if not any(is_known(document.raw) for document in documents):
            texts.append(piece if piece.endswith("\n") else piece + "\n")
            continue
        for document in documents:
            try:
                result = rewritten(document.raw, settings) if is_known(document.raw) else None
            except InjectionError as error:
                raise InjectionError(f"line {above + document.line}: {error}") from error
            texts.append(yaml_text(result.object if result else document.raw))
            warnings += result.warnings if result else ()
    return Manifests("".join(each + SEPARATOR for each in texts), tuple(warnings))


class Explanation(msgspec.Struct, frozen=True):
    """What injection does to the pods of one workload and why, or why it leaves them as they are (`skipped`)."""

    workload: str
    line: int
    changes: tuple[Change, ...]
    skipped: str


def explained(text: str, settings: Settings) -> list[Explanation]:
    """One for each workload of the text. Raises `InjectionError` at the first that is wrong, with its line."""
    found = []
    documents = parse_whole(text)
    if isinstance(documents, Malformed):
        raise InjectionError(f"line {documents.line}: column {documents.column}: {documents.message}")
    for document in documents:
        try:
            for workload in workloads_of(document.raw):
                result = explain(*question(workload, settings))
                changes, skipped = ((), result.reason) if isinstance(result, Skipped) else (result, "")
                found.append(Explanation(name_of(workload), document.line, changes, skipped))
        except InjectionError as error:
            raise InjectionError(f"line {document.line}: {error}") from error
    return found


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """Documents and what stands between them, without bare markers, and how many lines are above each."""
    lines = _LINES.findall(text.removeprefix("\ufeff"))
    done = 0
    for chunk in split(text):
        if between := _between(lines[done : chunk.above]):
            yield between, done
        done = chunk.above + len(_LINES.findall(chunk.text))
        first, *rest = _LINES.findall(chunk.text)
        bare = _BARE_MARKER.fullmatch(first) is not None
        yield ("".join(rest), chunk.above + 1) if bare else (chunk.text, chunk.above)
    if between := _between(lines[done:]):
        yield between, done


def _between(lines: list[str]) -> str:
    kept = "".join(line for line in lines if not _BARE_MARKER.fullmatch(line))
    return kept if kept.strip() else ""
