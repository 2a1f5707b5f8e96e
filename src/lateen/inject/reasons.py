"""Why an injected pod looks as it does: for each thing that injection did, the step that did it and what decides it.

Steps are told by injection itself (`inject(…, trace=…)`). What decides a thing is found by asking again: the pod is
injected once more for every setting, annotation and label with another value, and a thing depends on those with which
it comes out differently. So nothing is written down twice, and templates of users are explained like the shipped ones.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from lateen.inject import pods
from lateen.inject.encoding import normalised
from lateen.inject.errors import InjectionError
from lateen.inject.inject import TEMPLATES_ANNOTATION, Skipped, inject
from lateen.inject.merge import LIST_KEYS
from lateen.inject.overrides import OVERRIDES, STATUS
from lateen.inject.owner import Owner
from lateen.inject.pods import LISTS, JsonMap
from lateen.inject.settings import Settings
from lateen.inject.variations import variations

_Path = tuple[str | int, ...]
"""The way to a value; an item of a list that is merged by key is named by it, any other by its place."""

_Flat = dict[_Path, Any]


class ChangeKind(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class Change(msgspec.Struct, frozen=True):
    """One thing that injection did.

    `pointer` is a JSON pointer into the injected pod, for what was removed into the given one, and `field` the same for
    people, with items of lists by their names; `value` is what is there. `why` names the step, `decided_by` what it
    would be different without: `annotation …`, `label …`, `values …`, `mesh config …`.
    """

    pointer: str
    field: str
    kind: ChangeKind
    value: Any
    why: str
    decided_by: tuple[str, ...]


def explain(pod: Mapping[str, Any], settings: Settings, owner: Owner | None = None) -> tuple[Change, ...] | Skipped:
    """Everything that injection does to a pod, in the pod's order. Raises `InjectionError` like `inject`."""
    steps: list[tuple[str, JsonMap]] = []
    result = inject(pod, settings, owner, trace=lambda why, after: steps.append((why, after)))
    if isinstance(result, Skipped):
        return result
    given = normalised(pod)
    before, after = _flat(given), _flat(result.pod)
    whys = _whys(before, [(why, _flat(normalised(at))) for why, at in steps])
    changed = [path for path in after if after[path] != before.get(path, _ABSENT)]
    gone = [path for path in before if path not in after]
    deciders = _deciders(after, {*changed, *gone}, given, settings, owner)

    def change(path: _Path, kind: ChangeKind, pod: Any, value: Any) -> Change:
        return Change(_pointer(pod, path), _field(path), kind, value, whys[path], tuple(deciders.get(path, ())))

    made = [
        change(path, ChangeKind.CHANGED if path in before else ChangeKind.ADDED, result.pod, after[path])
        for path in changed
    ]
    return (*made, *(change(path, ChangeKind.REMOVED, given, before[path]) for path in gone))


_ABSENT = object()
_NOT_ASKED = (STATUS, OVERRIDES, TEMPLATES_ANNOTATION)
"""Annotations of injection itself, and the choice of templates, which `why` tells already."""


def _whys(before: _Flat, steps: list[tuple[str, _Flat]]) -> dict[_Path, str]:
    """The last step that touched each value."""
    found: dict[_Path, str] = {}
    for why, after in steps:
        for path in before.keys() | after.keys():
            if before.get(path, _ABSENT) != after.get(path, _ABSENT):
                found[path] = why
        before = after
    return found


def _deciders(
    after: _Flat, touched: set[_Path], pod: JsonMap, settings: Settings, owner: Owner | None
) -> dict[_Path, list[str]]:
    """For each value that was touched, the names of what decides it."""
    found: dict[_Path, list[str]] = {}
    for name, changed_pod, changed_settings in (*_without_texts(pod, settings), *variations(pod, settings)):
        try:
            other = inject(changed_pod, changed_settings, owner)
        except InjectionError:
            continue
        if isinstance(other, Skipped):
            continue
        varied = _flat(other.pod)
        for path in touched:
            if varied.get(path, _ABSENT) != after.get(path, _ABSENT) and _is_told(path, after, varied):
                found.setdefault(path, []).append(name)
    return found


def _is_told(path: _Path, after: _Flat, varied: _Flat) -> bool:
    """Of a container that comes or goes as a whole only its name is told."""
    if len(path) < 4 or path[1] not in LISTS:
        return True
    name = (*path[:3], "name")
    return path == name or (name in after) == (name in varied)


def _without_texts(pod: JsonMap, settings: Settings) -> Iterator[tuple[str, JsonMap, Settings]]:
    """The pod without each of its annotations and labels."""
    for kind, texts in (("annotation", pods.annotations(pod)), ("label", pods.labels(pod))):
        for name in texts:
            if name in _NOT_ASKED:
                continue
            kept = {key: value for key, value in texts.items() if key != name}
            yield f"{kind} {name}", {**pod, "metadata": {**pod["metadata"], f"{kind}s": kept}}, settings


def _flat(pod: Mapping[str, Any]) -> _Flat:
    return dict(_leaves((), pod))


def _leaves(path: _Path, value: Any) -> Iterator[tuple[_Path, Any]]:
    """Values that are told apart: everything in a container by itself, other items of keyed lists as a whole."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            step = _step(path[-1], place, item)
            if step == place or path[-1] in LISTS:
                yield from _leaves((*path, step), item)
            else:
                yield (*path, step), item
    else:
        yield path, value


def _step(name: str | int, place: int, item: Any) -> str | int:
    """How an item of a list is named."""
    key = LIST_KEYS.get(str(name))
    return f"{key}={item[key]}" if key and isinstance(item, Mapping) and key in item else place


def _field(path: _Path) -> str:
    """`spec.containers[istio-proxy].args[2]`; a name that has dots stands in brackets too."""
    text = ""
    for step in path:
        name = str(step).partition("=")[2] or str(step)
        text += f"[{name}]" if isinstance(step, int) or "=" in step or "." in step else f".{name}"
    return text.removeprefix(".")


def _pointer(pod: Any, path: _Path) -> str:
    """The path with places of items instead of their names."""
    parts: list[str] = []
    for position, step in enumerate(path):
        if isinstance(pod, list):
            items = list(pod)
            place = next(at for at, item in enumerate(items) if _step(path[position - 1], at, item) == step)
            parts.append(str(place))
            pod = items[place]
        else:
            parts.append(str(step).replace("~", "~0").replace("/", "~1"))
            pod = pod[step]
    return "".join(f"/{part}" for part in parts)
