"""YAML and JSON text to documents: plain mappings, and the line of any field when a message needs it.

A file is split into chunks at its `---` lines, so that a source can keep what it knows of the chunks that did not
change. Lines are found by a second pass over the text of a chunk, as only a message asks for them.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from lateen.config.problems import Path
from lateen.config.yaml_explanations import explain
from lateen.config.yaml_scalars import Scalar, as_key, plain

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKER = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_ONLY_PREAMBLE = re.compile(r"(\s*(%.*|#.*)?(\n|$))*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_STANDARD_TAGS = "tag:yaml.org,2002:"
MAX_DEPTH = 100
MAX_NODES = 1_000_000
"""Nodes of one document with its aliases written out; more is taken for an attack on memory."""


class Malformed(msgspec.Struct, frozen=True):
    """Text that is not YAML, or not a document we can use. Line and column count from 1."""

    line: int
    column: int
    message: str


class YamlDocument(msgspec.Struct, frozen=True):
    """One object's mapping, not to be changed: it may be shared.

    `line` counts from 1 inside the chunk; `nth` document of the chunk; `within` is the path to an item of a `List`.
    """

    raw: dict[str, Any]
    line: int
    nth: int = 0
    within: Path = ()


class Chunk(msgspec.Struct, frozen=True):
    """A part of a file from one `---` to the next, and how many lines are above it."""

    text: str
    above: int


def split(text: str) -> tuple[Chunk, ...]:
    """The chunks of a file, those without content left out."""
    text = text.removeprefix("\ufeff")
    cuts = [0, *(m.start() for m in _MARKER.finditer(text)), len(text)]
    chunks: list[Chunk] = []
    above, start = 0, 0
    for end in cuts[1:]:
        part = text[start:end]
        body = part[3:] if part.startswith("---") else part
        if _ONLY_PREAMBLE.fullmatch(body):
            if "%" in body and end < len(text):
                continue
        else:
            chunks.append(Chunk(part, above))
        above += part.count("\n")
        start = end
    return tuple(chunks)


def parse(text: str) -> tuple[YamlDocument, ...] | Malformed:
    """The documents of a chunk, in order, lists of objects taken apart; empty documents are left out."""
    documents = parse_whole(text)
    if isinstance(documents, Malformed):
        return documents
    return tuple(item for document in documents for item in _items(document, text))


def parse_whole(text: str) -> tuple[YamlDocument, ...] | Malformed:
    """The documents of a chunk, in order, each as written; empty documents are left out."""
    try:
        return tuple(_read(text))
    except _Stop as stop:
        return stop.malformed
    except yaml.YAMLError as error:
        return Malformed(*explain(error))


def line_of(text: str, document: YamlDocument, path: Path) -> int:
    """The 1-based line, inside the chunk, of a field, or of the nearest one around it that is there."""
    lines = _lines(text, document.nth)
    full = (*document.within, *path)
    while full and full not in lines:
        full = full[:-1]
    return lines.get(full, document.line) if full else document.line


class _Stop(Exception):
    def __init__(self, event: Event, message: str) -> None:
        column = event.start_mark.column + 1 if event.start_mark else 1
        self.malformed = Malformed(_line(event), column, message)


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _read(text: str) -> Iterator[YamlDocument]:
    if text.lstrip().startswith("{") and (found := _read_json(text)):
        yield found
        return
    loader = _LOADER(text)
    try:
        nth = 0
        while not isinstance(event := loader.get_event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                first = loader.get_event()
                value = _Builder(loader.get_event).node(first)
                if value is not None:
                    if not isinstance(value, dict):
                        raise _Stop(first, "a document must be a mapping with `apiVersion`, `kind` and `metadata`")
                    yield YamlDocument(value, _line(first), nth)
                nth += 1
    finally:
        loader.dispose()


def _read_json(text: str) -> YamlDocument | None:
    """None where the text is not JSON, has a key twice or half a character: the YAML reader then says what is wrong."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(mapping := dict(pairs)) != len(pairs):
            raise ValueError
        return mapping

    try:
        raw = json.loads(text, object_pairs_hook=unique)
        if _SURROGATE.search(text):
            json.dumps(raw, ensure_ascii=False).encode()  # half a pair is no character: a ValueError too
    except (ValueError, RecursionError):
        return None
    return YamlDocument(raw, text[: len(text) - len(text.lstrip())].count("\n") + 1)


