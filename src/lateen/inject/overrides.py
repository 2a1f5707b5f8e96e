"""What the pod's author said of containers that the templates bring: laid over the result again, and remembered."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.inject import pods
from lateen.inject.encoding import compact_json, normalised
from lateen.inject.errors import InjectionError
from lateen.inject.merge import merge
from lateen.inject.pods import LISTS, JsonMap
from lateen.inject.shape_checks import check_shape

STATUS = "sidecar.istio.io/status"
OVERRIDES = "proxy.istio.io/overrides"
_AUTO_IMAGE = "auto"

Containers = Mapping[str, list[JsonMap]]
"""Containers by the list that they stand in."""


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """What an earlier injection wrote down of itself; null lists are empty."""

    containers: tuple[str, ...] | None = None
    init_containers: tuple[str, ...] | None = None

    def listed(self, place: str) -> tuple[str, ...]:
        """The names in one of the two lists."""
        return (self.containers if place == "containers" else self.init_containers) or ()


def status_of(pod: Mapping[str, Any]) -> Status | None:
    """The status that an injected pod carries; one that cannot be read counts as none."""
    text = pods.annotations(pod).get(STATUS)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Status)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def remembered(pod: Mapping[str, Any]) -> Containers:
    """The overrides that an earlier injection wrote down."""
    text = pods.annotations(pod).get(OVERRIDES)
    if text is None:
        return {}
    try:
        found = json.loads(text)
        known = {place: found.get(place) or [] for place in LISTS}
        check_shape({"spec": known})
    except (ValueError, AttributeError, InjectionError) as error:
        raise InjectionError(f"annotation {OVERRIDES}: expected the JSON that injection writes: {error}") from error
    return known


def find(original: Mapping[str, Any], template: Mapping[str, Any], status: Status | None) -> Containers:
    """The author's own versions of containers that the template brings, by the template's list."""
    known = remembered(original)
    found: dict[str, list[JsonMap]] = {place: [] for place in LISTS}
    for place in LISTS:
        for container in pods.containers(template, place):
            name = container["name"]
            own = pods.named(known.get(place, []), name) or _original(original, place, name)
            if own is not None and not (status and name in status.listed(place)):
                found[place].append(_without_auto_image(own))
    return {place: listed for place, listed in found.items() if listed}


def applied(pod: Mapping[str, Any], overrides: Containers) -> JsonMap:
    """The pod with the overrides over it."""
    return merge(pod, {"spec": overrides}) if overrides else dict(pod)


def annotation(overrides: Containers) -> str:
    """The text that remembers them."""
    shown = normalised({"spec": dict(overrides)})["spec"]
    parts = (f'"{place}":{compact_json(place, shown[place])}' for place in LISTS if overrides.get(place))
    return "{" + ",".join(parts) + "}"


def _original(pod: Mapping[str, Any], place: str, name: str) -> JsonMap | None:
    own = pods.named(pods.containers(pod, place), name)
    return own or (pods.named(pods.containers(pod), name) if place == "initContainers" else None)


def _without_auto_image(container: JsonMap) -> JsonMap:
    return {key: value for key, value in container.items() if (key, value) != ("image", _AUTO_IMAGE)}
