"""ProxyConfig as the agent needs it: decoded from the environment variable `PROXY_CONFIG`, over the defaults. Pure.

The injector has merged mesh defaults and the pod's annotation into that variable already.
Source: Istio MeshConfig reference, ProxyConfig.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from lateen.envoy.binary import IMAGE_PATH
from lateen.envoy.bootstrap import HostPort, UnixSocket
from lateen.proxy_agent.errors import AgentError

DEFAULTS: Mapping[str, Any] = {
    "configPath": "./etc/istio/proxy",
    "binaryPath": IMAGE_PATH,
    "serviceCluster": "istio-proxy",
    "drainDuration": "45s",
    "discoveryAddress": "istiod.istio-system.svc:15012",
    "proxyAdminPort": 15000,
    "controlPlaneAuthPolicy": "MUTUAL_TLS",
    "statNameLength": 189,
    "statusPort": 15020,
    "terminationDrainDuration": "5s",
}

_IGNORED = (
    "customConfigFile",
    "proxyBootstrapTemplatePath",
    "statsdUdpAddress",
    "envoyAccessLogService",
    "envoyMetricsService",
    "privateKeyProvider",
)

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class StatsMatcher(NamedTuple):
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()


class ProxyConfig(NamedTuple):
    """The fields that matter to the agent; `raw` has all of them, as the control plane gets to see them."""

    raw: Mapping[str, Any]
    config_path: str
    binary_path: str
    service_cluster: str
    tracing_service_name: str
    discovery_address: UnixSocket | HostPort
    drain_seconds: float
    termination_drain_seconds: float
    admin_port: int
    status_port: int
    concurrency: int | None
    proxy_metadata: Mapping[str, str]
    runtime_values: Mapping[str, str]
    extra_stat_tags: tuple[str, ...]
    stats_matcher: StatsMatcher
    file_flush_seconds: float | None
    ignored: tuple[str, ...]
    """Fields that are set and have no effect here."""


def decode(text: str) -> ProxyConfig:
    """Reads ProxyConfig JSON; empty text gives the defaults. Unknown fields are kept in `raw`.

    Raises `AgentError` naming the field.
    """
    try:
        given = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise AgentError(f"PROXY_CONFIG: not JSON: {error}") from error
    if not isinstance(given, dict):
        raise AgentError("PROXY_CONFIG: a JSON object is expected")
    fields = _Fields({**DEFAULTS, **given}, "PROXY_CONFIG")
    matcher = fields.sub("proxyStatsMatcher")
    return ProxyConfig(
        raw=fields.raw,
        # Relative to the root of the container, whose working directory a pod may set to anything.
        config_path="/" + fields.text("configPath").removeprefix("./").lstrip("/"),
        binary_path=fields.text("binaryPath"),
        service_cluster=fields.text("serviceCluster"),
        tracing_service_name=fields.text("tracingServiceName"),
        discovery_address=discovery_address(fields.text("discoveryAddress")),
        drain_seconds=fields.seconds("drainDuration"),
        termination_drain_seconds=fields.seconds("terminationDrainDuration"),
        admin_port=fields.integer("proxyAdminPort"),
        status_port=fields.integer("statusPort"),
        concurrency=fields.integer("concurrency") if "concurrency" in fields.raw else None,
        proxy_metadata=fields.texts_by_name("proxyMetadata"),
        runtime_values=fields.texts_by_name("runtimeValues"),
        extra_stat_tags=fields.texts("extraStatTags"),
        stats_matcher=StatsMatcher(
            matcher.texts("inclusionPrefixes"), matcher.texts("inclusionSuffixes"), matcher.texts("inclusionRegexps")
        ),
        file_flush_seconds=fields.seconds("fileFlushInterval") if "fileFlushInterval" in fields.raw else None,
        ignored=tuple(name for name in _IGNORED if fields.raw.get(name)),
    )


def discovery_address(text: str) -> UnixSocket | HostPort:
    """`unix:///path/of/socket`, `host:port` or `[v6]:port`. Raises `AgentError`."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if path.startswith("/"):
            return UnixSocket(path)
    host, separator, port = text.rpartition(":")
    if separator and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536 and "/" not in host:
        return HostPort(host.removeprefix("[").removesuffix("]"), int(port))
    raise AgentError(f"PROXY_CONFIG discoveryAddress: {text!r} is neither 'host:port' nor 'unix:///path'")


def seconds(text: str) -> float:
    """A duration such as `5s`, `1.5s`, `100ms` or `1m30s`. Raises `ValueError`."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as '5s'")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def environment_seconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    """A duration from the environment. Raises `AgentError`."""
    try:
        return seconds(environ[variable]) if environ.get(variable) else default
    except ValueError as error:
        raise AgentError(f"{variable}: {error}") from error


class _Fields(NamedTuple):
    """Reads typed fields of a JSON object; an absent or null field is the type's zero."""

    raw: Mapping[str, Any]
    path: str

    def text(self, name: str) -> str:
        value = self.raw.get(name) or ""
        if not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value

    def integer(self, name: str) -> int:
        value = self.raw.get(name) or 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong(name, "a number")
        return value

    def seconds(self, name: str) -> float:
        try:
            return seconds(self.text(name))
        except ValueError as error:
            raise AgentError(f"{self.path} {name}: {error}") from error

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.raw.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(name, "a list of texts")
        return tuple(value)

    def texts_by_name(self, name: str) -> Mapping[str, str]:
        value = self.sub(name).raw
        return {key: item if isinstance(item, str) else json.dumps(item) for key, item in value.items()}

    def sub(self, name: str) -> "_Fields":
        value = self.raw.get(name) or {}
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return _Fields(value, f"{self.path} {name}")

    def _wrong(self, name: str, expected: str) -> AgentError:
        return AgentError(f"{self.path} {name}: {expected} is expected, not {json.dumps(self.raw[name])}")
