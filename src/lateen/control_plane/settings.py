"""What the control plane was asked for: read once, from flags that are named and mean what istiod's do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from lateen.control_plane.errors import InvalidSettings
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.listening import Address, InheritedSocket, parse_address

GRPC: Final = ":15010"
SECURE_GRPC: Final = ":15012"
HTTP: Final = "127.0.0.1:8080"
MONITORING: Final = ":15014"
HTTPS: Final = ":15017"


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files. With `clients`, the authorities of clients, those are asked for a certificate."""

    certificate: Path
    key: Path
    clients: Path | None = None


class Injection(msgspec.Struct, frozen=True, kw_only=True):
    """What the process decides about injected pods; the rest is in ConfigMaps.

    `native_sidecars` is `true`, `false`, or anything else for whatever the cluster's nodes can do.
    """

    revision: str = "default"
    native_sidecars: str = ""
    compliance_policy: str = ""
    openshift: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`http` is for this machine: readiness and debug pages; `monitoring` for others too; `https` for the
    webhook, and needs `tls`. None means not served.

    The configuration is that of a directory, or handed over by the process that started this one, over a socket.
    """

    source: Path | InheritedSocket
    grpc: tuple[Address, ...] = ()
    secure_grpc: Address | None = None
    tls: TlsFiles | None = None
    http: Address | None = None
    monitoring: Address | None = None
    https: Address | None = None
    injection: Injection = Injection()
    engine: EngineKind = EngineKind.NGH2


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Settings of flags by name; those left out have their defaults, and an empty address is not listened at.

    Raises `InvalidSettings`, which names the flag.
    """
    tls = _tls(flags)
    secure, https = flags.get("secureGRPCAddr"), flags.get("httpsAddr")
    for flag, address in (("secureGRPCAddr", secure), ("httpsAddr", https)):
        if address and tls is None:
            raise InvalidSettings(f"--{flag} needs a certificate to show: --tlsCertFile and --tlsKeyFile")
    return Settings(
        source=_source(flags),
        grpc=_addresses("grpcAddr", flags.get("grpcAddr") or (GRPC,)),
        secure_grpc=None if tls is None else _address("secureGRPCAddr", secure, SECURE_GRPC),
        tls=tls,
        http=_address("httpAddr", flags.get("httpAddr"), HTTP),
        monitoring=_address("monitoringAddr", flags.get("monitoringAddr"), MONITORING),
        https=None if tls is None else _address("httpsAddr", https, HTTPS),
        injection=_injection(flags.get("revision") or "", environment or {}),
        engine=EngineKind(flags.get("http2Engine") or EngineKind.NGH2),
    )


def _injection(revision: str, environment: Mapping[str, str]) -> Injection:
    """By the variables that istiod reads."""
    return Injection(
        revision=revision or environment.get("REVISION") or "default",
        native_sidecars=environment.get("ENABLE_NATIVE_SIDECARS", ""),
        compliance_policy=environment.get("COMPLIANCE_POLICY", ""),
        openshift=environment.get("PLATFORM", "").lower() == "openshift",
    )


def _source(flags: Mapping[str, Any]) -> Path | InheritedSocket:
    directory, objects = flags.get("configDir"), flags.get("objects")
    if objects:
        socket = _address("objects", objects, "")
        if not isinstance(socket, InheritedSocket):
            raise InvalidSettings(f"--objects {objects}: must be fd://NUMBER")
        return socket
    if not directory:
        raise InvalidSettings("--configDir is missing: name the directory that has the configuration")
    return Path(directory)


def _tls(flags: Mapping[str, Any]) -> TlsFiles | None:
    certificate, key, clients = (flags.get(name) for name in ("tlsCertFile", "tlsKeyFile", "caCertFile"))
    if certificate and key:
        return TlsFiles(Path(certificate), Path(key), Path(clients) if clients else None)
    if certificate or key:
        given, missing = ("--tlsCertFile", "--tlsKeyFile") if certificate else ("--tlsKeyFile", "--tlsCertFile")
        raise InvalidSettings(f"{given} is of no use without {missing}")
    if clients:
        raise InvalidSettings("--caCertFile is of no use without --tlsCertFile and --tlsKeyFile")
    return None


def _addresses(flag: str, texts: Sequence[str]) -> tuple[Address, ...]:
    return tuple(address for text in texts if (address := _address(flag, text, "")) is not None)


def _address(flag: str, given: str | None, default: str) -> Address | None:
    text = default if given is None else given
    try:
        return parse_address(text) if text else None
    except ValueError as error:
        raise InvalidSettings(f"--{flag}: {error}") from None
