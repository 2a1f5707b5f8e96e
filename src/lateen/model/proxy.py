"""A proxy that asks for configuration, or a client that does so without one, parsed once from its xDS node."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from lateen.common.hosts import is_address
from lateen.model.workloads import Locality


class ProxyType(StrEnum):
    SIDECAR = "sidecar"
    ROUTER = "router"
    PROXYLESS = "proxyless"
    """No proxy: an application whose gRPC library speaks xDS itself."""


class Interception(StrEnum):
    """How the connections of a pod come to its sidecar. Source: Istio API, ProxyConfig `interceptionMode`."""

    REDIRECT = "REDIRECT"
    TPROXY = "TPROXY"
    """As REDIRECT, and the application sees from where a client connected."""
    NONE = "NONE"
    """Not at all: only those that the application itself makes to a listener on the loopback address."""


_TYPES: Final = {str(each): each for each in (ProxyType.SIDECAR, ProxyType.ROUTER)}
_PROXYLESS_GENERATOR: Final = "grpc"


class ProxyId(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The pod that a proxy runs in; printed `<pod>.<namespace>`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}.{self.namespace}"


class Proxy(msgspec.Struct, frozen=True):
    """What a proxy says of itself. `labels` count only where the mesh does not know the pod."""

    id: ProxyId
    type: ProxyType
    addresses: tuple[str, ...]
    domain: str
    labels: Mapping[str, str] = {}
    locality: Locality = Locality()
    unprivileged: bool = False
    interception: Interception = Interception.REDIRECT
    container_ports: frozenset[int] = frozenset()
    name_servers: tuple[str, ...] = ()
    """Whom the pod's DNS queries are for, where its sidecar captures them."""


class _ContainerPort(msgspec.Struct):
    number: int = msgspec.field(name="containerPort")


class InvalidNode(Exception):
    """The node that a proxy sent cannot be understood; the message says why."""


def parse_node(node_id: str, metadata: Mapping[str, object], locality: Locality) -> Proxy:
    """The proxy behind an xDS node. Raises `InvalidNode`.

    The id is `<type>~<ip>~<pod>.<namespace>~<dns domain>`. A gRPC client calls itself a sidecar, and says
    by `GENERATOR` in its metadata that it is none. Source: Istio's node format.
    """
    parts = node_id.split("~")
    if len(parts) != 4:
        raise InvalidNode(f"node id {node_id!r} must have four parts, `<type>~<ip>~<pod>.<namespace>~<domain>`")
    kind, address, name, domain = parts
    if kind not in _TYPES:
        raise InvalidNode(f"node id {node_id!r}: type {kind!r} is neither `sidecar` nor `router`")
    proxyless = metadata.get("GENERATOR") == _PROXYLESS_GENERATOR
    pod, _, id_namespace = name.rpartition(".")
    namespace = str(metadata.get("NAMESPACE") or id_namespace or domain.split(".", 1)[0])
    addresses = _listed_addresses(metadata, "INSTANCE_IPS") or ((address,) if is_address(address) else ())
    if not addresses:
        raise InvalidNode(f"node id {node_id!r} has no valid address, and neither has the metadata INSTANCE_IPS")
    labels = metadata.get("LABELS")
    return Proxy(
        id=ProxyId(namespace, pod or name),
        type=ProxyType.PROXYLESS if proxyless else _TYPES[kind],
        addresses=addresses,
        domain=domain,
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, Mapping) else {},
        locality=locality,
        unprivileged=metadata.get("UNPRIVILEGED_POD") == "true",
        interception=interception_of(metadata.get("INTERCEPTION_MODE")),
        container_ports=_container_ports(metadata),
        name_servers=_listed_addresses(metadata, "NAME_SERVERS") if metadata.get("DNS_CAPTURE") == "true" else (),
    )


def _listed_addresses(metadata: Mapping[str, object], key: str) -> tuple[str, ...]:
    listed = (text.strip() for text in str(metadata.get(key) or "").split(","))
    return tuple(text for text in listed if is_address(text))


def interception_of(said: object) -> Interception:
    """The mode that something says; what is no mode is REDIRECT."""
    return Interception(said) if isinstance(said, str) and said in set(Interception) else Interception.REDIRECT


def _container_ports(metadata: Mapping[str, object]) -> frozenset[int]:
    """The ports that the pod's containers declare: a JSON list in a string."""
    try:
        listed = msgspec.json.decode(str(metadata.get("POD_PORTS") or "[]"), type=list[_ContainerPort])
    except msgspec.DecodeError:
        return frozenset()
    return frozenset(port.number for port in listed)
