"""Templates of users: Go text/template that makes the YAML of a partial pod."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

from lateen.config.documents import Malformed, line_of, parse
from lateen.config.problems import Path, Problem
from lateen.inject import pods
from lateen.inject.custom_templates.data import data_of
from lateen.inject.custom_templates.functions import FUNCTIONS
from lateen.inject.errors import InjectionError
from lateen.inject.facts import Facts
from lateen.inject.go_template.template import Template
from lateen.inject.pods import LISTS, JsonMap
from lateen.inject.shape_checks import problems_of, shown

_PARTS = ("metadata", "spec", "apiVersion", "kind")


def custom_template(name: str, text: str, facts: Facts) -> JsonMap:
    """The partial pod. Raises `InjectionError` that names the template, and the line of its text or of its output."""
    output = _parsed(name, text).render(data_of(facts))
    documents = parse(output)
    if isinstance(documents, Malformed):
        raise _error(name, output, documents.line, documents.message)
    if not documents:
        return {}
    if len(documents) > 1:
        raise _error(name, output, documents[1].line, "a second document; a template makes one partial pod")
    pod = documents[0].raw
    unknown = (Problem((key,), f"a partial pod has metadata and spec, not {key}") for key in pod if key not in _PARTS)
    for problem in chain(unknown, problems_of(pod), _no_texts(pod)):
        raise _error(name, output, line_of(output, documents[0], problem.path), shown(problem))
    return {key: pod[key] for key in ("metadata", "spec") if key in pod}


def _no_texts(pod: JsonMap) -> Iterator[Problem]:
    """Numbers and booleans where a container has texts: a template that lacks quotes makes them of texts."""
    for place in LISTS:
        for index, container in enumerate(pods.containers(pod, place)):
            for path, value in _texts(container):
                if not isinstance(value, str | None):
                    message = f"expected a text, not {value!r}; put it in quotes"
                    yield Problem(("spec", place, index, *path), message)


def _texts(container: JsonMap) -> Iterator[tuple[Path, Any]]:
    yield ("image",), container.get("image")
    for field in ("command", "args"):
        for index, word in enumerate(container.get(field) or ()):
            yield (field, index), word
    for index, entry in enumerate(container.get("env") or ()):
        if isinstance(entry, dict):
            yield ("env", index, "value"), entry.get("value")


@lru_cache(maxsize=64)
def _parsed(name: str, text: str) -> Template:
    return Template(name, text, FUNCTIONS)


def _error(name: str, output: str, line: int, what: str) -> InjectionError:
    lines = output.splitlines()
    shown = f" ({lines[line - 1].strip()[:80]!r})" if 0 < line <= len(lines) else ""
    return InjectionError(f"template {name}, line {line} of its output{shown}: {what}")
