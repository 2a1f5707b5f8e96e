"""The parsed template. `at` is an offset into its text."""

from typing import Any

import msgspec


class Node(msgspec.Struct, frozen=True):
    at: int


class Dot(Node, frozen=True):
    """`.`"""


class Nil(Node, frozen=True):
    """`nil`"""


class Literal(Node, frozen=True):
    """A text, number, character or boolean."""

    value: Any


class Field(Node, frozen=True):
    """`.A.B`"""

    names: tuple[str, ...]


class Variable(Node, frozen=True):
    """`$x.A.B`, `$` alone being the data that the template was given."""

    name: str
    names: tuple[str, ...]


class Chain(Node, frozen=True):
    """Fields of something in parentheses: `(…).A.B`"""

    of: Node
    names: tuple[str, ...]


class Function(Node, frozen=True):
    """A function's name."""

    name: str


class Command(Node, frozen=True):
    """Operands next to each other: a function with its arguments, or one value."""

    operands: tuple[Node, ...]


class Pipeline(Node, frozen=True):
    """Commands, each of which gets the one's value before it as last argument; its value may go to variables."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


Body = tuple[Node, ...]


class Text(Node, frozen=True):
    text: str


class Action(Node, frozen=True):
    """`{{ pipeline }}`; shows the value unless it goes to a variable."""

    pipeline: Pipeline


class If(Node, frozen=True):
    pipeline: Pipeline
    body: Body
    otherwise: Body


class With(Node, frozen=True):
    pipeline: Pipeline
    body: Body
    otherwise: Body


class Range(Node, frozen=True):
    pipeline: Pipeline
    body: Body
    otherwise: Body


class Break(Node, frozen=True):
    """`{{break}}`"""


class Continue(Node, frozen=True):
    """`{{continue}}`"""


class Call(Node, frozen=True):
    """`{{template "name" pipeline}}`"""

    name: str
    pipeline: Pipeline | None
