"""Labels and the selectors that match them."""

from collections.abc import Mapping
from typing import Any

import msgspec

Labels = Mapping[str, str]


class Selector(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """Labels that must all be present with these values; sorted, so that equal selectors are equal values."""

    items: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, labels: Labels) -> "Selector":
        return cls(tuple(sorted(labels.items())))

    def selects(self, labels: Labels) -> bool:
        """Whether the labels carry every pair; a selector without pairs selects everything."""
        return all(labels.get(key) == value for key, value in self.items)

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.items)


def meets(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether labels meet a selector in the API's shape: all of `matchLabels` and of `matchExpressions`.

    An empty selector is met by all labels, one that is not understood by none.
    """
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not isinstance(wanted, Mapping) or not isinstance(expressions, list | tuple):
        return False
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Any, labels: Labels) -> bool:
    if not isinstance(expression, Mapping) or not isinstance(values := expression.get("values") or (), list | tuple):
        return False
    key = str(expression.get("key"))
    # Kubernetes takes values where they mean something, and only there.
    match expression.get("operator"):
        case "In" if values:
            return key in labels and labels[key] in values
        case "NotIn" if values:
            return labels.get(key) not in values
        case "Exists" if not values:
            return key in labels
        case "DoesNotExist" if not values:
            return key not in labels
        case _:
            return False
