"""The mesh's services: a host name, its ports and addresses, whatever object declared it."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from lateen.common.addresses import canonical
from lateen.common.hosts import CLUSTER_DOMAIN, Hostname, patterns_for, service_hostname
from lateen.common.ports import Protocol, ProtocolClass, class_of, protocol_of
from lateen.config.kinds.service import KubernetesService
from lateen.config.objects import Metadata, ObjectRef
from lateen.incremental.engine import query
from lateen.incremental.tables import Index
from lateen.model.mesh import Diagnostic, Mesh

NO_AGE = Metadata().age
_SUFFIX = f".svc.{CLUSTER_DOMAIN}"


class ServiceKey(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Names a service: its host name, and the namespace of the object that declares it."""

    hostname: Hostname
    namespace: str

    def __str__(self) -> str:
        return self.hostname


class ServicePort(msgspec.Struct, frozen=True):
    number: int
    name: str
    protocol: Protocol

    @property
    def protocol_class(self) -> ProtocolClass:
        return class_of(self.protocol)


class Service(msgspec.Struct, frozen=True):
    """`name` is the short name; `addresses` are its VIPs, none for a headless service."""

    key: ServiceKey
    name: str
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()
    headless: bool = False
    publish_not_ready: bool = False
    age: tuple[datetime, str, str] = NO_AGE
    """Sort key of "oldest first"."""

    @property
    def proxied_ports(self) -> tuple[ServicePort, ...]:
        """All but those of UDP, which may share a number with TCP."""
        return tuple(port for port in self.ports if port.protocol is not Protocol.UDP)

    def port(self, number: int) -> ServicePort | None:
        """The port of that number that is proxied."""
        return next((port for port in self.proxied_ports if port.number == number), None)


def _is_routed(service: KubernetesService) -> bool:
    return service.spec.type != "ExternalName"


SERVICES_BY_NAMESPACE = Index(
    KubernetesService,
    keys=lambda service: (service.metadata.namespace,) if _is_routed(service) else (),
    name="services by namespace",
)


def _target_patterns(service: KubernetesService) -> tuple[Hostname, ...]:
    return () if _is_routed(service) else patterns_for(_external_name(service))


ALIASES_BY_TARGET = Index(KubernetesService, keys=_target_patterns, name="aliases by target")

ALL_SERVICES = Index(
    KubernetesService, keys=lambda service: ("",) if _is_routed(service) else (), name="services of the mesh"
)


def _vips(service: KubernetesService) -> tuple[str, ...]:
    """The addresses that a Service asks for: none for one that is headless or has none yet."""
    spec = service.spec
    if spec.is_headless or not _is_routed(service):
        return ()
    listed = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    return tuple(dict.fromkeys(canonical(vip) for vip in listed if vip != "None"))


SERVICES_BY_ADDRESS = Index(KubernetesService, keys=_vips, name="services by address")


def _external_name(service: KubernetesService) -> Hostname:
    return Hostname(service.spec.external_name.lower().removesuffix("."))


def key_of(ref: ObjectRef) -> ServiceKey:
    """The key of the service that a Kubernetes Service declares."""
    return ServiceKey(service_hostname(ref.name, ref.namespace), ref.namespace)


def object_of(key: ServiceKey) -> ObjectRef:
    """The object that declares the service."""
    return KubernetesService.ref_to(key.namespace, key.hostname.split(".", 1)[0])


@query
def services_in(mesh: Mesh, namespace: str) -> tuple[ServiceKey, ...]:
    """The services that a namespace declares, by name."""
    return tuple(key_of(ref) for ref in mesh.find(SERVICES_BY_NAMESPACE, namespace))


@query
def http_services(mesh: Mesh, namespace: str) -> tuple[tuple[int, tuple[ServiceKey, ...]], ...]:
    """The HTTP ports of a namespace's services, ascending, each with the services that have it, by name."""
    by_port: dict[int, list[ServiceKey]] = {}
    for key in services_in(mesh, namespace):
        found = service(mesh, key)
        for port in found.ports if found is not None else ():
            if port.protocol_class is ProtocolClass.HTTP:
                by_port.setdefault(port.number, []).append(key)
    return tuple((port, tuple(dict.fromkeys(keys))) for port, keys in sorted(by_port.items()))


