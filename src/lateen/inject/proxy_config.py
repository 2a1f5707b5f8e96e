"""ProxyConfig as injection needs it: layers laid over each other, and the JSON that the pod carries.

Kept in its JSON shape, because the pod must show exactly the fields that somebody set.
Source: Istio MeshConfig reference, ProxyConfig.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.config.documents import Malformed, parse
from lateen.config.values import Duration
from lateen.inject.encoding import compact_json
from lateen.inject.errors import InjectionError

ANNOTATION = "proxy.istio.io/config"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DEFAULTS: Mapping[str, Any] = {
    "configPath": "./etc/istio/proxy",
    "binaryPath": "/usr/local/bin/envoy",
    "serviceCluster": "istio-proxy",
    "drainDuration": "45s",
    "terminationDrainDuration": "5s",
    "proxyAdminPort": 15000,
    "controlPlaneAuthPolicy": "MUTUAL_TLS",
    "discoveryAddress": "istiod.istio-system.svc:15012",
    "statNameLength": 189,
    "statusPort": 15020,
    "interceptionMode": "REDIRECT",
}

_FIELDS = _words(
    "configPath binaryPath serviceCluster tracingServiceName drainDuration discoveryAddress "
    "statsdUdpAddress proxyAdminPort controlPlaneAuthPolicy customConfigFile statNameLength concurrency "
    "proxyBootstrapTemplatePath interceptionMode tracing envoyAccessLogService envoyMetricsService "
    "proxyMetadata runtimeValues statusPort extraStatTags gatewayTopology terminationDrainDuration meshId "
    "readinessProbe proxyStatsMatcher holdApplicationUntilProxyStarts caCertificatesPem image "
    "privateKeyProvider proxyHeaders fileFlushInterval fileFlushMinSizeKb statsCompression "
    "connectionSettings"
)
"""Every field, in the order of the message."""

_DURATIONS = frozenset(("drainDuration", "terminationDrainDuration", "fileFlushInterval"))
_NUMBERS = frozenset(("proxyAdminPort", "statNameLength", "statusPort", "concurrency"))
_MESSAGES = frozenset(
    _words(
        "tracing envoyAccessLogService envoyMetricsService gatewayTopology readinessProbe proxyStatsMatcher "
        "image privateKeyProvider proxyHeaders connectionSettings"
    )
)
_WRAPPERS = frozenset(("concurrency", "holdApplicationUntilProxyStarts", "statsCompression", "fileFlushMinSizeKb"))
_ENUMS: Mapping[str, tuple[str, ...]] = {
    "interceptionMode": ("REDIRECT", "TPROXY", "NONE"),
    "controlPlaneAuthPolicy": ("NONE", "MUTUAL_TLS", "INHERIT"),
}
_MERGED_FIELD_BY_FIELD = frozenset(("proxyMetadata", "proxyHeaders"))


class ProxyConfig(msgspec.Struct, frozen=True):
    """The configuration in force for one pod; `fields` has the defaults in it."""

    fields: Mapping[str, Any] = msgspec.field(default_factory=lambda: DEFAULTS)

    @property
    def interception_mode(self) -> str:
        return str(self.fields["interceptionMode"])

    @property
    def status_port(self) -> int:
        return int(self.fields["statusPort"])

    @property
    def metadata(self) -> Mapping[str, str]:
        """`proxyMetadata`, sorted by name."""
        return dict(sorted((self.fields.get("proxyMetadata") or {}).items()))

    @property
    def hold_application(self) -> bool:
        return bool(self.fields.get("holdApplicationUntilProxyStarts"))

    @property
    def image_type(self) -> str:
        return str((self.fields.get("image") or {}).get("imageType") or "")

    def over(self, layer: Mapping[str, Any]) -> "ProxyConfig":
        """This configuration with a layer over it: what is present replaces, metadata and headers merge."""
        merged = dict(self.fields)
        for key, value in known_fields(layer).items():
            below = merged.get(key)
            if key in _MERGED_FIELD_BY_FIELD and isinstance(value, Mapping) and isinstance(below, Mapping):
                value = {**below, **value}
            merged[key] = value
        return ProxyConfig(merged)

    def json(self) -> str:
        """The fields that differ from the defaults, in message order, as compact JSON."""
        shown = {
            key: self.fields[key]
            for key in _FIELDS
            if key in self.fields and self.fields[key] != DEFAULTS.get(key) and not _is_zero(key, self.fields[key])
        }
        return "{" + ",".join(f'"{key}":{compact_json(key, value)}' for key, value in shown.items()) + "}"


def parse_annotation(text: str) -> Mapping[str, Any]:
    """The layer that the annotation `proxy.istio.io/config` holds. Raises `InjectionError` saying what is wrong."""
    documents = parse(text)
    if isinstance(documents, Malformed):
        raise InjectionError(f"annotation {ANNOTATION}, line {documents.line}: {documents.message}")
    if not documents:
        return {}
    layer = known_fields(documents[0].raw)
    if problems := [problem for key, value in layer.items() if (problem := _problem(key, value))]:
        raise InjectionError(f"annotation {ANNOTATION}: " + "; ".join(problems))
    return layer


def known_fields(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The layer with Istio's camel case names; nulls and unknown fields are left out, durations in seconds."""
    found = {}
    for key, value in layer.items():
        head, *rest = key.split("_")
        name = head + "".join(word.capitalize() for word in rest)
        if name in _FIELDS and value is not None:
            found[name] = _in_seconds(value) if name in _DURATIONS else value
    return found


def _in_seconds(value: Any) -> Any:
    try:
        return str(Duration.parse(str(value)))
    except ValueError:
        return value


def _problem(key: str, value: Any) -> str:
    if key in _DURATIONS:
        try:
            Duration.parse(str(value))
        except ValueError as error:
            return f"{key}: {error}"
    if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        return f"{key}: expected a number, not {value!r}"
    if key in _ENUMS and value not in _ENUMS[key]:
        return f"{key}: expected one of {', '.join(_ENUMS[key])}, not {value!r}"
    if key in _MESSAGES and not isinstance(value, Mapping):
        return f"{key}: expected an object, not {value!r}"
    if key == "proxyMetadata":
        texts = isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
        return "" if texts else f"{key}: expected texts by name (quote numbers and true or false)"
    return ""


def _is_zero(key: str, value: Any) -> bool:
    """Whether protobuf would leave the field out: zero and empty, but not messages and wrappers that are set."""
    return key not in _MESSAGES and key not in _WRAPPERS and value in ("", 0, False, [], {})
