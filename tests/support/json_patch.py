"""Applying a JSONPatch, written against RFC 6902 and not against what makes patches here."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def applied(patch: Iterable[Mapping[str, Any]], document: Any) -> Any:
    """The document after all operations; the given one is left as it is. A path that leads nowhere is a failure."""
    root = {"": json.loads(json.dumps(document))}  # nothing shared between two places
    for operation in patch:
        *parents, last = ["", *_tokens(operation["path"])]
        place: Any = root
        for token in parents:
            place = place[_index(token, len(place) - 1) if isinstance(place, list) else token]
        _apply(place, last, operation)
    return root[""]


def _apply(place: Any, key: str, operation: Mapping[str, Any]) -> None:
    match operation["op"], place:
        case "add", list():
            place.insert(_index(key, len(place)), operation["value"])
        case "add", dict():
            place[key] = operation["value"]
        case "replace", list():
            place[_index(key, len(place) - 1)] = operation["value"]
        case "replace", dict():
            assert key in place, operation
            place[key] = operation["value"]
        case "remove", list():
            del place[_index(key, len(place) - 1)]
        case "remove", dict():
            del place[key]
        case _:
            raise AssertionError(operation)


def _index(token: str, most: int) -> int:
    assert token.isdigit(), token
    assert int(token) <= most, f"no position {token} in a list up to {most}"
    return int(token)


def _tokens(path: str) -> list[str]:
    assert path == "" or path.startswith("/"), path
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]