def _items(document: YamlDocument, text: str) -> Iterator[YamlDocument]:
    kind, items = document.raw.get("kind"), document.raw.get("items")
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        yield document
        return
    lines = _lines(text, document.nth)
    for position, item in enumerate(items):
        if isinstance(item, dict):
            within = ("items", position)
            yield YamlDocument(item, lines.get(within, document.line), document.nth, within)


class _Builder:
    """Values from events: mappings with text keys, each once; anchors, aliases and merge keys resolved."""

    def __init__(self, next_event: Callable[[], Event]) -> None:
        self._next = next_event
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._depth = 0
        self._nodes = 0

    def node(self, event: Event) -> Any:
        self._nodes += 1
        if type(event) is ScalarEvent:
            value: Any = _scalar(event)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            return value
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, MappingStartEvent | SequenceStartEvent)
        before = self._nodes
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Stop(event, f"nested more than {MAX_DEPTH} levels deep")
        value = self._mapping() if isinstance(event, MappingStartEvent) else self._sequence()
        self._depth -= 1
        if event.anchor:
            self._anchors[event.anchor] = (value, self._nodes - before + 1)
        return value

    def _alias(self, event: AliasEvent) -> Any:
        if event.anchor not in self._anchors:
            raise _Stop(event, f"`*{event.anchor}` refers to an anchor that is not complete above it")
        value, nodes = self._anchors[event.anchor]
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Stop(event, "too large with all its aliases written out")
        return value

    def _sequence(self) -> list[Any]:
        items = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self.node(event))
        return items

    def _mapping(self) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        keys: dict[str, Event] = {}
        merged: list[Any] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            key = _key(event)
            if key == "<<" and isinstance(event, ScalarEvent) and not event.style:
                merged.append((event, self.node(self._next())))
                continue
            if key in keys:
                lines = _line(event) - _line(keys[key])
                raise _Stop(event, f"the key `{key}` is already set {lines} lines above; keep one of the two")
            keys[key] = event
            mapping[key] = self.node(self._next())
        for event, sources in merged:
            _merge(mapping, event, sources)
        return mapping


def _merge(mapping: dict[str, Any], event: Event, sources: Any) -> None:
    """What the mapping sets itself wins, then the earlier of several sources. Source: YAML 1.1, merge key."""
    for source in sources if isinstance(sources, list) else [sources]:
        if not isinstance(source, dict):
            raise _Stop(event, "`<<` takes a mapping or a list of mappings")
        for key, value in source.items():
            mapping.setdefault(key, value)


def _key(event: Event) -> str:
    if not isinstance(event, ScalarEvent):
        raise _Stop(event, "a key must be plain text, not a mapping, list or alias")
    return as_key(_scalar(event))


def _scalar(event: ScalarEvent) -> Scalar:
    if event.tag is None:
        return plain(event.value) if event.implicit[0] else event.value
    match event.tag.removeprefix(_STANDARD_TAGS):
        case "str" | "binary" | "!":
            return event.value
        case "int" | "float" | "bool" | "null":
            return plain(event.value)
        case _:
            raise _Stop(event, f"the tag `{event.tag}` has no meaning here; write the value without it")


@lru_cache(maxsize=4)
def _lines(text: str, nth: int) -> dict[Path, int]:
    """The line of every key and list item of one document; nothing for text the YAML reader cannot take."""
    if text.lstrip().startswith("{"):  # JSON may have tabs and halves of characters, which YAML does not take
        text = _SURROGATES.sub(lambda found: json.loads(f'"{found[0]}"'), text.replace("\t", " "))
    loader = _LOADER(text)
    lines: dict[Path, int] = {}
    try:
        seen = -1
        while seen < nth:
            seen += isinstance(loader.get_event(), DocumentStartEvent)
        _note_lines(loader.get_event(), loader.get_event, (), lines)
    except yaml.YAMLError:
        return {}
    finally:
        loader.dispose()
    return lines


def _note_lines(event: Event, next_event: Callable[[], Event], path: Path, lines: dict[Path, int]) -> None:
    if isinstance(event, MappingStartEvent):
        while not isinstance(key := next_event(), MappingEndEvent):
            inner = (*path, _key(key))
            lines[inner] = _line(key)
            _note_lines(next_event(), next_event, inner, lines)
    elif isinstance(event, SequenceStartEvent):
        position = 0
        while not isinstance(item := next_event(), SequenceEndEvent):
            lines[*path, position] = _line(item)
            _note_lines(item, next_event, (*path, position), lines)
            position += 1
