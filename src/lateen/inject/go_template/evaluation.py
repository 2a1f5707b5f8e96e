"""A parsed template over data: text. Every node, every turn of a loop and all that functions make counts."""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any

import msgspec

from lateen.inject.go_template import nodes, values
from lateen.inject.go_template.builtins import LAZY
from lateen.inject.go_template.errors import Exhausted, Refused, Source
from lateen.inject.go_template.functions import Functions
from lateen.inject.go_template.parser import Parsed
from lateen.inject.go_template.records import Record
from lateen.inject.go_template.suggestions import known

_NOTHING = object()
"""No value comes through `|`."""


class Limits(msgspec.Struct, frozen=True):
    """How much one rendering may do: steps, characters of output, and bodies and templates inside each other."""

    steps: int = 200_000
    output: int = 1_000_000
    depth: int = 80


class _Leaves(Enum):
    """How a body ends before its end."""

    BREAK = auto()
    CONTINUE = auto()


class Evaluation:
    """One rendering."""

    def __init__(self, source: Source, parsed: Parsed, functions: Functions, limits: Limits) -> None:
        self._source = source
        self._parsed = parsed
        self._functions = functions
        self._limits = limits
        self._steps = limits.steps
        self._room = limits.output
        self._depth = 0
        self._output: list[str] = []
        self._variables: list[tuple[str, Any]] = []
        self._at = 0

    def render(self, data: Any) -> str:
        """The output. Raises `TemplateError`."""
        self._variables = [("$", data)]
        try:
            self._body(self._parsed.body, data)
        except (Refused, Exhausted) as error:
            raise self._source.error(self._at, str(error)) from error
        return "".join(self._output)

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise Exhausted(f"rendering takes more than {self._limits.steps} steps; is there a loop that is too long?")

    def _write(self, text: str) -> None:
        self._room -= len(text)
        if self._room < 0:
            raise Exhausted(f"the output is longer than {self._limits.output} characters")
        self._output.append(text)

    def _body(self, body: nodes.Body, dot: Any) -> _Leaves | None:
        """Writes a body; what it declares is forgotten after it."""
        mark = len(self._variables)
        self._depth += 1
        if self._depth > self._limits.depth:
            raise Exhausted(f"bodies and templates go more than {self._limits.depth} levels deep")
        leaves = None
        for node in body:
            if (leaves := self._node(node, dot)) is not None:
                break
        self._depth -= 1
        del self._variables[mark:]
        return leaves

    def _node(self, node: nodes.Node, dot: Any) -> _Leaves | None:
        self._at = node.at
        self._spend(1)
        match node:
            case nodes.Text(text=text):
                self._write(text)
            case nodes.Action(pipeline=pipeline):
                value = self._pipeline(pipeline, dot)
                if not pipeline.variables:
                    self._spend(values.weight(value))
                    self._write(values.shown(value))
            case nodes.If() | nodes.With():
                return self._choice(node, dot)
            case nodes.Range():
                self._range(node, dot)
            case nodes.Call():
                self._call(node, dot)
            case nodes.Break():
                return _Leaves.BREAK
            case nodes.Continue():
                return _Leaves.CONTINUE
        return None

    def _choice(self, node: nodes.If | nodes.With, dot: Any) -> _Leaves | None:
        mark = len(self._variables)
        value = self._pipeline(node.pipeline, dot)
        if values.truth(value):
            leaves = self._body(node.body, value if isinstance(node, nodes.With) else dot)
        else:
            leaves = self._body(node.otherwise, dot)
        del self._variables[mark:]
        return leaves

    def _range(self, node: nodes.Range, dot: Any) -> None:
        mark = len(self._variables)
        over = self._pipeline(node.pipeline, dot)
        inner = len(self._variables)
        names = node.pipeline.variables
        turned = False
        for index, element in self._elements(over):
            turned = True
            self._spend(1)
            given = (element,) if len(names) == 1 else (index, element)
            for name, value in zip(names, given, strict=False):
                if node.pipeline.declares:
                    self._variables.append((name, value))
                else:
                    self._assign(name, value)
            leaves = self._body(node.body, element)
            del self._variables[inner:]
            if leaves is _Leaves.BREAK:
                break
        if not turned:
            self._body(node.otherwise, dot)
        del self._variables[mark:]

    def _elements(self, over: Any) -> Iterator[tuple[Any, Any]]:
        if values.is_nil(over):
            return iter(())
        if isinstance(over, Mapping):
            self._spend(len(over))
            return iter([(key, over[key]) for key in sorted(over)])
        if isinstance(over, list | tuple):
            return iter(enumerate(over))
        if isinstance(over, int) and not isinstance(over, bool):
            return ((number, number) for number in range(over))
        raise Refused(f"range goes over lists, mappings and whole numbers, not over {values.kind_of(over)}")

    def _call(self, node: nodes.Call, dot: Any) -> None:
        body = self._parsed.defined.get(node.name)
        if body is None:
            raise Refused(f"template {node.name!r} is not defined; {known(node.name, self._parsed.defined)}")
        data = self._pipeline(node.pipeline, dot) if node.pipeline else None
        outer, self._variables = self._variables, [("$", data)]
        self._body(body, data)
        self._variables = outer

    def _pipeline(self, pipeline: nodes.Pipeline, dot: Any) -> Any:
        """Its value, which its variables then have."""
        value = self._value(pipeline, dot)
        for name in pipeline.variables:
            if pipeline.declares:
                self._variables.append((name, value))
            else:
                self._assign(name, value)
        return value

    def _value(self, pipeline: nodes.Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        return value

    def _variable(self, name: str) -> Any:
        for known_as, value in reversed(self._variables):
            if known_as == name:
                return value
        raise Refused(f"variable {name} has no value here: what declares it was not looked at")

    def _assign(self, name: str, value: Any) -> None:
        for place in range(len(self._variables) - 1, -1, -1):
            if self._variables[place][0] == name:
                self._variables[place] = (name, value)
                return

    def _command(self, command: nodes.Command, dot: Any, piped: Any) -> Any:
        head, *rest = command.operands
        if isinstance(head, nodes.Function):
            if head.name in LAZY:
                return self._and_or(head, rest, dot, piped)
            arguments = [self._operand(operand, dot) for operand in rest]
            return self._called(head, arguments if piped is _NOTHING else [*arguments, piped])
        if rest or piped is not _NOTHING:
            self._at = head.at
            raise Refused("only a function can be given arguments; this is a value")
        if isinstance(head, nodes.Nil):
            self._at = head.at
            raise Refused("nil is not a value of its own; compare with it: `eq $x nil`")
        return self._operand(head, dot)

    def _called(self, head: nodes.Function, arguments: list[Any]) -> Any:
        self._at = head.at
        self._spend(sum(map(values.weight, arguments)))
        result = self._functions[head.name](head.name, arguments)
        self._spend(values.weight(result))
        if isinstance(result, str) and len(result) > self._limits.output:
            raise Exhausted(f"{head.name} makes a text of more than {self._limits.output} characters")
        return result

    def _and_or(self, head: nodes.Function, rest: list[nodes.Node], dot: Any, piped: Any) -> Any:
        """The first argument that decides, else the last; what stands behind it is not looked at."""
        if not rest and piped is _NOTHING:
            raise Refused(f"{head.name} takes at least 1 argument")
        value: Any = None
        for operand in rest:
            value = self._operand(operand, dot)
            if values.truth(value) is (head.name == "or"):
                return value
        return value if piped is _NOTHING else piped

    def _operand(self, node: nodes.Node, dot: Any) -> Any:
        self._at = node.at
        self._spend(1)
        match node:
            case nodes.Dot():
                return dot
            case nodes.Nil():
                return None
            case nodes.Literal(value=value):
                return value
            case nodes.Field(names=names):
                return self._fields(node, dot, names)
            case nodes.Variable(name=name, names=names):
                return self._fields(node, self._variable(name), names)
            case nodes.Chain(of=of, names=names):
                return self._fields(node, self._operand(of, dot), names)
            case nodes.Function(name=name):
                return self._and_or(node, [], dot, _NOTHING) if name in LAZY else self._called(node, [])
            case nodes.Pipeline():
                return self._pipeline(node, dot)
        raise AssertionError(node)

    def _fields(self, node: nodes.Node, value: Any, names: tuple[str, ...]) -> Any:
        for name in names:
            self._at = node.at
            value = _field(value, name)
            if isinstance(value, list):
                self._spend(len(value))
        return value


def _field(value: Any, name: str) -> Any:
    """A field of a record, or a mapping's value; of nothing there is nothing."""
    if isinstance(value, Record):
        return value.get(name)
    if value is None:
        return None
    if isinstance(value, Mapping):
        return value.get(name)
    if name == "String" and isinstance(value, str):
        return value
    raise Refused(f"{values.kind_of(value)} has no field {name}")
