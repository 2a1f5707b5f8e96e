"""Checks that a pod has the shape that injection relies on; anything else is left to whoever runs the pod."""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.inject.errors import InjectionError
from lateen.inject.pods import LISTS


def check_shape(pod: Mapping[str, Any]) -> None:
    """Raises `InjectionError` with the path of everything that cannot be read."""
    if problems := list(_problems(pod)):
        raise InjectionError("; ".join(problems))


def _problems(pod: Mapping[str, Any]) -> Iterator[str]:
    for name in ("metadata", "spec"):
        if not isinstance(pod.get(name) or {}, Mapping):
            yield f"{name}: expected an object, not {pod[name]!r}"
            return
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    for name in ("labels", "annotations"):
        texts = metadata.get(name) or {}
        if not isinstance(texts, Mapping):
            yield f"metadata.{name}: expected an object, not {texts!r}"
            continue
        for key, value in texts.items():
            if not isinstance(value, str):
                yield f"metadata.{name}[{key}]: expected a text, not {value!r}; put it in quotes"
    for place in (*LISTS, "volumes"):
        items = spec.get(place) or []
        if not isinstance(items, list):
            yield f"spec.{place}: expected a list, not {items!r}"
            continue
        for index, item in enumerate(items):
            if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"]:
                yield f"spec.{place}[{index}]: expected an object with a name"
