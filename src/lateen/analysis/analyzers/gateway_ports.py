"""Gateways and the workloads that are to serve them: whether there are any, and whether their ports can be reached."""

from collections.abc import Iterator
from typing import Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import Resource, at, each, texts
from lateen.analysis.view import View
from lateen.common.labels import Labels
from lateen.config.kinds.gateway import Gateway

_GATEWAY: Final = (Gateway.GROUP, Gateway.KIND)


def ports(view: View) -> Iterator[Message]:
    """Source: Istio's `gateway.IngressGatewayPortAnalyzer`; workloads count like the pods that they make."""
    for gateway in view.all(_GATEWAY):
        selector = texts(gateway.spec, "selector")
        if not selector:
            continue
        served = _served(view, selector)
        wanted = ",".join(f"{key}={value}" for key, value in selector.items())
        if served is None:
            text = (
                f"no workload has the labels {wanted}, so nobody serves this Gateway; run a gateway with these labels, "
                "or select labels that one has"
            )
            yield Message(MessageType.ReferencedResourceNotFound, gateway, ("spec", "selector"), text)
        else:
            yield from _closed(gateway, wanted, served)


def _served(view: View, selector: Labels) -> frozenset[int] | None:
    """The TCP ports by which Services lead to the workloads of a selector; None where there is no such workload."""
    found = list(view.selected_anywhere(selector))
    brought = view.around.ingress_gateway
    if not found:
        fits = brought is not None and selector.items() <= brought.labels.items()
        return frozenset(brought.ports) if brought is not None and fits else None
    services = (service for workload in found for service in view.services_of(workload))
    return frozenset(number for service in services for number in _numbers(service))


def _numbers(service: Resource) -> Iterator[int]:
    """Those that clients use, and those of the pods behind them: a Gateway may name either."""
    for _, port in each(service.spec, "ports"):
        if (port.get("protocol") or "TCP") == "TCP":
            yield from (number for field in ("port", "targetPort") if isinstance(number := port.get(field), int))


def _closed(gateway: Resource, wanted: str, served: frozenset[int]) -> Iterator[Message]:
    for path, server in gateway.each("spec", "servers"):
        number = at(server, "port", "number")
        if isinstance(number, int) and number not in served:
            text = (
                f"port {number} is no port of a Service that leads to the workloads with {wanted}, so requests to "
                "that Service do not arrive there; add it to the Service, or use one of its ports"
            )
            yield Message(MessageType.GatewayPortNotDefinedOnService, gateway, (*path, "port", "number"), text)
