"""Protocols of ports, and how a port's name or `appProtocol` declares one."""

from enum import StrEnum
from typing import assert_never


class Protocol(StrEnum):
    """What a port speaks, by its declared name."""

    HTTP = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    GRPC_WEB = "grpc-web"
    HTTPS = "https"
    TLS = "tls"
    TCP = "tcp"
    MONGO = "mongo"
    REDIS = "redis"
    MYSQL = "mysql"
    UDP = "udp"


class ProtocolClass(StrEnum):
    """How the mesh treats a protocol: routed by request, by connection, or not at all."""

    HTTP = "HTTP"
    TCP = "TCP"
    UDP = "UDP"


_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}

_BY_NAME = {str(protocol): protocol for protocol in Protocol} | {"http_proxy": Protocol.HTTP}

RECOGNISED_PREFIXES = tuple(sorted(name for name in _BY_NAME if name != "udp"))
"""What a port name may start with to declare its protocol."""


def declared_protocol(name: str | None, app_protocol: str | None, transport: str = "TCP") -> Protocol | None:
    """The protocol that a Service port declares, or None where it declares none that is known.

    `transport: UDP` wins, then `app_protocol`, then the part of `name` before the first `-`, any case. `http2foo` has
    no such part and declares nothing. Source: Istio, Protocol Selection.
    """
    if transport.upper() == "UDP":
        return Protocol.UDP
    if app_protocol:
        lowered = app_protocol.lower()
        return _APP_PROTOCOLS.get(lowered) or _prefixed(lowered)
    return _prefixed((name or "").lower())


def protocol_of(name: str | None, app_protocol: str | None, transport: str = "TCP") -> Protocol:
    """The protocol that a Service port is served with: the declared one, else plain TCP."""
    return declared_protocol(name, app_protocol, transport) or Protocol.TCP


def class_of(protocol: Protocol) -> ProtocolClass:
    """HTTP protocols are routed by request; TLS and the rest of TCP by connection; UDP is not proxied."""
    match protocol:
        case Protocol.HTTP | Protocol.HTTP2 | Protocol.GRPC | Protocol.GRPC_WEB:
            return ProtocolClass.HTTP
        case Protocol.UDP:
            return ProtocolClass.UDP
        case Protocol.HTTPS | Protocol.TLS | Protocol.TCP | Protocol.MONGO | Protocol.REDIS | Protocol.MYSQL:
            return ProtocolClass.TCP
        case _:
            assert_never(protocol)


def is_http2(protocol: Protocol) -> bool:
    """Whether requests to the port go out as HTTP/2."""
    return protocol in (Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB)


def _prefixed(text: str) -> Protocol | None:
    if text == "grpc-web" or text.startswith("grpc-web-"):
        return Protocol.GRPC_WEB
    return _BY_NAME.get(text.split("-", 1)[0])
