"""Which of the names that are there was perhaps meant."""

from collections.abc import Collection
from difflib import get_close_matches

_FEW = 12


def known(name: str, names: Collection[str]) -> str:
    """Half a sentence: the nearest names, or all of them where they are few."""
    if near := get_close_matches(name, names, n=3):
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return "there are none here"
    return f"known are {', '.join(sorted(names))}" if len(names) <= _FEW else "no name is near it"
