"""What users wrote that has no effect, said on the object that it concerns. Everything else of the object is in force.

Each function is called by the query that would have used what it reports, so a report comes and goes with its cause.
"""

from lateen.common.ports import ProtocolClass
from lateen.config.kinds.destination_rule import ClientTLSMode, DestinationRule, PortTrafficPolicy, TrafficPolicy
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.objects import ObjectRef
from lateen.model import http_rules
from lateen.model.mesh import Diagnostic, Mesh
from lateen.model.services import Service, ServicePort
from lateen.model.traffic_policy import written_policies

CODE = "without-effect"
_NOT_YET = "has no effect yet"


def report_virtual_services(mesh: Mesh, service: Service, port: ServicePort) -> None:
    """HTTP rules for a port that carries TCP where no other port has them in force, and TCP and TLS rules."""
    in_force = any(each.protocol_class is ProtocolClass.HTTP for each in service.ports)
    for ref in http_rules.virtual_services_for(mesh, service.key.hostname, None):
        found = mesh.get(VirtualService, ref)
        if found is None:
            continue
        if found.spec.http and not in_force:
            message = (
                f"has no effect on port {port.number} of Service {service.key.namespace}/{service.name}, which carries "
                f"TCP: its name is {port.name!r}; if it is HTTP, begin the name with http-, or set appProtocol"
            )
            mesh.report(Diagnostic(ref, "spec.http", message, CODE))
        for field in ("tcp", "tls"):
            if getattr(found.spec, field):
                mesh.report(Diagnostic(ref, f"spec.{field}", _NOT_YET, CODE))


def report_rule(mesh: Mesh, rule: tuple[ObjectRef, ...]) -> None:
    """Settings of DestinationRules that are read and not applied."""
    for ref in rule:
        found = mesh.get(DestinationRule, ref)
        if found is None:
            continue
        for path, policy in written_policies(found):
            _report_policy(mesh, ref, path, policy)


def _report_policy(mesh: Mesh, ref: ObjectRef, path: str, policy: TrafficPolicy | PortTrafficPolicy) -> None:
    if policy.tls is not None and policy.tls.mode is not ClientTLSMode.DISABLE:
        mesh.report(Diagnostic(ref, f"{path}.tls", f"{_NOT_YET}: connections are not encrypted", CODE))
    locality = policy.load_balancer.locality_lb_setting if policy.load_balancer is not None else None
    if locality is not None:
        settings = {
            "distribute": locality.distribute,
            "failover": locality.failover,
            "failoverPriority": locality.failover_priority,
        }
        for written in (name for name, value in settings.items() if value):
            mesh.report(Diagnostic(ref, f"{path}.loadBalancer.localityLbSetting.{written}", _NOT_YET, CODE))
    if isinstance(policy, TrafficPolicy):
        blocks = {"tunnel": policy.tunnel, "proxyProtocol": policy.proxy_protocol}
        for written in (name for name, block in blocks.items() if block is not None):
            mesh.report(Diagnostic(ref, f"{path}.{written}", _NOT_YET, CODE))
