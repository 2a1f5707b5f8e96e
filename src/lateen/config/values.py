"""Scalars and small messages that several kinds share, and the bases of the messages inside a kind.

Istio's messages forbid unknown fields; Kubernetes' let them pass, as the mesh reads only a part of them.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta


class IstioMessage(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """A message of Istio's API: a field it does not have is an error."""


class KubernetesMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of a Kubernetes object: fields the mesh does not read are ignored."""


Int32 = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
UInt32 = Annotated[int, Meta(ge=0, lt=2**32)]
UInt64 = Annotated[int, Meta(ge=0)]
JsonObject = Mapping[str, Any]
"""A message that is accepted as it is and not looked into."""

_LONGEST = 9_223_372_035
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


class Duration(timedelta):
    """A time span written as in Istio's API: `10s`, `1.5s`, `250ms`, `1h30m`.

    What is read is never below zero, nor more than Envoy takes: the seconds whose nanoseconds fit into 64 bits.
    """

    @classmethod
    @lru_cache(maxsize=1024)  # a configuration has few different ones
    def parse(cls, text: str) -> Self:
        """Raises `ValueError` when the text is not a duration, or not one in range."""
        digits = text.removeprefix("-")
        parts = _PART.findall(digits)
        if digits == "0":
            return cls()
        if not parts or "".join(number + unit for number, unit in parts) != digits:
            raise ValueError(
                f"`{text}` is not a duration: write a number and a unit, such as `10s`, `250ms` or `1h30m`"
            )
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if seconds and text.startswith("-"):
            raise ValueError(f"`{text}` is below zero; write 0s or more, such as `10s`")
        if seconds > _LONGEST:
            raise ValueError(f"`{text}` is too long; write at most `{_LONGEST}s`, which is 292 years")
        return cls(seconds=seconds)

    def __str__(self) -> str:
        """Seconds with at most six decimals, as protobuf's JSON writes durations: `1.5s`."""
        return f"{self.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


class StringMatch(IstioMessage, frozen=True):
    """Exactly one of the three; in header and query matches none at all means "present"."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class PortSelector(IstioMessage, frozen=True):
    number: UInt32 = 0


class Percent(IstioMessage, frozen=True):
    """`value` from 0.0 to 100.0."""

    value: float = 0.0


class WorkloadSelector(IstioMessage, frozen=True):
    match_labels: Mapping[str, str] = {}


class TcpKeepalive(IstioMessage, frozen=True):
    probes: UInt32 | None = None
    time: Duration | None = None
    interval: Duration | None = None
