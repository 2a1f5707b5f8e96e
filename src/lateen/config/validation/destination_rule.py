"""DestinationRule: the rules its types cannot say."""

import math
from collections.abc import Iterator

from lateen.config.kinds.destination_rule import (
    ClientTLSMode,
    ClientTLSSettings,
    ConnectionPoolSettings,
    ConsistentHashLB,
    DestinationRule,
    HTTPCookie,
    LoadBalancerSettings,
    LocalityLoadBalancerSetting,
    OutlierDetection,
    PortTrafficPolicy,
    TrafficPolicy,
    TunnelSettings,
)
from lateen.config.problems import Path, Problem
from lateen.config.validation import names
from lateen.config.validation.http_route import at_least_a_millisecond, not_a_subset, zero_or_more
from lateen.config.values import Duration, TcpKeepalive

_HASH_KEYS = ("http_header_name", "http_cookie", "use_source_ip", "http_query_parameter_name")
_PERCENT = 100
_MAX_TABLE_SIZE = 5_000_011
_MAX_RING_SIZE = 8 << 20
"""What Envoy takes."""
_MAX_KEEPALIVE = Duration(seconds=32767)
_SECOND = Duration(seconds=1)
_MAX_PROBES = 127


def destination_rule(found: DestinationRule) -> Iterator[Problem]:
    spec, path = found.spec, ("spec",)
    if not spec.host:
        yield Problem((*path, "host"), "missing; name the service this is about, such as `reviews`")
    else:
        yield from names.check((*path, "host"), names.not_a_host_or_address(spec.host))
    yield from names.export_to((*path, "exportTo"), spec.export_to)
    if spec.traffic_policy:
        yield from _traffic_policy((*path, "trafficPolicy"), spec.traffic_policy)
    for position, subset in enumerate(spec.subsets):
        at = (*path, "subsets", position)
        if not subset.name:
            yield Problem((*at, "name"), "missing; routes name the subset")
        else:
            yield from names.check((*at, "name"), not_a_subset(subset.name))
        yield from names.labels((*at, "labels"), subset.labels)
        if subset.traffic_policy:
            yield from _traffic_policy((*at, "trafficPolicy"), subset.traffic_policy)
    yield from names.duplicates((*path, "subsets"), [s.name for s in spec.subsets], "subset", key="name")
    if spec.workload_selector:
        yield from names.labels((*path, "workloadSelector", "matchLabels"), spec.workload_selector.match_labels)


def _traffic_policy(path: Path, policy: TrafficPolicy) -> Iterator[Problem]:
    if policy == TrafficPolicy():
        yield Problem(path, "is empty; set something in it or leave it out")
    yield from _groups(path, policy)
    for position, port in enumerate(policy.port_level_settings):
        at = (*path, "portLevelSettings", position)
        if port.port is None:
            yield Problem((*at, "port"), "missing; write `port: {number: …}`")
        else:
            yield from names.check((*at, "port", "number"), names.not_a_port(port.port.number))
        yield from _groups(at, port)
    if policy.tunnel:
        yield from _tunnel((*path, "tunnel"), policy.tunnel)
    if policy.retry_budget:
        at = (*path, "retryBudget")
        if policy.retry_budget.percent and not 0 <= policy.retry_budget.percent.value <= _PERCENT:
            yield Problem((*at, "percent", "value"), "must be 0 to 100")
        yield from at_least_a_millisecond((*at, "budgetInterval"), policy.retry_budget.budget_interval)


def _groups(path: Path, policy: TrafficPolicy | PortTrafficPolicy) -> Iterator[Problem]:
    if policy.load_balancer:
        yield from _load_balancer((*path, "loadBalancer"), policy.load_balancer)
    if policy.connection_pool:
        yield from _connection_pool((*path, "connectionPool"), policy.connection_pool)
    if policy.outlier_detection:
        yield from _outlier_detection((*path, "outlierDetection"), policy.outlier_detection)
    if policy.tls:
        yield from _tls((*path, "tls"), policy.tls)


