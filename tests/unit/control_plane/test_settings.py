"""Flags of the control plane: their defaults, and those that make no sense."""

from pathlib import Path
from typing import Any

import pytest

from lateen.control_plane.errors import InvalidSettings
from lateen.control_plane.settings import Injection, Settings, TlsFiles, read_settings
from lateen.xds.grpc.engine import EngineKind
from lateen.xds.listening import InheritedSocket, TcpAddress, UnixAddress

TLS = {"tlsCertFile": "/c.pem", "tlsKeyFile": "/k.pem"}


def test_what_is_left_out_is_as_with_istiod_but_debug_pages_are_for_this_machine() -> None:
    assert read_settings({"configDir": "/conf"}) == Settings(
        source=Path("/conf"),
        grpc=(TcpAddress("", 15010),),
        http=TcpAddress("127.0.0.1", 8080),
        monitoring=TcpAddress("", 15014),
        engine=EngineKind.NGH2,
    )


def test_with_a_certificate_it_serves_tls() -> None:
    settings = read_settings({"configDir": "/conf", **TLS})
    assert settings.secure_grpc == TcpAddress("", 15012)
    assert settings.tls == TlsFiles(Path("/c.pem"), Path("/k.pem"))
    assert settings.https == TcpAddress("", 15017)
    neither = read_settings({"configDir": "/conf", "secureGRPCAddr": "", "httpsAddr": "", **TLS})
    assert (neither.secure_grpc, neither.https) == (None, None)


def test_what_istiod_reads_of_its_environment_counts_for_injection() -> None:
    environment = {"REVISION": "canary", "ENABLE_NATIVE_SIDECARS": "true", "PLATFORM": "OpenShift"}
    settings = read_settings({"configDir": "/conf"}, {**environment, "COMPLIANCE_POLICY": "fips-140-2"})
    assert settings.injection == Injection(
        revision="canary", native_sidecars="true", compliance_policy="fips-140-2", openshift=True
    )
    assert read_settings({"configDir": "/conf", "revision": "blue"}, environment).injection.revision == "blue"
    assert read_settings({"configDir": "/conf"}).injection == Injection()


def test_addresses_are_of_any_form_and_an_empty_one_is_none() -> None:
    flags = {"configDir": "/conf", "grpcAddr": ("fd://3", "unix:///x.sock"), "httpAddr": "", "monitoringAddr": ":1"}
    settings = read_settings(flags)
    assert settings.grpc == (InheritedSocket(3), UnixAddress(Path("/x.sock")))
    assert settings.http is None
    assert settings.monitoring == TcpAddress("", 1)
    assert read_settings({"configDir": "/conf", "grpcAddr": ("",)}).grpc == ()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, "--configDir is missing"),
        ({"grpcAddr": ("15010",)}, "--grpcAddr: '15010' is not an address"),
        ({"httpAddr": ":http"}, "--httpAddr: ':http': the port"),
        ({"tlsCertFile": "/c.pem"}, "--tlsCertFile is of no use without --tlsKeyFile"),
        ({"tlsKeyFile": "/k.pem"}, "--tlsKeyFile is of no use without --tlsCertFile"),
        ({"caCertFile": "/ca.pem"}, "--caCertFile is of no use without --tlsCertFile and --tlsKeyFile"),
        ({"secureGRPCAddr": ":15012"}, "--secureGRPCAddr needs a certificate to show"),
        ({"httpsAddr": ":15017"}, "--httpsAddr needs a certificate to show"),
    ],
)
def test_what_makes_no_sense_names_the_flag(flags: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSettings) as error:
        read_settings({"configDir": "/conf", **flags} if flags else {})
    assert told in str(error.value)
