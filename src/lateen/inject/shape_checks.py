"""Checks that a pod has the shape that injection relies on; anything else is left to whoever runs the pod."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lateen.config.problems import Path, Problem, render
from lateen.inject.encoding import TEXT_MAPS
from lateen.inject.errors import InjectionError
from lateen.inject.merge import LIST_KEYS
from lateen.inject.pods import LISTS

_NAMES = ("name", "generateName", "namespace")
_LISTS = ("args", "command")
_OBJECTS = frozenset(
    (
        *("securityContext", "resources", "lifecycle", "preStop", "postStart", "limits", "requests"),
        *("livenessProbe", "readinessProbe", "startupProbe", "httpGet", "tcpSocket", "grpc", "exec"),
    )
)


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
        if not isinstance(pod.get(name), Mapping | None):
            yield Problem((name,), f"expected an object, not {pod[name]!r}")
            return
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    yield from _names(("metadata",), metadata, _NAMES)
    for name in ("labels", "annotations"):
        if metadata.get(name) is not None:
            yield from _texts(name, metadata[name])
    for place in (*LISTS, "volumes"):
        if spec.get(place) is not None:
            yield from _named_items(place, spec[place])
    references = "ownerReferences"
    yield from _parts(("metadata",), {references: metadata.get(references)})
    yield from _parts(("spec",), spec)


def _parts(path: Path, value: Any) -> Iterator[Problem]:
    """Lists and objects that injection looks into, wherever they stand."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _parts((*path, index), item)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        place = (*path, str(key))
        if item is None or key in TEXT_MAPS:
            continue
        if (key in LIST_KEYS or key in _LISTS) and not isinstance(item, list):
            yield Problem(place, f"expected a list, not {item!r}")
        elif key in _OBJECTS and not isinstance(item, Mapping):
            yield Problem(place, f"expected an object, not {item!r}")
        else:
            yield from _items(place, item) if key in LIST_KEYS else ()
            yield from _parts(place, item)


def _items(path: Path, items: list[Any]) -> Iterator[Problem]:
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            yield Problem((*path, index), f"expected an object, not {item!r}")
        elif path[-1] == "env" and not isinstance(item.get("name"), str):
            yield Problem((*path, index), "expected an object with a name")
        elif path[-1] == "ownerReferences":
            yield from _names((*path, index), item, ("apiVersion", "kind", "name"))
        elif isinstance(value := item.get(key := LIST_KEYS[str(path[-1])]), Mapping | list):
            yield Problem((*path, index, key), f"expected a text or a number, not {value!r}")


def _names(path: Path, value: Mapping[str, Any], names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if not isinstance(text := value.get(name), str | None):
            yield Problem((*path, name), f"expected a text, not {text!r}")


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
