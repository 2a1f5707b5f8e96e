"""A template: parsed once, rendered for any data."""

from typing import Any

from lateen.inject.go_template.builtins import BUILTINS
from lateen.inject.go_template.errors import Source
from lateen.inject.go_template.evaluation import Evaluation, Limits
from lateen.inject.go_template.functions import Functions
from lateen.inject.go_template.parser import parse
from lateen.inject.go_template.sprig import SPRIG

STANDARD: Functions = {**SPRIG, **BUILTINS}
MAX_LENGTH = 1_000_000
"""Characters of a template's text."""


class Template:
    """A parsed template. `functions` come beside the standard ones and win over them."""

    def __init__(self, name: str, text: str, functions: Functions | None = None, limits: Limits | None = None) -> None:
        """Raises `TemplateError` for a text that is no template."""
        self._source = Source(name, text)
        if len(text) > MAX_LENGTH:
            raise self._source.error(0, f"a template may have {MAX_LENGTH} characters, not {len(text)}")
        self._functions = {**STANDARD, **(functions or {})}
        self._limits = limits or Limits()
        self._parsed = parse(self._source, self._functions)

    def render(self, data: Any) -> str:
        """The text that the template makes of data. Raises `TemplateError`."""
        return Evaluation(self._source, self._parsed, self._functions, self._limits).render(data)
