"""What controllers have written into the status of objects: that something of them is not in force."""

from collections.abc import Iterator, Mapping
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import JsonMap, Resource, each
from lateen.analysis.view import View
from lateen.analysis.workloads import Kind
from lateen.config.problems import Path

_BOUND: Final = ("istio.io/WaypointBound",)
_ROUTE: Final = ("Accepted", "Programmed", "ResolvedRefs")
_GATEWAY_API: Final = "gateway.networking.k8s.io"
_TYPES: Final[Mapping[Kind, tuple[str, ...]]] = {
    ("", "Service"): _BOUND,
    ("networking.istio.io", "ServiceEntry"): _BOUND,
    ("networking.istio.io", "WorkloadEntry"): _BOUND,
    ("security.istio.io", "AuthorizationPolicy"): ("ZtunnelAccepted", "WaypointAccepted"),
    (_GATEWAY_API, "Gateway"): _ROUTE,
    (_GATEWAY_API, "HTTPRoute"): _ROUTE,
    (_GATEWAY_API, "GRPCRoute"): _ROUTE,
}


def negative(view: View) -> Iterator[Message]:
    """Source: Istio's `conditions.ConditionAnalyzer`."""
    for kind, types in _TYPES.items():
        for resource in view.all(kind):
            for path, condition in _conditions(resource):
                if condition.get("type") in types and _is_negative(condition):
                    reason, said = condition.get("reason") or "no reason", condition.get("message") or "nothing more"
                    text = f"it is not wholly in force: {condition['type']} is {condition['status']}, {reason}: {said}"
                    yield Message(MessageType.NegativeConditionStatus, resource, path, text)


def _conditions(resource: Resource) -> Iterator[tuple[Path, JsonMap]]:
    yield from resource.each("status", "conditions")
    for path, parent in resource.each("status", "parents"):
        for inner, condition in each(parent, "conditions"):
            yield (*path, *inner), condition


def _is_negative(condition: JsonMap) -> bool:
    partly = condition.get("type") == "WaypointAccepted" and condition.get("reason") == "PartiallyInvalid"
    return condition.get("status") == "False" or partly
