"""Tokens to nodes. Names of functions and variables are checked here, so a template that parses misses none."""

from collections.abc import Collection

import msgspec

from lateen.inject.go_template import literals, nodes
from lateen.inject.go_template.builtins import LAZY
from lateen.inject.go_template.errors import Source, TemplateError
from lateen.inject.go_template.lexer import Kind, Token, tokens
from lateen.inject.go_template.suggestions import known

MAX_DEPTH = 60
"""Levels of actions and parentheses inside each other."""

_KEYWORDS = frozenset(("if", "else", "end", "range", "with", "template", "define", "block", "break", "continue"))
_LITERALS = (Kind.NUMBER, Kind.STRING, Kind.RAW, Kind.CHARACTER)
_OPERANDS = (*_LITERALS, Kind.FIELD, Kind.VARIABLE, Kind.WORD, Kind.DOT, Kind.LEFT)


class Parsed(msgspec.Struct, frozen=True):
    """The main body, and those that `define` and `block` name."""

    body: nodes.Body
    defined: dict[str, nodes.Body]


def parse(source: Source, functions: Collection[str]) -> Parsed:
    """Raises `TemplateError`."""
    parser = _Parser(source, functions)
    body, _ = parser.body("the template")
    return Parsed(body, parser.defined)


class _Parser:
    def __init__(self, source: Source, functions: Collection[str]) -> None:
        self.source = source
        self.functions = functions
        self.defined: dict[str, nodes.Body] = {}
        self._tokens = list(tokens(source))
        self._next = 0
        self._variables = ["$"]
        self._depth = 0
        self._loops = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def take(self) -> Token:
        token = self.token
        self._next += 1
        return token

    def error(self, token: Token, what: str) -> TemplateError:
        return self.source.error(token.at, what)

    def expect(self, kind: Kind, what: str) -> Token:
        if self.token.kind is not kind:
            raise self.error(self.token, f"expected {what}, not {self._shown(self.token)}")
        return self.take()

    def body(self, of: str, opened: Token | None = None) -> tuple[nodes.Body, Token]:
        """Nodes up to the `end` or `else` that closes them, which is taken too; the main body up to the end."""
        found: list[nodes.Node] = []
        self._enter()
        while True:
            token = self.take()
            if token.kind is Kind.END:
                if opened is not None:
                    raise self.error(opened, f"`{of}` has no `{{{{end}}}}`")
                break
            if token.kind is Kind.TEXT:
                found.append(nodes.Text(token.at, token.text))
                continue
            word = self.token
            if word.kind is Kind.WORD and word.text in ("end", "else"):
                if opened is None:
                    raise self.error(
                        word, f"`{word.text}` without an `if`, `with`, `range`, `define` or `block` before it"
                    )
                token = self.take()
                break
            if (node := self._action(token)) is not None:
                found.append(node)
        self._depth -= 1
        return tuple(found), token

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.error(self.token, f"nested more than {MAX_DEPTH} levels deep")

    def _action(self, opened: Token) -> nodes.Node | None:
        """One action; None for a definition, which leaves nothing in its place."""
        word = self.token
        if word.kind is not Kind.WORD or word.text not in _KEYWORDS:
            pipeline = self.pipeline("an action")
            self._close()
            return nodes.Action(opened.at, pipeline)
        self.take()
        match word.text:
            case "if" | "with" | "range":
                return self._branch(word)
            case "break" | "continue":
                self._close()
                if not self._loops:
                    raise self.error(word, f"`{word.text}` stands outside of a `range`")
                return nodes.Break(word.at) if word.text == "break" else nodes.Continue(word.at)
            case "template":
                return self._called(word)
            case "block":
                call = self._called(word)
                self._define(word, call.name)
                return call
            case _:
                name = self._name(word)
                self._close()
                if self._depth > 1:
                    raise self.error(word, "`define` stands at the top of a template, not inside another action")
                self._define(word, name)
                return None

    def _branch(self, word: Token) -> nodes.Node:
        """`if`, `with` or `range` up to its `end`."""
        mark = len(self._variables)
        loops = word.text == "range"
        pipeline = self.pipeline(f"`{word.text}`", pair=loops)
        self._close()
        self._loops += loops
        body, closing = self.body(word.text, word)
        self._loops -= loops
        otherwise: nodes.Body = ()
        following = self.token
        if closing.text == "end":
            self._close()
        elif following.kind is Kind.WORD and following.text == word.text != "range":
            self._enter()
            otherwise = (self._branch(self.take()),)
            self._depth -= 1
        else:
            self._close()
            otherwise, closing = self.body(word.text, word)
            if closing.text != "end":
                raise self.error(closing, f"a second `else` of one `{word.text}`: expected `end`")
            self._close()
        del self._variables[mark:]
        kind = {"if": nodes.If, "with": nodes.With, "range": nodes.Range}[word.text]
        return kind(word.at, pipeline, body, otherwise)

    def _called(self, word: Token) -> nodes.Call:
        name = self._name(word)
        pipeline = None if self.token.kind is Kind.CLOSE else self.pipeline(f"`{word.text}`")
        self._close()
        return nodes.Call(word.at, name, pipeline)

    def _define(self, word: Token, name: str) -> None:
        """A body of its own, with its own variables. An empty one does not replace one that has content."""
        outer, self._variables = self._variables, ["$"]
        loops, self._loops = self._loops, 0
        body, closing = self.body(word.text, word)
        if closing.text != "end":
            raise self.error(closing, f"`{word.text}` has no `else`: expected `end`")
        self._close()
        self._variables, self._loops = outer, loops
        blank = all(isinstance(node, nodes.Text) and not node.text.strip() for node in body)
        if name not in self.defined or not blank:
            self.defined[name] = body

    def _name(self, word: Token) -> str:
        token = self.take()
        if token.kind not in (Kind.STRING, Kind.RAW):
            raise self.error(
                token, f'expected a name in quotes after `{word.text}`, such as {{{{{word.text} "name"}}}}'
            )
        return str(literals.value(self.source, token))

    def _close(self) -> None:
        self.expect(Kind.CLOSE, "`}}`")

    def pipeline(self, of: str, pair: bool = False) -> nodes.Pipeline:
        """A pipeline up to, but without, what closes it. With `pair` it may go to two variables, as in `range`."""
        at = self.token.at
        variables, declares = self._assigned(pair)
        commands: list[nodes.Command] = []
        while True:
            commands.append(self._command(of, first=not commands))
            if self.token.kind is not Kind.PIPE:
                break
            self.take()
        if declares:
            self._variables += variables
        return nodes.Pipeline(at, tuple(commands), variables, declares)

    def _assigned(self, pair: bool) -> tuple[tuple[str, ...], bool]:
        """The variables in front of `:=` or `=`, and whether they are declared there."""
        start = self._next
        found: list[Token] = []
        while self.token.kind is Kind.VARIABLE:
            found.append(self.take())
            following = self.token
            if following.kind in (Kind.DECLARE, Kind.ASSIGN):
                self.take()
                for token in found if following.kind is Kind.ASSIGN else ():
                    self._check_variable(token)
                return tuple(token.text for token in found), following.kind is Kind.DECLARE
            if following.kind is not Kind.COMMA:
                break
            if not pair or len(found) > 1:
                raise self.error(following, "only `range` has two variables: `range $index, $element := …`")
            self.take()
        self._next = start
        return (), False

    def _check_variable(self, token: Token) -> None:
        if token.text not in self._variables:
            raise self.error(token, f"variable {token.text} is not declared; {known(token.text, self._variables)}")

    def _command(self, of: str, first: bool) -> nodes.Command:
        at = self.token.at
        operands: list[nodes.Node] = []
        while self.token.kind in _OPERANDS:
            if operands and self.token.glued:
                raise self.error(self.token, f"expected a blank before {self._shown(self.token)}")
            operands.append(self._operand())
        if not operands:
            raise self.error(self.token, f"expected a value in {of}, not {self._shown(self.token)}")
        if self.token.kind not in (Kind.CLOSE, Kind.RIGHT, Kind.PIPE):
            raise self.error(self.token, f"unexpected {self._shown(self.token)} in {of}")
        head = operands[0]
        if not first and not isinstance(head, nodes.Function | nodes.Field | nodes.Variable | nodes.Chain):
            raise self.source.error(at, "only a function can be given a value by `|`")
        return nodes.Command(at, tuple(operands))

    def _operand(self) -> nodes.Node:
        token = self.take()
        match token.kind:
            case Kind.DOT:
                return nodes.Dot(token.at)
            case Kind.FIELD:
                return nodes.Field(token.at, (token.text[1:], *self._fields()))
            case Kind.VARIABLE:
                self._check_variable(token)
                return nodes.Variable(token.at, token.text, self._fields())
            case Kind.LEFT:
                self._enter()
                inner = self.pipeline("parentheses")
                self.expect(Kind.RIGHT, "`)`")
                self._depth -= 1
                names = self._fields()
                return nodes.Chain(token.at, inner, names) if names else inner
            case Kind.WORD:
                return self._word(token)
            case _:
                return nodes.Literal(token.at, literals.value(self.source, token))

    def _word(self, token: Token) -> nodes.Node:
        if token.text in ("true", "false"):
            return nodes.Literal(token.at, token.text == "true")
        if token.text == "nil":
            return nodes.Nil(token.at)
        if token.text in _KEYWORDS:
            raise self.error(token, f"`{token.text}` stands at the beginning of an action")
        if token.text not in self.functions and token.text not in LAZY:
            raise self.error(token, f"function {token.text!r} is not known; {known(token.text, self.functions)}")
        return nodes.Function(token.at, token.text)

    def _fields(self) -> tuple[str, ...]:
        names = []
        while self.token.kind is Kind.FIELD and self.token.glued:
            names.append(self.take().text[1:])
        return tuple(names)

    @staticmethod
    def _shown(token: Token) -> str:
        return "the end" if token.kind is Kind.END else f"`{token.text}`"
