"""Istio VirtualService: routing rules for hosts, by request (`http`), by server name (`tls`), by connection (`tcp`)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final

from msgspec import field

from lateen.config.objects import ConfigObject
from lateen.config.values import Duration, Int32, IstioMessage, Percent, PortSelector, StringMatch, UInt32

MESH_GATEWAY: Final = "mesh"
"""What `gateways` lists for all sidecars."""


class HeaderOperations(IstioMessage, frozen=True):
    """`set` replaces, `add` appends, `remove` takes away."""

    set: Mapping[str, str] = {}
    add: Mapping[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(IstioMessage, frozen=True):
    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class Destination(IstioMessage, frozen=True):
    """`port` may be left out where the service has only one."""

    host: str = ""
    subset: str | None = None
    port: PortSelector | None = None


class HTTPRouteDestination(IstioMessage, frozen=True):
    destination: Destination | None = None
    weight: Int32 = 0
    headers: Headers | None = None


class HTTPMatchRequest(IstioMessage, frozen=True):
    """Every condition given must hold."""

    name: str | None = None
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: Mapping[str, StringMatch] = {}
    without_headers: Mapping[str, StringMatch] = {}
    query_params: Mapping[str, StringMatch] = {}
    ignore_uri_case: bool = False
    port: UInt32 | None = None
    source_labels: Mapping[str, str] = {}
    source_namespace: str | None = None
    gateways: tuple[str, ...] = ()
    stat_prefix: str | None = None


class RedirectPortSelection(StrEnum):
    FROM_PROTOCOL_DEFAULT = "FROM_PROTOCOL_DEFAULT"
    FROM_REQUEST_PORT = "FROM_REQUEST_PORT"


class HTTPRedirect(IstioMessage, frozen=True):
    uri: str | None = None
    prefix_rewrite: str | None = None
    authority: str | None = None
    port: UInt32 | None = None
    derive_port: RedirectPortSelection | None = None
    scheme: str | None = None
    redirect_code: UInt32 | None = None


class HTTPBody(IstioMessage, frozen=True):
    """One of the two; `data` is the API's `bytes`, decoded."""

    string: str | None = None
    data: bytes | None = field(default=None, name="bytes")


class HTTPDirectResponse(IstioMessage, frozen=True):
    status: UInt32 = 0
    body: HTTPBody | None = None


class RegexRewrite(IstioMessage, frozen=True):
    match: str = ""
    rewrite: str = ""


class HTTPRewrite(IstioMessage, frozen=True):
    uri: str | None = None
    authority: str | None = None
    uri_regex_rewrite: RegexRewrite | None = None


class HTTPRetry(IstioMessage, frozen=True):
    """`attempts: 0` switches retries off."""

    attempts: Int32 = 0
    per_try_timeout: Duration | None = None
    retry_on: str | None = None
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: Duration | None = None


class FaultDelay(IstioMessage, frozen=True):
    fixed_delay: Duration | None = None
    exponential_delay: Duration | None = None
    percentage: Percent | None = None
    percent: Int32 | None = None


class FaultAbort(IstioMessage, frozen=True):
    http_status: Int32 | None = None
    grpc_status: str | None = None
    http2_error: str | None = None
    percentage: Percent | None = None


class HTTPFaultInjection(IstioMessage, frozen=True):
    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


class HTTPMirrorPolicy(IstioMessage, frozen=True):
    destination: Destination | None = None
    percentage: Percent | None = None


class UnmatchedPreflights(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    FORWARD = "FORWARD"
    IGNORE = "IGNORE"


class CorsPolicy(IstioMessage, frozen=True):
    """`allow_origin` is the older form of `allow_origins`: exact values."""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_origin: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: UnmatchedPreflights | None = None


class Delegate(IstioMessage, frozen=True):
    name: str = ""
    namespace: str | None = None


class HTTPRoute(IstioMessage, frozen=True):
    """One rule: it applies where any of `match` does, or always if there is none."""

    name: str | None = None
    match: tuple[HTTPMatchRequest, ...] = ()
    route: tuple[HTTPRouteDestination, ...] = ()
    redirect: HTTPRedirect | None = None
    direct_response: HTTPDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HTTPRewrite | None = None
    timeout: Duration | None = None
    retries: HTTPRetry | None = None
    fault: HTTPFaultInjection | None = None
    mirror: Destination | None = None
    mirrors: tuple[HTTPMirrorPolicy, ...] = ()
    mirror_percentage: Percent | None = None
    mirror_percent: UInt32 | None = None
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None


class RouteDestination(IstioMessage, frozen=True):
    destination: Destination | None = None
    weight: Int32 = 0


class TLSMatchAttributes(IstioMessage, frozen=True):
    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: UInt32 | None = None
    source_labels: Mapping[str, str] = {}
    source_namespace: str | None = None
    gateways: tuple[str, ...] = ()


class TLSRoute(IstioMessage, frozen=True):
    match: tuple[TLSMatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class L4MatchAttributes(IstioMessage, frozen=True):
    destination_subnets: tuple[str, ...] = ()
    port: UInt32 | None = None
    source_subnet: str | None = None
    source_labels: Mapping[str, str] = {}
    source_namespace: str | None = None
    gateways: tuple[str, ...] = ()


class TCPRoute(IstioMessage, frozen=True):
    match: tuple[L4MatchAttributes, ...] = ()
    route: tuple[RouteDestination, ...] = ()


class VirtualServiceSpec(IstioMessage, frozen=True):
    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    tls: tuple[TLSRoute, ...] = ()
    tcp: tuple[TCPRoute, ...] = ()
    export_to: tuple[str, ...] = ()


class VirtualService(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = "networking.istio.io"
    KIND: ClassVar[str] = "VirtualService"

    spec: VirtualServiceSpec = VirtualServiceSpec()
