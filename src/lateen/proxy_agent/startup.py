"""From arguments, environment and pod information to a running Envoy: all of `proxy` before the event loop.

Imports are few on purpose: what is loaded here delays every pod.
"""

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lateen.common import proxy_mark
from lateen.common.ip_families import IpFamilies
from lateen.common.resolv_conf import name_servers
from lateen.envoy import binary, process
from lateen.envoy.bootstrap import BootstrapSettings, Node, bootstrap
from lateen.envoy.process import EnvoyOptions, EnvoyProcess
from lateen.envoy.stats_config import StatsSettings
from lateen.proxy_agent import metadata, pod_info, proxy_config
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.log import Log
from lateen.proxy_agent.options import ProxyOptions
from lateen.proxy_agent.pod_info import PodInfo
from lateen.proxy_agent.proxy_config import ProxyConfig

RESOLV_CONF = "/etc/resolv.conf"
IPV6_ADDRESSES = "/proc/net/if_inet6"
POD_INFO_DIRECTORY = "/etc/istio/pod"
PROXY_USER = 1337
BOOTSTRAP_FILE = "envoy-rev.json"

_STATS_ANNOTATION = "sidecar.istio.io/statsInclusion"
_TAGS_ANNOTATION = "sidecar.istio.io/extraStatTags"


class Proxy(NamedTuple):
    """Everything known of this proxy once its inputs are read."""

    options: ProxyOptions
    environ: Mapping[str, str]
    """The process's, over the entries of ProxyConfig `proxyMetadata`."""
    pod: PodInfo
    config: ProxyConfig
    node: Node
    families: IpFamilies
    readiness_port: int
    prometheus_port: int
    mark: int | None = None
    """By which interception knows what the proxy sends; where it has none, by its user."""

    @property
    def exits_when_idle(self) -> bool:
        return is_true(self.environ.get("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", ""))


def read_proxy(options: ProxyOptions, environ: Mapping[str, str], directory: str = POD_INFO_DIRECTORY) -> Proxy:
    """Reads who the proxy is. Raises `AgentError` naming the variable, file or flag that is wrong."""
    config = proxy_config.decode(environ.get("PROXY_CONFIG", ""))
    if options.service_cluster:
        config = config._replace(service_cluster=options.service_cluster)
    merged = {**config.proxy_metadata, **environ}
    if is_true(merged.get("ISTIO_DUAL_STACK", "")):
        merged["INSTANCE_IP"] = ",".join(dict.fromkeys((*metadata.addresses(merged), *_ipv6_addresses())))
    pod = PodInfo(_downward(directory, "labels"), _downward(directory, "annotations"))
    return Proxy(
        options=options,
        environ=merged,
        pod=pod,
        config=config,
        node=metadata.node(
            metadata.Identity(options.kind, options.domain, merged, pod, config, _captured_name_servers(merged))
        ),
        families=metadata.families(merged),
        readiness_port=metadata.port(merged, "ENVOY_STATUS_PORT", 15021),
        prometheus_port=metadata.port(merged, "ENVOY_PROMETHEUS_PORT", 15090),
        mark=_mark(merged.get(proxy_mark.VARIABLE, "")),
    )


def _ipv6_addresses() -> tuple[str, ...]:
    """Those of the pod that are good beyond a link: the downward API told only the first address."""
    path = Path(IPV6_ADDRESSES)
    return pod_info.global_addresses(_read(path, "IPv6 addresses")) if path.exists() else ()


def _captured_name_servers(environ: Mapping[str, str]) -> tuple[str, ...]:
    if environ.get("ISTIO_META_DNS_CAPTURE") != "true":
        return ()
    return name_servers(_read(Path(RESOLV_CONF), "name servers"))


def bootstrap_of(proxy: Proxy) -> dict[str, Any]:
    """The proxy's bootstrap in JSON form."""
    return bootstrap(
        proxy.node,
        BootstrapSettings(
            control_plane=proxy.config.discovery_address,
            families=proxy.families,
            admin_port=proxy.config.admin_port,
            agent_port=proxy.config.status_port,
            readiness_port=proxy.readiness_port,
            prometheus_port=proxy.prometheus_port,
            stats=_stats(proxy),
            runtime=proxy.config.runtime_values,
            outlier_log_path=proxy.options.outlier_log_path,
            mark=proxy.mark,
        ),
    )


