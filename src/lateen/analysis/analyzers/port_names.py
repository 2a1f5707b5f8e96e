"""Names of Service ports: what they declare, and which rules have no effect where they declare nothing."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lateen.analysis.analyzer import Message
from lateen.analysis.catalogue import MessageType
from lateen.analysis.resources import JsonMap, Resource
from lateen.analysis.view import View
from lateen.analysis.workloads import is_control_plane, is_managed_gateway
from lateen.common.hosts import Hostname, patterns_for, service_hostname
from lateen.common.ports import RECOGNISED_PREFIXES, Protocol, ProtocolClass, class_of, declared_protocol
from lateen.config.kinds.virtual_service import MESH_GATEWAY, VirtualService
from lateen.config.problems import Path
from lateen.model.http_rules import bound_to, hosts

SERVICE: Final = ("", "Service")
_WELL_KNOWN_TCP: Final = (25, 53, 3306, 27017)
_HEALTH_PORT: Final = 15021
"""The proxy's own; manifests of gateways name it `status-port`, and nobody routes on it."""
_HOW: Final = f"begin it with a protocol, alone or before a `-` ({', '.join(RECOGNISED_PREFIXES)}), or set appProtocol"


def _text(port: Mapping[str, Any], field: str) -> str:
    return value if isinstance(value := port.get(field), str) else ""


def _declared(port: JsonMap) -> Protocol | None:
    transport = _text(port, "protocol") or "TCP"
    return declared_protocol(_text(port, "name"), _text(port, "appProtocol") or None, transport)


def _is_external(service: Resource) -> bool:
    return service.spec.get("type") == "ExternalName"


def convention(view: View) -> Iterator[Message]:
    """Source: Istio's `service.PortNameAnalyzer`."""
    for service in view.all(SERVICE):
        if is_control_plane(service.labels) or is_managed_gateway(service.labels):
            continue
        bad = [(path, port) for path, port in service.each("spec", "ports") if not _is_conventional(service, port)]
        if _is_external(service) and bad:
            text = (
                f"ExternalName Service {service.name} has ports whose name declares no protocol or plain tcp: clients "
                f"cannot tell them from any other TCP port of that number; name each after its protocol: {_HOW}"
            )
            yield Message(MessageType.ExternalNameServiceTypeInvalidPortName, service, (*bad[0][0], "name"), text)
            continue
        for path, port in bad:
            name = f"the name `{_text(port, 'name')}`" if port.get("name") else "no name"
            target = port.get("targetPort")
            leads = f" (targetPort {target})" if target is not None else ""
            text = (
                f"port {port.get('port')}{leads} has {name}, which declares no protocol, so it is served as plain TCP: "
                f"no routing, retries or metrics by request; name it after its protocol: {_HOW}"
            )
            field = (*path, "name") if port.get("name") else path
            yield Message(MessageType.PortNameIsNotUnderNamingConvention, service, field, text)


def _is_conventional(service: Resource, port: JsonMap) -> bool:
    declared = _declared(port)
    if _is_external(service) and _text(port, "name").lower() == "tcp" and not port.get("appProtocol"):
        return False
    return declared is not None or port.get("port") in _WELL_KNOWN_TCP


def plain_tcp(view: View) -> Iterator[Message]:
    """Ports that are plain TCP by a name that declares nothing, or though a VirtualService has HTTP rules for them."""
    rules = _http_rules(view)
    for service in view.all(SERVICE):
        if _is_external(service) or is_managed_gateway(service.labels):
            continue
        wasted = _without_effect(service, rules)
        for path, port in service.each("spec", "ports"):
            if _declared(port) is None and port.get("port") != _HEALTH_PORT:
                yield from _plain_tcp(service, path, port, wasted)


def _plain_tcp(service: Resource, path: Path, port: JsonMap, wasted: list[str]) -> Iterator[Message]:
    field = next((field for field in ("appProtocol", "name") if port.get(field)), None)
    if field is None and not wasted:
        return
    number = port.get("port")
    said = f"`{port[field]}` declares no protocol" if field else "a port without a name declares no protocol"
    follows = f", so port {number} is plain TCP and rules for HTTP have no effect on it"
    if wasted:
        where = f"port {number} of Service {service.name}"
        follows = f", so port {number} is plain TCP and {_listed(wasted)} no effect on {where}"
    text = f"{said}{follows}; {_HOW}"
    yield Message(MessageType.PlainTcpPort, service, (*path, field) if field else path, text)


def _listed(names: list[str]) -> str:
    joined = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{joined} {'has' if len(names) == 1 else 'have'}"


def _http_rules(view: View) -> Mapping[Hostname, list[str]]:
    """The VirtualServices that have HTTP rules for sidecars, by the hosts they name."""
    found: dict[Hostname, list[str]] = {}
    for each in view.all((VirtualService.GROUP, VirtualService.KIND)):
        if isinstance(rules := each.object, VirtualService) and rules.spec.http and MESH_GATEWAY in bound_to(rules):
            for host in hosts(rules):
                found.setdefault(host, []).append(str(each.ref))
    return found


def _without_effect(service: Resource, rules: Mapping[Hostname, list[str]]) -> list[str]:
    """The VirtualServices with HTTP rules for a Service none of whose ports is served as HTTP."""
    declared = (_declared(port) for _, port in service.each("spec", "ports"))
    if any(each is not None and class_of(each) is ProtocolClass.HTTP for each in declared):
        return []
    patterns = patterns_for(service_hostname(service.name, service.namespace))
    return [name for pattern in patterns for name in rules.get(pattern, ())]
