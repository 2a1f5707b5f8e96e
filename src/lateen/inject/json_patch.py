"""The JSONPatch that makes one JSON document of another. Source: RFC 6902.

Lists are aligned by what names their items (`name`, or a container's mount path), so a container or a variable that is
added is one operation, wherever it stands. A change inside a list is never larger than writing the list anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

JsonPatch = list[dict[str, Any]]

_LARGEST_ALIGNMENT: Final = 250_000
"""Pairs of items that are compared at most; larger lists that differ are replaced whole."""
_ESCAPES: Final = (("~", "~0"), ("/", "~1"))


def json_patch(before: Any, after: Any) -> JsonPatch:
    """Operations in the order to apply them; none where both are equal."""
    return list(_differences("", before, after))


def _differences(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(path, before, after)
    elif not _same(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _of_objects(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": f"{path}/{_escaped(key)}"}
    for key, value in after.items():
        place = f"{path}/{_escaped(key)}"
        if key in before:
            yield from _differences(place, before[key], value)
        else:
            yield {"op": "add", "path": place, "value": value}


def _of_lists(path: str, before: list[Any], after: list[Any]) -> Iterator[dict[str, Any]]:
    pairs = _aligned(before, after)
    if pairs is None or not (pairs or not before):
        yield {"op": "replace", "path": path, "value": after}
        return
    kept = {old for old, _ in pairs}
    for old in range(len(before) - 1, -1, -1):
        if old not in kept:
            yield {"op": "remove", "path": f"{path}/{old}"}
    partners = {new: old for old, new in pairs}
    for new, value in enumerate(after):
        if new in partners:
            yield from _differences(f"{path}/{new}", before[partners[new]], value)
        else:
            yield {"op": "add", "path": f"{path}/{new}", "value": value}


def _aligned(before: list[Any], after: list[Any]) -> list[tuple[int, int]] | None:
    """Positions of items that are the same one on both sides, ascending, as many as can be; None for too many items."""
    old, new = [_identity(item) for item in before], [_identity(item) for item in after]
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    rows, columns = len(old) - head - tail, len(new) - head - tail
    if rows * columns > _LARGEST_ALIGNMENT:
        return None
    middle = _longest_common(old[head : head + rows], new[head : head + columns])
    return [
        *((place, place) for place in range(head)),
        *((head + one, head + other) for one, other in middle),
        *((len(old) - place, len(new) - place) for place in range(tail, 0, -1)),
    ]


def _identity(item: Any) -> Any:
    """What two versions of one item share; of items without a name, all they are."""
    if isinstance(item, Mapping):
        for key in ("mountPath", "name"):
            if isinstance(item.get(key), str):
                return (key, item[key])
    return (type(item), repr(item))


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items are the same at the beginning."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _longest_common(one: Sequence[Any], other: Sequence[Any]) -> list[tuple[int, int]]:
    """Positions of a longest common subsequence."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) - 1, -1, -1):
        for j in range(len(other) - 1, -1, -1):
            same = one[i] == other[j]
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(one) and j < len(other):
        if one[i] == other[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON, where true is not 1."""
    return type(one) is type(other) and bool(one == other)


def _escaped(key: str) -> str:
    for character, escape in _ESCAPES:
        key = key.replace(character, escape)
    return key