def start_envoy(proxy: Proxy, log: Log) -> EnvoyProcess:
    """Writes the bootstrap and executes Envoy. Raises `AgentError` or `EnvoyError`.

    SIGTERM and SIGINT are blocked from here until the supervisor handles them, so that none is lost in between.
    """
    if proxy.config.ignored:
        log.warn(f"fields of ProxyConfig without effect here: {', '.join(proxy.config.ignored)}")
    program = binary.find(proxy.environ, proxy.config.binary_path)
    user = _envoy_user(proxy)
    path = Path(proxy.config.config_path, BOOTSTRAP_FILE)
    _write_bootstrap(path, json.dumps(bootstrap_of(proxy), separators=(",", ":")), user)
    arguments = process.arguments(_envoy_options(proxy, str(path)))
    log.info(f"starting Envoy for {proxy.node.id}, cluster {proxy.node.cluster}")
    log.debug(f"{program} {arguments}")
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    envoy = process.start(program, arguments, proxy.environ, user)
    log.debug(f"Envoy executes as pid {envoy.pid} after {time.process_time() * 1000:.0f} ms of the agent's CPU time")
    return envoy


def is_true(text: str) -> bool:
    """Whether a variable of the environment says yes."""
    return text.lower() in ("true", "1", "t")


def _envoy_options(proxy: Proxy, path: str) -> EnvoyOptions:
    options, flush = proxy.options, proxy.config.file_flush_seconds
    chosen = EnvoyOptions(
        config_path=path,
        drain_seconds=max(1, round(proxy.config.drain_seconds)),
        concurrency=_concurrency(proxy),
        log_level=options.log_level,
        component_log_level=options.component_log_level,
        log_as_json=options.log_as_json,
        ipv6_only=proxy.families is IpFamilies.IPV6,
        override_yaml=_override(proxy.environ),
    )
    return chosen if flush is None else chosen._replace(file_flush_milliseconds=max(1, round(flush * 1000)))


def _concurrency(proxy: Proxy) -> int | None:
    """Worker threads: the flag, else ProxyConfig, else the container's CPU limit; 0 means one per CPU."""
    for given in (proxy.options.concurrency, proxy.config.concurrency):
        if given is not None:
            return given or None
    limit = proxy.environ.get("ISTIO_CPU_LIMIT", "")
    return int(limit) if limit.isascii() and limit.isdigit() and int(limit) > 0 else None


def _stats(proxy: Proxy) -> StatsSettings:
    """Of each list, the pod's annotation beats ProxyConfig."""
    matcher, annotations = proxy.config.stats_matcher, proxy.pod.annotations

    def chosen(suffix: str, configured: tuple[str, ...]) -> tuple[str, ...]:
        text = annotations.get(_STATS_ANNOTATION + suffix)
        return configured if text is None else _comma_list(text)

    return StatsSettings(
        prefixes=chosen("Prefixes", matcher.prefixes),
        suffixes=chosen("Suffixes", matcher.suffixes),
        regexes=chosen("Regexps", matcher.regexes),
        extra_tags=proxy.config.extra_stat_tags + _comma_list(annotations.get(_TAGS_ANNOTATION, "")),
        active_connections=proxy.exits_when_idle,
    )


def _mark(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 32):
        raise AgentError(
            f"{proxy_mark.VARIABLE}: {text!r} is not a packet mark: expected a number from 1 to 4294967295"
        )
    return int(text) if text else None


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _envoy_user(proxy: Proxy) -> int | None:
    """The user Envoy runs as: 1337 when the agent is root, else the agent's.

    With TPROXY it stays root, of group 1337: it needs a capability that a change of user takes away. So it does where
    it marks what it sends, and there is no other user there.
    """
    if proxy.mark is not None or os.geteuid() != 0 or proxy.environ.get("ISTIO_META_INTERCEPTION_MODE") == "TPROXY":
        return None
    return PROXY_USER


def _override(environ: Mapping[str, str]) -> str | None:
    path = environ.get("ISTIO_BOOTSTRAP_OVERRIDE")
    return _read(Path(path), "ISTIO_BOOTSTRAP_OVERRIDE") if path else None


def _downward(directory: str, name: str) -> Mapping[str, str]:
    path = Path(directory, name)
    if not path.exists():
        return {}
    try:
        return pod_info.parse(_read(path, "pod information"))
    except ValueError as error:
        raise AgentError(f"{path}: {error}") from error


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise AgentError(f"{what}: {path}: {error.strerror}") from error


def _write_bootstrap(path: Path, text: str, user: int | None) -> None:
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if user is not None:
                os.fchown(descriptor, user, user)
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise AgentError(
            f"cannot write Envoy's bootstrap: {path}: {error.strerror}; ProxyConfig configPath names a directory "
            f"that uid {os.geteuid()} may write to"
        ) from error