@query
def service_namespaces(mesh: Mesh) -> tuple[str, ...]:
    """The namespaces that declare services, sorted."""
    return tuple(sorted({ref.namespace for ref in mesh.find(ALL_SERVICES, "")}))


@query
def service(mesh: Mesh, key: ServiceKey) -> Service | None:
    declared = mesh.get(KubernetesService, object_of(key))
    if declared is None or not _is_routed(declared):
        return None
    spec = declared.spec
    return Service(
        key=key,
        name=declared.metadata.name,
        ports=tuple(
            ServicePort(port.port, port.name, protocol_of(port.name, port.app_protocol, port.protocol))
            for port in spec.ports
        ),
        addresses=_held(mesh, declared),
        headless=spec.is_headless,
        publish_not_ready=spec.publish_not_ready_addresses,
        age=declared.metadata.age,
    )


def _held(mesh: Mesh, declared: KubernetesService) -> tuple[str, ...]:
    """The addresses that no older Service asks for: two that answered to one would make Envoy refuse the port."""
    held = []
    for vip in _vips(declared):
        refs: tuple[ObjectRef, ...] = mesh.find(SERVICES_BY_ADDRESS, vip)
        oldest = declared.ref if len(refs) == 1 else min(refs, key=lambda ref: _age(mesh, ref))
        if oldest == declared.ref:
            held.append(vip)
        else:
            other = f"Service {oldest.namespace}/{oldest.name}, which is older"
            message = f"{vip} belongs to {other}; leave it out to be given one, or choose another"
            mesh.report(Diagnostic(declared.ref, "spec.clusterIP", message, "address-conflict"))
    return tuple(held)


def _age(mesh: Mesh, ref: ObjectRef) -> tuple[datetime, str, str]:
    found = mesh.get(KubernetesService, ref)
    return found.metadata.age if found is not None else NO_AGE


def service_key(mesh: Mesh, hostname: Hostname, client_namespace: str) -> ServiceKey | None:
    """The service that a client of a namespace means by a fully qualified name, or None where there is none."""
    del client_namespace  # a host name of Kubernetes belongs to one namespace, whoever asks
    key = _kubernetes_key(hostname)
    return key if key is not None and service(mesh, key) is not None else None


def _kubernetes_key(hostname: Hostname) -> ServiceKey | None:
    if not hostname.endswith(_SUFFIX):
        return None
    name, _, namespace = hostname.removesuffix(_SUFFIX).partition(".")
    return ServiceKey(hostname, namespace) if name and namespace and "." not in namespace else None


def unaliased(mesh: Mesh, hostname: Hostname) -> Hostname:
    """The host that an ExternalName Service stands for, be it through others of its type; else the host itself.

    Services that stand for each other in a ring stand for themselves.
    """
    passed = [hostname]
    while service_key(mesh, passed[-1], "") is None and (target := _alias_target(mesh, passed[-1])) is not None:
        if target in passed:
            return hostname
        passed.append(target)
    return passed[-1]


@query
def _alias_target(mesh: Mesh, hostname: Hostname) -> Hostname | None:
    key = _kubernetes_key(hostname)
    declared = mesh.get(KubernetesService, object_of(key)) if key is not None else None
    return _external_name(declared) if declared is not None and not _is_routed(declared) else None


def aliases_of(mesh: Mesh, hosts: Iterable[Hostname]) -> frozenset[Hostname]:
    """The ExternalName Services that stand for any of these hosts, wildcards too, be it through others."""
    found: set[Hostname] = set()
    new = set(hosts)
    while new:
        new = {key_of(ref).hostname for host in new for ref in mesh.find(ALIASES_BY_TARGET, host)} - found
        found |= new
    return frozenset(found)
