"""What can be wrong with configuration, as values: problems inside an object, and refused objects with their place."""

import re
from collections.abc import Callable

import msgspec

from lateen.config.objects import ObjectRef, Origin

Path = tuple[str | int, ...]
"""The way to a field: names of fields or keys of maps, and positions in lists."""

LineOf = Callable[[Path], int]
"""The 1-based line of a field in its file; of the nearest field around it if the path does not exist."""

_PLAIN = re.compile(r"[A-Za-z_][\w-]*")


def render(path: Path) -> str:
    """As people write it: `spec.http[2].match[0].headers["x.y"].exact`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in one object: where, what, and what would be right.

    `inner_line` counts lines inside a text that is a field's value (a ConfigMap's key); 0 for the field itself.
    """

    path: Path
    message: str
    inner_line: int = 0


class Rejected(msgspec.Struct, frozen=True):
    """A problem that keeps an object, or a whole file, from being used.

    `ref` is None where no object can be named. `origin` has the line of the field, `path` is rendered.
    """

    ref: ObjectRef | None
    origin: Origin
    path: str
    message: str

    def __str__(self) -> str:
        parts = [str(self.origin), str(self.ref) if self.ref else "", self.path, self.message]
        return ": ".join(part for part in parts if part)


class Notice(msgspec.Struct, frozen=True):
    """Something worth saying that keeps nothing from being used."""

    ref: ObjectRef | None
    origin: Origin
    message: str

    def __str__(self) -> str:
        parts = [str(self.origin), str(self.ref) if self.ref else "", self.message]
        return ": ".join(part for part in parts if part)


def rejected(ref: ObjectRef | None, origin: Origin, problem: Problem, line_of: LineOf | None = None) -> Rejected:
    """The problem at its place: the line of its field where `line_of` can tell, else that of the object."""
    line = line_of(problem.path) + problem.inner_line if line_of else origin.line
    return Rejected(ref, Origin(origin.file, line), render(problem.path), problem.message)
