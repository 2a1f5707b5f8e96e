"""Istio Gateway: ports that gateway proxies open, the hosts they serve there, and TLS."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from lateen.config.objects import ConfigObject
from lateen.config.values import IstioMessage, UInt32


class Port(IstioMessage, frozen=True):
    """`target_port` is accepted and has no effect: the Service in front of the proxy decides."""

    number: UInt32 = 0
    protocol: str = ""
    name: str = ""
    target_port: UInt32 | None = None


class ServerTLSMode(StrEnum):
    PASSTHROUGH = "PASSTHROUGH"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    AUTO_PASSTHROUGH = "AUTO_PASSTHROUGH"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    OPTIONAL_MUTUAL = "OPTIONAL_MUTUAL"


class TLSProtocol(StrEnum):
    TLS_AUTO = "TLS_AUTO"
    TLSV1_0 = "TLSV1_0"
    TLSV1_1 = "TLSV1_1"
    TLSV1_2 = "TLSV1_2"
    TLSV1_3 = "TLSV1_3"


class TLSCertificate(IstioMessage, frozen=True):
    """Files on the proxy."""

    server_certificate: str | None = None
    private_key: str | None = None
    ca_certificates: str | None = None


class ServerTLSSettings(IstioMessage, frozen=True):
    https_redirect: bool = False
    mode: ServerTLSMode = ServerTLSMode.PASSTHROUGH
    server_certificate: str | None = None
    private_key: str | None = None
    ca_certificates: str | None = None
    ca_crl: str | None = None
    credential_name: str | None = None
    credential_names: tuple[str, ...] = ()
    ca_cert_credential_name: str | None = None
    tls_certificates: tuple[TLSCertificate, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    insecure_skip_verify: bool | None = None
    min_protocol_version: TLSProtocol = TLSProtocol.TLS_AUTO
    max_protocol_version: TLSProtocol = TLSProtocol.TLS_AUTO
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()


class Server(IstioMessage, frozen=True):
    """`hosts` are `[namespace/]name`; the name may be a wildcard. `default_endpoint` is accepted and has no effect."""

    port: Port | None = None
    bind: str | None = None
    hosts: tuple[str, ...] = ()
    tls: ServerTLSSettings | None = None
    default_endpoint: str | None = None
    name: str | None = None


class GatewaySpec(IstioMessage, frozen=True):
    """`selector` holds the labels of the gateway pods."""

    servers: tuple[Server, ...] = ()
    selector: Mapping[str, str] = {}


class Gateway(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = "networking.istio.io"
    KIND: ClassVar[str] = "Gateway"

    spec: GatewaySpec = GatewaySpec()
