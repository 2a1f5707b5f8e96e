"""Whether a regular expression is one that Envoy takes.

Envoy uses RE2 over bytes: no look-around, no back-references, and a character beyond ASCII is several. What RE2 would
make of an expression has a size, which is bounded too; here it is estimated, rather too large than too small.
"""

import re
from collections.abc import Iterator
from typing import Final

_ESCAPE = (
    r"""\\(?:0[0-7]{0,2} | [1-7][0-7]{1,2} | x\{[0-9A-Fa-f]+\} | x[0-9A-Fa-f]{2} | [pP]\{\^?\w+\} | [pP][A-Za-z] | .)"""
)
_TOKEN = re.compile(
    rf"""(?P<literal>\\Q(?P<text>.*?)(?:\\E|\Z))
      | (?P<backreference>\\[1-9](?![0-7]))
      | (?P<escape>{_ESCAPE})
      | (?P<dangling>\\\Z)
      | (?P<set>\[\^?+(?P<members>\]?+(?:\[:.*?:\]|\\.|[^\]\\])*+)\])
      | (?P<open_set>\[)
      | (?P<look>\(\?<?[=!])
      | (?P<flags>\(\?[imsU]*(?:-[imsU]+)?\))
      | (?P<group>\((?:\?(?:P?<\w+>|[imsU]*(?:-[imsU]+)?:)|(?!\?)))
      | (?P<foreign>\()
      | (?P<close>\))
      | (?P<repeat>(?:[*+?]|\{{(?P<low>[0-9]+)(?P<comma>,(?P<high>[0-9]*))?\}})\??)
      | (?P<alternative>\|)
      | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_MEMBER = re.compile(rf"(?P<posix>\[:(?P<name>.*?):\]) | (?P<escape>{_ESCAPE}) | .", re.VERBOSE | re.DOTALL | re.ASCII)
_CHARACTER = re.compile(rf"{_ESCAPE} | .", re.VERBOSE | re.DOTALL | re.ASCII)
_REFUSED: Final = {
    "backreference": "RE2, which Envoy uses, has no back-references",
    "dangling": "it ends in a `\\` that escapes nothing",
    "open_set": "a `[` is never closed",
    "look": "RE2, which Envoy uses, has no look-ahead and no look-behind",
    "foreign": "RE2, which Envoy uses, does not know this kind of group",
}
_CLASS_NAMES: Final = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit"
_POSIX: Final = frozenset(_CLASS_NAMES.split())
_CATEGORIES: Final = (
    "C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs"
)
_SCRIPTS: Final = "Arabic Common Cyrillic Devanagari Greek Han Hangul Hebrew Hiragana Inherited Katakana Latin Thai"
_UNICODE: Final = frozenset(f"Any {_CATEGORIES} {_SCRIPTS}".split())

_CONTROLS: Final = {"a": 7, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_CLASSES: Final = "dDsSwW"
_PLACES: Final = "bBAzC"
_MAX_REPEAT: Final = 1000
_MAX_DEPTH: Final = 200
_MAX_SIZE: Final = 30000
_CLASS_SIZE: Final = 12


def not_a_regex(pattern: str) -> str | None:
    """What is wrong with the expression, or None."""
    try:
        _check(pattern.encode().decode("latin-1"))
    except _Wrong as wrong:
        return f"`{pattern}` is not a regular expression: {wrong}"
    return None


class _Wrong(Exception):
    """Says what is wrong."""


class _Level:
    """What has been read inside one pair of parentheses.

    `size` is that of the program so far and `repeats` how often its most repeated part is; `last` has both of the part
    that a repetition would be about.
    """

    def __init__(self) -> None:
        self.size = 0
        self.repeats = 1
        self.last: tuple[int, int] | None = None
        self.repeated = False

    def add(self, size: int, repeats: int = 1) -> None:
        self.size += size
        self.repeats = max(self.repeats, repeats)
        self.last, self.repeated = (size, repeats), False

    def divide(self) -> None:
        self.size += 2
        self.last, self.repeated = None, False


def _check(pattern: str) -> None:
    levels = [_Level()]
    for token in _TOKEN.finditer(pattern):
        kind = _kind(token)
        if kind in _REFUSED:
            raise _Wrong(_REFUSED[kind])
        if kind == "group":
            levels.append(_Level())
            if len(levels) > _MAX_DEPTH:
                raise _Wrong(f"its groups are nested more than {_MAX_DEPTH} deep")
        elif kind == "close":
            if len(levels) == 1:
                raise _Wrong("a `)` closes nothing")
            inner = levels.pop()
            levels[-1].add(inner.size + 2, inner.repeats)
        else:
            _read(levels[-1], kind, token)
        if levels[-1].size > _MAX_SIZE:
            raise _Wrong("it is too large for Envoy; write fewer characters and repetitions")
    if len(levels) > 1:
        raise _Wrong("a `(` is never closed")


def _kind(token: re.Match[str]) -> str:
    return next(name for name in _KINDS if token[name] is not None)


_KINDS: Final = tuple(name for name in _TOKEN.groupindex if name not in ("text", "members", "low", "comma", "high"))


def _read(level: _Level, kind: str, token: re.Match[str]) -> None:
    match kind:
        case "repeat":
            _repeat(level, token)
        case "alternative" | "flags":
            level.divide()
        case "literal":
            for _ in token["text"]:
                level.add(1)
        case "escape":
            level.add(1 if _byte(token[0], within_set=False) is not None else _CLASS_SIZE)
        case "set":
            level.add(2 + sum(_ranges(token["members"])))
        case _:
            level.add(3 if token[0] == "." else 1)


def _repeat(level: _Level, token: re.Match[str]) -> None:
    if level.last is None or level.repeated:
        if level.repeated:
            raise _Wrong(f"`{token[0]}` after a repetition")
        raise _Wrong(f"nothing before `{token[0]}` to repeat")
    size, repeats = level.last
    low = int(token["low"] or 0)
    high = int(token["high"] or low) if token["comma"] else low
    if max(low, high, repeats * max(low, high, 1)) > _MAX_REPEAT:
        raise _Wrong(f"`{token[0]}` repeats more than {_MAX_REPEAT} times")
    if token["high"] and high < low:
        raise _Wrong(f"`{token[0]}` ends before it starts")
    times = max(low, high, 1)
    level.size += (times - 1) * size + times
    level.repeats = max(level.repeats, repeats * times)
    level.last, level.repeated = (size * times + times, repeats * times), True


def _ranges(members: str) -> Iterator[int]:
    """The size of each range and class of a set, which is checked."""
    position = 0
    while position < len(members):
        member = _MEMBER.match(members, position)
        assert member is not None  # every character is a member
        position = member.end()
        if member["posix"]:
            if member["name"].removeprefix("^") not in _POSIX:
                raise _Wrong(f"`{member[0]}` is not a class of characters, such as `[:alpha:]`")
            yield _CLASS_SIZE
            continue
        low = _byte(member[0], within_set=True)
        if low is None:
            yield _CLASS_SIZE
        elif members.startswith("-", position) and position + 1 < len(members):
            member = _CHARACTER.match(members, position + 1)
            assert member is not None  # there is one character at least
            position = member.end()
            high = _byte(member[0], within_set=True)
            if high is None or high < low:
                raise _Wrong(f"`{members[:position]}` has a range that ends before it starts, or in a class")
            yield 2
        else:
            yield 2


def _byte(text: str, *, within_set: bool) -> int | None:
    """The byte that a character or an escape stands for; None for a class of them, or a place in the text."""
    if len(text) == 1:
        return ord(text)
    name = text[1]
    if name in "pP":
        if text[2:].strip("{}").removeprefix("^") not in _UNICODE:
            raise _Wrong(f"`{text}` is not a class of characters, such as `\\pL`")
        return None
    if name in _CLASSES or (name in _PLACES and not within_set):
        return None
    if name in _CONTROLS:
        return _CONTROLS[name]
    if name == "x" and len(text) > 2:
        value = int(text[2:].strip("{}"), 16)
    elif name == "0" or len(text) > 2:
        value = int(text[1:], 8)
    elif name.isascii() and not name.isalnum():
        return ord(name)
    else:
        raise _Wrong(f"`{text}` means nothing to RE2, which Envoy uses")
    if value > 0xFF:
        raise _Wrong(f"`{text}` is more than one byte")
    return value