def _load_balancer(path: Path, settings: LoadBalancerSettings) -> Iterator[Problem]:
    if settings.simple is not None and settings.consistent_hash is not None:
        yield Problem((*path, "consistentHash"), "cannot be together with `simple`; keep one")
    if settings.consistent_hash:
        yield from _consistent_hash((*path, "consistentHash"), settings.consistent_hash)
    if settings.locality_lb_setting:
        yield from locality((*path, "localityLbSetting"), settings.locality_lb_setting)
    if settings.warmup_duration_secs and settings.warmup:
        yield Problem((*path, "warmup"), "cannot be together with `warmupDurationSecs`; keep `warmup`")
    if settings.warmup:
        if settings.warmup.duration is None:
            yield Problem((*path, "warmup", "duration"), "missing; say how long a new endpoint warms up")
        minimum = settings.warmup.minimum_percent
        if minimum is not None and not 0 <= minimum <= _PERCENT:
            yield Problem((*path, "warmup", "minimumPercent"), f"{minimum:g} must be 0 to 100")
        aggression = settings.warmup.aggression
        if aggression is not None and not 0 < aggression < math.inf:
            yield Problem((*path, "warmup", "aggression"), f"{aggression:g} must be above 0; 1 is a straight line")
        yield from at_least_a_millisecond((*path, "warmup", "duration"), settings.warmup.duration)
    yield from at_least_a_millisecond((*path, "warmupDurationSecs"), settings.warmup_duration_secs)


def _consistent_hash(path: Path, hashed: ConsistentHashLB) -> Iterator[Problem]:
    given = [key for key in _HASH_KEYS if getattr(hashed, key) is not None]
    if len(given) != 1:
        yield Problem(path, "needs one of `httpHeaderName`, `httpCookie`, `useSourceIp` and `httpQueryParameterName`")
    if hashed.ring_hash and hashed.maglev:
        yield Problem((*path, "maglev"), "cannot be together with `ringHash`; keep one")
    if hashed.http_header_name is not None:
        yield from names.check((*path, "httpHeaderName"), names.not_a_header(hashed.http_header_name))
    if hashed.http_query_parameter_name == "":
        yield Problem((*path, "httpQueryParameterName"), "must not be empty; name a parameter of the query")
    if hashed.http_cookie:
        yield from _cookie((*path, "httpCookie"), hashed.http_cookie)
    if hashed.ring_hash:
        at = (*path, "ringHash", "minimumRingSize")
        yield from names.check(at, _not_a_ring_size(hashed.ring_hash.minimum_ring_size))
    yield from names.check((*path, "minimumRingSize"), _not_a_ring_size(hashed.minimum_ring_size))
    if hashed.maglev and hashed.maglev.table_size:
        yield from names.check((*path, "maglev", "tableSize"), _not_a_table_size(hashed.maglev.table_size))


def _cookie(path: Path, cookie: HTTPCookie) -> Iterator[Problem]:
    if not cookie.name:
        yield Problem((*path, "name"), "missing; name the cookie")
    for position, attribute in enumerate(cookie.attributes):
        at = (*path, "attributes", position)
        yield from names.check((*at, "name"), names.not_a_header(attribute.name))
        yield from names.check((*at, "value"), names.not_a_header_text(attribute.value))


def _not_a_ring_size(size: int | None) -> str | None:
    return f"{size} is too large; use at most {_MAX_RING_SIZE}" if size and size > _MAX_RING_SIZE else None


def _not_a_table_size(size: int) -> str | None:
    if size > _MAX_TABLE_SIZE:
        return f"{size} is too large; use a prime number up to {_MAX_TABLE_SIZE}, such as 65537"
    if size < 2 or any(size % divisor == 0 for divisor in range(2, math.isqrt(size) + 1)):
        return f"{size} is not a prime number; use one such as 65537"
    return None


def locality(path: Path, setting: LocalityLoadBalancerSetting) -> Iterator[Problem]:
    given = [f for f in ("distribute", "failover") if getattr(setting, f)]
    if len(given) > 1:
        yield Problem((*path, "failover"), "cannot be together with `distribute`; keep one")
    for position, distribute in enumerate(setting.distribute):
        total = sum(distribute.to.values())
        if total != _PERCENT:
            yield Problem((*path, "distribute", position, "to"), f"the percentages sum up to {total}, not to 100")
    for position, failover in enumerate(setting.failover):
        if failover.from_ == failover.to:
            yield Problem((*path, "failover", position, "to"), "is the same as `from`; name another region")


