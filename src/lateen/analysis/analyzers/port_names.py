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
            field, said = _naming(path, port)
            target = port.get("targetPort")
            leads = f" (targetPort {target})" if target is not None else ""
            text = (
                f"{said}, so port {port.get('port')}{leads} is served as plain TCP: no routing, retries or metrics by "
                f"request; {_HOW}"
            )
            yield Message(MessageType.PortNameIsNotUnderNamingConvention, service, field, text)


def _naming(path: Path, port: JsonMap) -> tuple[Path, str]:
    """The field that is to declare a port's protocol, and what it declares."""
    field = next((field for field in ("appProtocol", "name") if port.get(field)), None)
    declared = _declared(port) or "no protocol"
    if field is None:
        return path, f"a port without a name declares {declared}"
    return (*path, field), f"`{port[field]}` declares {declared}"


def _is_conventional(service: Resource, port: JsonMap) -> bool:
    declared = _declared(port)
    if _is_external(service) and _text(port, "name").lower() == "tcp" and not port.get("appProtocol"):
        return False
    return declared is not None or port.get("port") in _WELL_KNOWN_TCP


def plain_tcp(view: View) -> Iterator[Message]:
    """Ports whose name declares nothing, and ports that carry TCP though a VirtualService has HTTP rules for them."""
    rules = _http_rules(view)
    for service in view.all(SERVICE):
        if _is_external(service) or is_managed_gateway(service.labels):
            continue
        wasted = _without_effect(service, rules)
        for path, port in service.each("spec", "ports"):
            if port.get("port") != _HEALTH_PORT and _is_worth_saying(port, wasted):
                yield _plain_tcp(service, path, port, wasted)


def _is_worth_saying(port: JsonMap, wasted: list[str]) -> bool:
    declared = _declared(port)
    if declared is None:
        return bool(wasted or port.get("name") or port.get("appProtocol"))
    return bool(wasted) and class_of(declared) is ProtocolClass.TCP


def _plain_tcp(service: Resource, path: Path, port: JsonMap, wasted: list[str]) -> Message:
    field, said = _naming(path, port)
    number = port.get("port")
    effect = "rules for HTTP have no effect on it"
    if wasted:
        effect = f"{_listed(wasted)} no effect on port {number} of Service {service.name}"
    carries = "is plain TCP" if _declared(port) is None else "carries TCP"
    mend = _HOW if _declared(port) is None else "if it is HTTP, begin the name with http-, or set appProtocol"
    return Message(MessageType.PlainTcpPort, service, field, f"{said}, so port {number} {carries} and {effect}; {mend}")


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
    """The VirtualServices with HTTP rules for a Service none of whose ports is served as HTTP.

    Rules for a wildcard are meant for whatever there is, so they are told only of ports that declare nothing.
    """
    declared = [_declared(port) for _, port in service.each("spec", "ports")]
    if any(each is not None and class_of(each) is ProtocolClass.HTTP for each in declared):
        return []
    host = service_hostname(service.name, service.namespace)
    patterns = (host,) if all(declared) else patterns_for(host)
    return [name for pattern in patterns for name in rules.get(pattern, ())]
