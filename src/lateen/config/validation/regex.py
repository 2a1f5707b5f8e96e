"""Whether a regular expression is one that Envoy takes.

Envoy uses RE2, which knows neither look-around nor back-references. This scans for those and for what is plainly
broken; what it lets through may in rare cases still be refused by Envoy.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<literal>\\Q.*?(?:\\E|$))
      | (?P<backreference>\\[1-9])
      | (?P<escape>\\.)
      | (?P<dangling>\\$)
      | (?P<set>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])
      | (?P<open_set>\[)
      | (?P<look>\(\?<?[=!])
      | (?P<foreign>\(\?(?:P[=>]|[>|\#(R&+-]|\d))
      | (?P<group>\((?:\?(?:P?<\w+>|[imsU]*(?:-[imsU]+)?:))?(?!\?))
      | (?P<flags>\(\?[imsU]*(?:-[imsU]+)?\))
      | (?P<open>\()
      | (?P<close>\))
      | (?P<repeat>(?:[*+?]|\{(?P<low>\d+)(?:,(?P<high>\d*))?\})\??)
      | (?P<start>[|^])
      | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REFUSED = {
    "backreference": "RE2, which Envoy uses, has no back-references",
    "dangling": "it ends in a `\\` that escapes nothing",
    "open_set": "a `[` is never closed",
    "look": "RE2, which Envoy uses, has no look-ahead and no look-behind",
    "foreign": "RE2, which Envoy uses, does not know this kind of group",
    "open": "RE2, which Envoy uses, does not know this kind of group",
}
_MAX_REPEAT = 1000


def not_a_regex(pattern: str) -> str | None:
    """What is wrong with the expression, or None."""
    wrong = next(_wrongs(pattern), None)
    return f"`{pattern}` is not a regular expression: {wrong}" if wrong else None


def _wrongs(pattern: str) -> Iterator[str]:
    depth = 0
    repeatable = repeated = False
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup or ""
        if token["low"]:
            kind = "repeat"
        if kind in _REFUSED:
            yield _REFUSED[kind]
        if kind == "repeat":
            if not repeatable:
                yield f"nothing before `{token[0]}` to repeat" if not repeated else f"`{token[0]}` after a repetition"
            if any(int(token[end] or 0) > _MAX_REPEAT for end in ("low", "high")):
                yield f"`{token[0]}` repeats more than {_MAX_REPEAT} times"
            if token["low"] and token["high"] and int(token["high"]) < int(token["low"]):
                yield f"`{token[0]}` ends before it starts"
        depth += (kind == "group") - (kind == "close")
        if depth < 0:
            yield "a `)` closes nothing"
        repeated = kind == "repeat"
        repeatable = kind not in ("repeat", "group", "start", "flags")
    if depth > 0:
        yield "a `(` is never closed"