def _connection_pool(path: Path, pool: ConnectionPoolSettings) -> Iterator[Problem]:
    if not pool.tcp and not pool.http:
        yield Problem(path, "is empty; give it `tcp` or `http`")
    if pool.tcp:
        at = (*path, "tcp")
        yield from _not_negative((*at, "maxConnections"), pool.tcp.max_connections)
        yield from at_least_a_millisecond((*at, "connectTimeout"), pool.tcp.connect_timeout)
        yield from at_least_a_millisecond((*at, "maxConnectionDuration"), pool.tcp.max_connection_duration)
        if pool.tcp.tcp_keepalive:
            yield from tcp_keepalive((*at, "tcpKeepalive"), pool.tcp.tcp_keepalive)
    if pool.http:
        at = (*path, "http")
        yield from _not_negative((*at, "http1MaxPendingRequests"), pool.http.http1_max_pending_requests)
        yield from _not_negative((*at, "http2MaxRequests"), pool.http.http2_max_requests)
        yield from _not_negative((*at, "maxRequestsPerConnection"), pool.http.max_requests_per_connection)
        yield from _not_negative((*at, "maxRetries"), pool.http.max_retries)
        yield from _not_negative((*at, "maxConcurrentStreams"), pool.http.max_concurrent_streams)
        if keep_alive := pool.http.http2_keep_alive:
            yield from zero_or_more((*at, "http2KeepAlive", "interval"), keep_alive.interval)
            yield from zero_or_more((*at, "http2KeepAlive", "timeout"), keep_alive.timeout)


def tcp_keepalive(path: Path, settings: TcpKeepalive) -> Iterator[Problem]:
    """The range of the kernel, which counts whole seconds; zero leaves the choice to it."""
    for field, duration in (("time", settings.time), ("interval", settings.interval)):
        if duration and not _SECOND <= duration <= _MAX_KEEPALIVE:
            yield Problem((*path, field), f"{duration} must be {_SECOND} to {_MAX_KEEPALIVE}")
    if settings.probes and settings.probes > _MAX_PROBES:
        yield Problem((*path, "probes"), f"{settings.probes} must be at most {_MAX_PROBES}")


def _outlier_detection(path: Path, outlier: OutlierDetection) -> Iterator[Problem]:
    yield from at_least_a_millisecond((*path, "interval"), outlier.interval)
    yield from at_least_a_millisecond((*path, "baseEjectionTime"), outlier.base_ejection_time)
    for field, percent in (
        ("maxEjectionPercent", outlier.max_ejection_percent),
        ("minHealthPercent", outlier.min_health_percent),
    ):
        if percent is not None and not 0 <= percent <= _PERCENT:
            yield Problem((*path, field), f"{percent} must be 0 to 100")


def _tls(path: Path, tls: ClientTLSSettings) -> Iterator[Problem]:
    files = {
        "clientCertificate": tls.client_certificate,
        "privateKey": tls.private_key,
        "caCertificates": tls.ca_certificates,
    }
    match tls.mode:
        case ClientTLSMode.MUTUAL:
            if tls.credential_name:
                yield from _absent(path, files, "`credentialName`")
            else:
                for field in ("clientCertificate", "privateKey"):
                    if not files[field]:
                        yield Problem((*path, field), "missing; mode MUTUAL needs it, or `credentialName`")
        case ClientTLSMode.ISTIO_MUTUAL:
            yield from _absent(path, files | {"credentialName": tls.credential_name}, "mode ISTIO_MUTUAL")
        case ClientTLSMode.SIMPLE:
            if tls.credential_name:
                yield from _absent(path, files, "`credentialName`")
        case ClientTLSMode.DISABLE:
            pass
    if tls.sni:
        yield from names.check((*path, "sni"), names.not_a_host(tls.sni, wildcard=False))


def _absent(path: Path, fields: dict[str, str | None], because: str) -> Iterator[Problem]:
    for field, value in fields.items():
        if value:
            yield Problem((*path, field), f"cannot be together with {because}")


def _tunnel(path: Path, tunnel: TunnelSettings) -> Iterator[Problem]:
    if tunnel.protocol not in (None, "", "CONNECT", "POST"):
        yield Problem((*path, "protocol"), f"`{tunnel.protocol}` must be `CONNECT` or `POST`")
    yield from names.check((*path, "targetHost"), names.not_a_host_or_address(tunnel.target_host, wildcard=False))
    yield from names.check((*path, "targetPort"), names.not_a_port(tunnel.target_port))


def _not_negative(path: Path, number: int | None) -> Iterator[Problem]:
    if number is not None and number < 0:
        yield Problem(path, f"{number} is below zero")
