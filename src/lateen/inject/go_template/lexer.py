"""Tokens of a template: the text between actions, and what stands in actions. Trim markers and comments end here."""

import re
from collections.abc import Generator, Iterator
from enum import Enum, auto

import msgspec

from lateen.inject.go_template.errors import Source

_OPEN, _CLOSE = "{{", "}}"
_TRIM_CLOSE = "-}}"
_BLANKS = " \t\r\n"
_COMMENT, _COMMENT_END = "/*", "*/"


class Kind(Enum):
    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    FIELD = auto()
    VARIABLE = auto()
    WORD = auto()
    NUMBER = auto()
    STRING = auto()
    RAW = auto()
    CHARACTER = auto()
    DOT = auto()
    DECLARE = auto()
    ASSIGN = auto()
    PIPE = auto()
    COMMA = auto()
    LEFT = auto()
    RIGHT = auto()
    END = auto()


class Token(msgspec.Struct, frozen=True):
    """`glued`: no blank stands before it, which is what makes `.A.B` one field and `.A .B` two."""

    kind: Kind
    text: str
    at: int
    glued: bool = False


_TOKEN = re.compile(
    r"""
    (?P<FIELD>\.[^\W\d]\w*)
    | (?P<VARIABLE>\$\w*)
    | (?P<NUMBER>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?))
    | (?P<WORD>[^\W\d]\w*)
    | (?P<DOT>\.)
    | (?P<STRING>"(?:[^"\\\n]|\\.)*")
    | (?P<RAW>`[^`]*`)
    | (?P<CHARACTER>'(?:[^'\\\n]|\\.[^'\n]*)')
    | (?P<DECLARE>:=)
    | (?P<ASSIGN>=)
    | (?P<PIPE>\|)
    | (?P<COMMA>,)
    | (?P<LEFT>\()
    | (?P<RIGHT>\))
    """,
    re.VERBOSE,
)
_BLANK_RUN = re.compile(f"[{_BLANKS}]+")


def tokens(source: Source) -> Iterator[Token]:
    """The tokens in order, `END` last. Raises `TemplateError`."""
    text, position, trims = source.text, 0, False
    while True:
        start = text.find(_OPEN, position)
        piece = text[position : len(text) if start < 0 else start]
        opens_with_trim = start >= 0 and text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in _SPACES
        if shown := _trimmed(piece, left=trims, right=opens_with_trim):
            yield Token(Kind.TEXT, shown, position)
        if start < 0:
            yield Token(Kind.END, "", len(text))
            return
        inside = start + (4 if opens_with_trim else 2)
        if text.startswith(_COMMENT, inside):
            position, trims = _comment_end(source, start, inside)
            continue
        yield Token(Kind.OPEN, _OPEN, start)
        position, trims = yield from _action(source, start, inside)


_SPACES = tuple(_BLANKS)


def _trimmed(piece: str, *, left: bool, right: bool) -> str:
    piece = piece.lstrip(_BLANKS) if left else piece
    return piece.rstrip(_BLANKS) if right else piece


def _comment_end(source: Source, start: int, inside: int) -> tuple[int, bool]:
    """Where the text goes on after a comment, and whether its blanks are trimmed."""
    end = source.text.find(_COMMENT_END, inside + 2)
    if end < 0:
        raise source.error(start, "this comment has no end: expected `*/}}`")
    end += 2
    if source.text.startswith(_CLOSE, end):
        return end + 2, False
    if source.text[end : end + 1] in _SPACES and source.text.startswith(_TRIM_CLOSE, end + 1):
        return end + 4, True
    raise source.error(end, "a comment fills its action: expected `}}` or ` -}}` right after `*/`")


def _action(source: Source, start: int, position: int) -> Generator[Token, None, tuple[int, bool]]:
    """The tokens of one action with its `CLOSE`; returns where the text goes on, and whether its blanks are trimmed."""
    text, glued = source.text, False
    while True:
        if blank := _BLANK_RUN.match(text, position):
            position, glued = blank.end(), False
            if text.startswith(_TRIM_CLOSE, position):
                yield Token(Kind.CLOSE, _TRIM_CLOSE, position)
                return position + 3, True
        if text.startswith(_CLOSE, position):
            yield Token(Kind.CLOSE, _CLOSE, position)
            return position + 2, False
        if position >= len(text):
            raise source.error(start, "this action has no end: expected `}}`")
        found = _TOKEN.match(text, position)
        if found is None:
            raise source.error(position, _unexpected(text[position]))
        kind = Kind[found.lastgroup or ""]
        yield Token(kind, found.group(), position, glued)
        position, glued = found.end(), True


def _unexpected(character: str) -> str:
    if character in "\"'`":
        return f"this text has no end: expected another {character}"
    return f"unexpected {character!r} in an action"
