"""Which Gateways a gateway proxy serves, and what each of its ports serves."""

from collections.abc import Mapping

import msgspec

from lateen.common.labels import Labels, Selector
from lateen.common.ports import Protocol, ProtocolClass, class_of
from lateen.config.kinds.gateway import Gateway
from lateen.config.objects import ObjectRef
from lateen.incremental.engine import query
from lateen.incremental.tables import Index
from lateen.model.mesh import Diagnostic, Mesh

_PRIVILEGED_BELOW = 1024
_PORTS_OF_PROXIES = {
    15000: "Envoy's administration",
    15020: "the proxy's agent",
    15021: "the readiness of the proxy",
    15053: "the DNS of the proxy",
    15090: "Envoy's metrics",
}
"""What a gateway's own proxy listens on. The ports of interception (15001, 15006, 15008) are free in a gateway."""
_EVERY_ADDRESS = (None, "", "0.0.0.0", "::")


class GatewayServer(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """Names one server of one Gateway."""

    gateway: ObjectRef
    index: int


class GatewayPort(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """A port that a gateway proxy opens, and the servers that share it, oldest Gateway first.

    `number` is what the first server calls it; it listens on `listen`, which a Service in front may have mapped it to.
    `bind` is empty for every address.
    """

    listen: int
    bind: str
    number: int
    servers: tuple[GatewayServer, ...]


ALL_GATEWAYS = Index(Gateway, keys=lambda _: ("",), name="gateways of the mesh")


@query
def gateway_selector(mesh: Mesh, ref: ObjectRef) -> Selector | None:
    """The labels that a gateway pod must carry to serve this Gateway; none at all selects every one."""
    found = mesh.get(Gateway, ref)
    return Selector.of(found.spec.selector) if found is not None else None


@query
def gateways_by_age(mesh: Mesh) -> tuple[ObjectRef, ...]:
    """Every Gateway, oldest first."""
    found = [gateway for ref in mesh.find(ALL_GATEWAYS, "") if (gateway := mesh.get(Gateway, ref)) is not None]
    return tuple(gateway.ref for gateway in sorted(found, key=lambda gateway: gateway.metadata.age))


@query
def gateways_selecting(mesh: Mesh, labels: Selector) -> tuple[ObjectRef, ...]:
    """The Gateways whose selector these labels satisfy, oldest first."""
    carried = dict(labels.items)
    selected = []
    for ref in gateways_by_age(mesh):
        selector = gateway_selector(mesh, ref)
        if selector is not None and selector.selects(carried):
            selected.append(ref)
    return tuple(selected)


def gateway_ports(
    mesh: Mesh, labels: Labels, targets: Mapping[int, int], *, unprivileged: bool
) -> tuple[GatewayPort, ...]:
    """What a gateway with these labels opens, by port.

    `targets` maps a port of the Service in front of it to the port behind: a server with that number listens there, any
    other on its own number. A port of the proxy itself is left out, and one below 1024 where the pod may not bind it.
    """
    numbers: dict[tuple[int, str], int] = {}
    shared: dict[tuple[int, str], list[GatewayServer]] = {}
    for ref in gateways_selecting(mesh, Selector.of(labels)):
        gateway = mesh.get(Gateway, ref)
        for index, server in enumerate(gateway.spec.servers if gateway is not None else ()):
            if server.port is None:
                continue
            if not _is_plain_http(server.port.protocol):
                _report_protocol(mesh, ref, index, server.port.protocol)
                continue
            number = server.port.number
            place = (targets.get(number, number), "" if server.bind in _EVERY_ADDRESS else server.bind or "")
            if (owner := _PORTS_OF_PROXIES.get(place[0])) is not None:
                _report_taken(mesh, ref, index, place[0], owner)
                continue
            if unprivileged and place[0] < _PRIVILEGED_BELOW:
                continue
            numbers.setdefault(place, number)
            shared.setdefault(place, []).append(GatewayServer(ref, index))
    return tuple(GatewayPort(*place, numbers[place], tuple(found)) for place, found in shared.items())


def _is_plain_http(protocol: str) -> bool:
    name = protocol.lower()
    return name in set(Protocol) and class_of(Protocol(name)) is ProtocolClass.HTTP


def _report_protocol(mesh: Mesh, ref: ObjectRef, index: int, protocol: str) -> None:
    message = f"{protocol} is not served yet and the port stays closed; HTTP, HTTP2, GRPC and GRPC-WEB are"
    mesh.report(Diagnostic(ref, f"spec.servers[{index}].port.protocol", message, "gateway-protocol"))


def _report_taken(mesh: Mesh, ref: ObjectRef, index: int, port: int, owner: str) -> None:
    message = f"{port} is the port of {owner} and is not opened for others; choose another"
    mesh.report(Diagnostic(ref, f"spec.servers[{index}].port.number", message, "gateway-port"))
