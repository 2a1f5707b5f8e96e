"""Metrics as Prometheus reads them: families of samples, and their text.

Not by the client library: it would put `_total` behind istiod's names of counters, and dashboards know them without.
Source of the form: Prometheus, text-based format 0.0.4.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from lateen.common.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Sample(msgspec.Struct, frozen=True):
    """`suffix` is what a histogram's samples have behind the name of the family."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(msgspec.Struct, frozen=True):
    """What is measured, in words, and how it is by labels. One without samples is not shown."""

    name: str
    kind: Kind
    told: str
    samples: tuple[Sample, ...]


def counter(name: str, told: str, value: float) -> Family:
    return Family(name, Kind.COUNTER, told, (Sample(value),))


def gauge(name: str, told: str, value: float, **labels: str) -> Family:
    return Family(name, Kind.GAUGE, told, (Sample(value, labels),))


def by_label(name: str, kind: Kind, told: str, label: str, values: Mapping[str, float]) -> Family:
    """One sample for each value of a label."""
    return Family(name, kind, told, tuple(Sample(value, {label: key}) for key, value in sorted(values.items())))


def histogram(name: str, told: str, found: Histogram) -> Family:
    return Family(name, Kind.HISTOGRAM, told, tuple(_buckets(found, {})))


def histograms(name: str, told: str, label: str, found: Mapping[str, Histogram]) -> Family:
    """One histogram for each value of a label."""
    samples = (sample for key, each in sorted(found.items()) for sample in _buckets(each, {label: key}))
    return Family(name, Kind.HISTOGRAM, told, tuple(samples))


def _buckets(found: Histogram, labels: Mapping[str, str]) -> Iterator[Sample]:
    for bound, count in found.cumulated():
        yield Sample(count, {**labels, "le": _number(bound)}, "_bucket")
    yield Sample(found.total, labels, "_sum")
    yield Sample(sum(found.counts), labels, "_count")


def exposed(families: Iterable[Family]) -> str:
    """The text of all families."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.told}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in sample.labels.items())
        yield f"{family.name}{sample.suffix}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
