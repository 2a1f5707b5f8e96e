"""Views: all that translation may know of a proxy. Equal views share the same resources and bytes.

What a view holds is resolved: which ports, which gateways, not raw labels. A view is itself an answer, so a change that
concerns a proxy moves it to another view and costs nothing else.
"""

import msgspec

from lateen.common.ip_families import IpFamilies
from lateen.common.labels import Labels
from lateen.common.ports import Protocol
from lateen.config.kinds.pod import Pod
from lateen.incremental.engine import query
from lateen.model.audience import Audience
from lateen.model.endpoints import SLICES_BY_ADDRESS, slice_ports
from lateen.model.gateways import GatewayPort, gateway_ports
from lateen.model.http_rules import source_selectors
from lateen.model.mesh import Mesh
from lateen.model.proxy import Interception, Proxy, ProxyId, ProxyType
from lateen.model.services import Service, ServiceKey, ServicePort, key_of, service
from lateen.model.workloads import Locality, workload


class OutboundView(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """All that a client's side may depend on, except where it runs."""

    audience: Audience

    @property
    def namespace(self) -> str:
        return self.audience.namespace


class EndpointView(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """All that the choice of endpoints may depend on."""

    locality: Locality = Locality()
    families: IpFamilies = IpFamilies.IPV4


class CaptureView(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """All that may depend on how a workload's connections come to its sidecar."""

    interception: Interception = Interception.REDIRECT
    families: IpFamilies = IpFamilies.IPV4


class InboundPort(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """A port that the workload serves: where it listens, and the service port that says how."""

    target_port: int
    service: ServiceKey
    port: int
    protocol: Protocol
    services: tuple[ServiceKey, ...] = ()
    """Every service on this target port, for telemetry; the first one is `service`."""


class InboundView(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """All that a workload's server side may depend on."""

    ports: tuple[InboundPort, ...] = ()


class GatewayView(msgspec.Struct, frozen=True, cache_hash=True, order=True):
    """All that a gateway's listeners and routes may depend on: what each of its ports serves."""

    audience: Audience
    ports: tuple[GatewayPort, ...] = ()
    families: IpFamilies = IpFamilies.IPV4


class SidecarView(msgspec.Struct, frozen=True, cache_hash=True):
    """What concerns sidecars alone."""

    capture: CaptureView
    inbound: InboundView
    own_ports: tuple[int, ...] = ()
    """Where the workload itself listens, for a sidecar that shares its addresses: without interception."""
    name_servers: tuple[str, ...] = ()
    """Whom its DNS queries are for, where they are captured."""


class Views(msgspec.Struct, frozen=True, cache_hash=True):
    """A proxy's views. A gateway has ports to the outside; a proxyless client is neither sidecar nor gateway."""

    outbound: OutboundView
    near: EndpointView
    sidecar: SidecarView | None = None
    gateway: GatewayView | None = None


@query
def views(mesh: Mesh, proxy_id: ProxyId) -> Views | None:
    """The views of a connected proxy; None once it is gone."""
    proxy = mesh.get(Proxy, proxy_id)
    if proxy is None:
        return None
    pod = workload(mesh, Pod.ref_to(proxy_id.namespace, proxy_id.name))
    labels = pod.labels if pod is not None else proxy.labels
    locality = pod.locality if pod is not None and pod.locality != Locality() else proxy.locality
    matched = tuple(selector for selector in source_selectors(mesh) if selector.selects(labels))
    audience = Audience(proxy_id.namespace, matched)
    return Views(
        outbound=OutboundView(audience),
        near=EndpointView(locality, IpFamilies.of(proxy.addresses)),
        sidecar=_sidecar(mesh, proxy) if proxy.type is ProxyType.SIDECAR else None,
        gateway=_gateway(mesh, proxy, labels, audience) if proxy.type is ProxyType.ROUTER else None,
    )


def _sidecar(mesh: Mesh, proxy: Proxy) -> SidecarView:
    inbound = _inbound(mesh, proxy)
    own: frozenset[int] = frozenset()
    if proxy.interception is Interception.NONE:
        own = proxy.container_ports | {port.target_port for port in inbound.ports}
    return SidecarView(
        capture=CaptureView(proxy.interception, IpFamilies.of(proxy.addresses)),
        inbound=inbound,
        own_ports=tuple(sorted(own)),
        name_servers=proxy.name_servers,
    )


def _inbound(mesh: Mesh, proxy: Proxy) -> InboundView:
    by_target: dict[int, list[InboundPort]] = {}
    for found, port, target in _served(mesh, proxy):
        served = InboundPort(target, found.key, port.number, port.protocol)
        by_target.setdefault(target, []).append(served)
    ports = []
    for _, serving in sorted(by_target.items()):
        keys = tuple(dict.fromkeys(port.service for port in serving))
        ports.append(msgspec.structs.replace(serving[0], services=keys))
    return InboundView(tuple(ports))


def _gateway(mesh: Mesh, proxy: Proxy, labels: Labels, audience: Audience) -> GatewayView:
    targets: dict[int, int] = {}
    for _, port, target in _served(mesh, proxy):
        targets.setdefault(port.number, target)
    ports = gateway_ports(mesh, labels, targets, unprivileged=proxy.unprivileged)
    return GatewayView(audience, ports, IpFamilies.of(proxy.addresses))


def _served(mesh: Mesh, proxy: Proxy) -> list[tuple[Service, ServicePort, int]]:
    """Every service port that has the proxy's pod behind it, with the port behind; oldest service first."""
    found: dict[tuple[ServiceKey, int, int], tuple[Service, ServicePort, int]] = {}
    for address in proxy.addresses:
        for ref in mesh.find(SLICES_BY_ADDRESS, address):
            piece = slice_ports(mesh, ref)
            owner = service(mesh, key_of(piece.service)) if piece.service is not None else None
            if owner is None:
                continue
            for name, target in piece.ports:
                port = next((p for p in owner.ports if p.name == name and p.protocol is not Protocol.UDP), None)
                if port is not None:
                    found[owner.key, port.number, target] = (owner, port, target)
    return sorted(found.values(), key=lambda served: (served[0].age, served[1].number, served[2]))
