"""What is wrong with a template.

InjectionError
  TemplateError     names the template, line and column
Refused             raised by a function for its arguments; the evaluation adds the place
Exhausted           a limit was reached; the evaluation adds the place
"""

import msgspec

from lateen.inject.errors import InjectionError


class TemplateError(InjectionError):
    """A template that cannot be read or rendered: which, where, what is wrong and what would be right."""


class Refused(Exception):
    """A function cannot work with what it was given."""


class Exhausted(Exception):
    """The template asks for more work or text than a template may."""


class Source(msgspec.Struct, frozen=True):
    """A template's name and text; places in it are offsets into the text."""

    name: str
    text: str

    def error(self, at: int, what: str) -> TemplateError:
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        return TemplateError(f"template {self.name}, line {line}, column {column}: {what}")
