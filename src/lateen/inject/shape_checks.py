"""Checks that a pod has the shape that injection relies on; anything else is left to whoever runs the pod."""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.config.problems import Problem, render
from lateen.inject.errors import InjectionError
from lateen.inject.pods import LISTS


def check_shape(pod: Mapping[str, Any]) -> None:
    """Raises `InjectionError` with the path of everything that cannot be read."""
    if problems := list(problems_of(pod)):
        raise InjectionError("; ".join(map(shown, problems)))


def shown(problem: Problem) -> str:
    """One problem in words."""
    return f"{render(problem.path)}: {problem.message}"


def problems_of(pod: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything that cannot be read, in the order of the pod."""
    for name in ("metadata", "spec"):
        if not isinstance(pod.get(name) or {}, Mapping):
            yield Problem((name,), f"expected an object, not {pod[name]!r}")
            return
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    for name in ("labels", "annotations"):
        yield from _texts(name, metadata.get(name) or {})
    for place in (*LISTS, "volumes"):
        yield from _named_items(place, spec.get(place) or [])


def _texts(name: str, texts: Any) -> Iterator[Problem]:
    if not isinstance(texts, Mapping):
        yield Problem(("metadata", name), f"expected an object, not {texts!r}")
        return
    for key, value in texts.items():
        if not isinstance(value, str):
            message = f"expected a text, not {value!r}; put it in quotes"
            yield Problem(("metadata", name, key), message)


def _named_items(place: str, items: Any) -> Iterator[Problem]:
    if not isinstance(items, list):
        yield Problem(("spec", place), f"expected a list, not {items!r}")
        return
    for index, item in enumerate(items):
        if isinstance(item, Mapping) and isinstance(item.get("name"), str) and item["name"]:
            continue
        # `$patch: replace` stands in a list of its own.
        if not (isinstance(item, Mapping) and set(item) == {"$patch"}):
            yield Problem(("spec", place, index), "expected an object with a name")
