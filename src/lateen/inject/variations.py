"""Settings with one of them changed: how injection is asked what depends on it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lateen.inject.pods import JsonMap
from lateen.inject.settings import VALUE_PATHS, Settings, Values

_TELLING: Mapping[str, Any] = {
    "ca_name": "GkeWorkloadCertificate",
    "cap_net_bind_service": "true",
    "cni_provider": "multus",
    "tracer": "datadog",
}
"""Values that mean something only with one text; any other text would tell nothing."""

_MESH_FIELDS: Mapping[str, str] = {
    "proxy_listen_port": "proxyListenPort",
    "proxy_inbound_listen_port": "proxyInboundListenPort",
    "trust_domain": "trustDomain",
    "enable_prometheus_merge": "enablePrometheusMerge",
    "inbound_to_localhost": "inboundTrafficPolicy.mode",
    "otel_semantic_conventions": "extensionProviders",
}
_PROCESS_FIELDS: Mapping[str, str] = {
    "native_sidecars": "setting ENABLE_NATIVE_SIDECARS",
    "compliance_policy": "setting COMPLIANCE_POLICY",
    "revision": "setting revision",
    "proxy_uid": "the proxy's user",
    "proxy_gid": "the proxy's group",
    "injected_annotations": "injection config injectedAnnotations",
    "environment": "the cluster's environment of proxies",
}
_PROXY_CONFIG: Mapping[str, Any] = {"interceptionMode": "TPROXY", "holdApplicationUntilProxyStarts": True}
"""Fields of `defaultConfig` that are asked about also where nobody set them."""


def variations(pod: JsonMap, settings: Settings) -> Iterator[tuple[str, JsonMap, Settings]]:
    """For each setting its name, and pod and settings with another value of it."""
    for field, path in VALUE_PATHS.items():
        values = _changed(settings.values, field)
        yield f"values {path}", pod, msgspec.structs.replace(settings, values=values)
    for field, key in _MESH_FIELDS.items():
        yield f"mesh config {key}", pod, msgspec.structs.replace(settings, mesh=_changed(settings.mesh, field))
    yield from _proxy_configs(pod, settings)
    for field, name in _PROCESS_FIELDS.items():
        yield name, pod, _changed(settings, field)


def _proxy_configs(pod: JsonMap, settings: Settings) -> Iterator[tuple[str, JsonMap, Settings]]:
    given = settings.mesh.default_config
    for key in {**_PROXY_CONFIG, **given}:
        other = {name: value for name, value in given.items() if name != key}
        if key not in given:
            other[key] = _PROXY_CONFIG[key]
        mesh = msgspec.structs.replace(settings.mesh, default_config=other)
        yield f"mesh config defaultConfig.{key}", pod, msgspec.structs.replace(settings, mesh=mesh)


def _changed(settings: Any, field: str) -> Any:
    value = getattr(settings, field)
    other = _TELLING.get(field) if isinstance(settings, Values) else None
    return msgspec.structs.replace(settings, **{field: _other(value) if other in (None, value) else other})


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"{value}-other"
        case tuple():
            return (*value, "other")
        case _:
            return {} if value else {"other": "other"}
