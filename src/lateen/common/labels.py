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

    An empty selector is met by all labels, an expression whose operator is not understood by none.
    """
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
