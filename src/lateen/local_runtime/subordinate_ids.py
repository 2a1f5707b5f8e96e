"""Which ids /etc/subuid and /etc/subgid give to whom. Pure."""

from collections.abc import Sequence
from typing import Final

ENOUGH: Final = 65536
"""As many as a user needs so that pods have the users they usually ask for."""

_FIRST: Final = 100000

Ranges = Sequence[tuple[int, int]]
"""First id and number of ids."""


class Grants:
    """One of the files: lines of user (name or number), first id and number of ids; what is no such line is ignored."""

    def __init__(self, text: str) -> None:
        lines = [line.strip().split(":") for line in text.splitlines()]
        self._grants = [
            (line[0], int(line[1]), int(line[2])) for line in lines if len(line) == 3 and "".join(line[1:]).isdecimal()
        ]

    def of(self, name: str, uid: int) -> Ranges:
        """What a user was given."""
        return [(first, count) for owner, first, count in self._grants if owner in (name, str(uid))]

    @property
    def end(self) -> int:
        """Ids from here on were given to nobody."""
        return max((first + count for _, first, count in self._grants), default=_FIRST)
