"""Gateway: the rules its types cannot say."""

from collections.abc import Iterator

from lateen.config.conform import nearest
from lateen.config.kinds.gateway import Gateway, Port, Server, ServerTLSMode, ServerTLSSettings, TLSProtocol
from lateen.config.problems import Path, Problem
from lateen.config.validation import names

PROTOCOLS = ("HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS")
_ENCRYPTED = ("HTTPS", "TLS")
_PLAIN_HTTP = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
_TERMINATING = (ServerTLSMode.SIMPLE, ServerTLSMode.MUTUAL, ServerTLSMode.OPTIONAL_MUTUAL)


def gateway(found: Gateway) -> Iterator[Problem]:
    servers = found.spec.servers
    if not servers:
        yield Problem(("spec", "servers"), "missing; a Gateway has at least one server")
    for position, server in enumerate(servers):
        yield from _server(("spec", "servers", position), server)
    yield from names.labels(("spec", "selector"), found.spec.selector)
    port_names = [server.port.name if server.port else "" for server in servers]
    yield from names.duplicates(("spec", "servers"), port_names, "port name", key="port")
    yield from names.duplicates(("spec", "servers"), [s.name or "" for s in servers], "server name", key="name")


def _server(path: Path, server: Server) -> Iterator[Problem]:
    bind = server.bind or ""
    if server.port is None:
        yield Problem((*path, "port"), "missing; write `port: {number: …, name: …, protocol: …}`")
    else:
        yield from _port((*path, "port"), server.port)
        yield from _tls_fits((*path, "tls"), server.tls, server.port.protocol.upper())
    if bind.startswith("unix:"):
        yield Problem((*path, "bind"), f"`{bind}`: Unix sockets are not supported yet; write an IP address")
    elif bind:
        yield from names.check((*path, "bind"), names.not_an_address(bind))
    if not server.hosts:
        yield Problem((*path, "hosts"), 'missing; name the hosts served here, or `"*"`')
    for position, host in enumerate(server.hosts):
        yield from names.check((*path, "hosts", position), _not_a_gateway_host(host))


def _port(path: Path, port: Port) -> Iterator[Problem]:
    yield from names.check((*path, "number"), names.not_a_port(port.number))
    if not port.name:
        yield Problem((*path, "name"), "missing; name the port, such as `http`")
    if not port.protocol:
        yield Problem((*path, "protocol"), f"missing; use one of {', '.join(PROTOCOLS)}")
    elif port.protocol.upper() not in PROTOCOLS:
        near = nearest(port.protocol, PROTOCOLS)
        hint = f"did you mean `{near}`?" if near else f"use one of {', '.join(PROTOCOLS)}"
        yield Problem((*path, "protocol"), f"`{port.protocol}` is not a protocol; {hint}")


def _not_a_gateway_host(host: str) -> str | None:
    """`[namespace/]name`, where the namespace may be `.` or `*`."""
    namespace, slash, name = host.rpartition("/")
    if slash and namespace not in (".", "*") and names.not_a_label(namespace):
        return f"`{host}` must be `name` or `namespace/name`, the namespace being a name, `.` or `*`"
    return names.not_a_host_or_address(name)


def _tls_fits(path: Path, tls: ServerTLSSettings | None, protocol: str) -> Iterator[Problem]:
    if tls is None:
        if protocol in _ENCRYPTED:
            yield Problem(path, f"missing; a server with protocol {protocol} needs it, such as `{{mode: SIMPLE, …}}`")
        return
    if protocol in _PLAIN_HTTP and not tls.https_redirect:
        yield Problem(path, f"has no effect on protocol {protocol}: use HTTPS, or only `httpsRedirect: true`")
        return
    if protocol in _ENCRYPTED:
        if tls.https_redirect:
            yield Problem((*path, "httpsRedirect"), "works only on a server with protocol HTTP")
        yield from _tls(path, tls, protocol)


def _tls(path: Path, tls: ServerTLSSettings, protocol: str) -> Iterator[Problem]:
    named = bool(tls.credential_name or tls.credential_names or tls.tls_certificates)
    if tls.mode in _TERMINATING and not named:
        for field, value in (("serverCertificate", tls.server_certificate), ("privateKey", tls.private_key)):
            if not value:
                yield Problem((*path, field), f"missing; mode {tls.mode} needs it, or `credentialName`")
        if tls.mode is ServerTLSMode.MUTUAL and not tls.ca_certificates:
            yield Problem((*path, "caCertificates"), "missing; mode MUTUAL checks clients against it")
    if tls.mode is ServerTLSMode.ISTIO_MUTUAL:
        for field, value in (
            ("serverCertificate", tls.server_certificate),
            ("privateKey", tls.private_key),
            ("caCertificates", tls.ca_certificates),
            ("credentialName", tls.credential_name),
        ):
            if value:
                yield Problem(
                    (*path, field), "cannot be together with mode ISTIO_MUTUAL, which has its own certificates"
                )
    if tls.mode is ServerTLSMode.AUTO_PASSTHROUGH and protocol == "HTTPS":
        yield Problem((*path, "mode"), "AUTO_PASSTHROUGH needs protocol TLS")
    if tls.credential_name and tls.credential_names:
        yield Problem((*path, "credentialNames"), "cannot be together with `credentialName`; keep one")
    low, high = tls.min_protocol_version, tls.max_protocol_version
    if TLSProtocol.TLS_AUTO not in (low, high) and low > high:
        yield Problem((*path, "minProtocolVersion"), f"{low} is above maxProtocolVersion {high}")
