"""How Kubernetes' own types write a pod: fields dropped when empty, canonical quantities, and JSON in field order.

A pod passes through these types on its way in and out, so two pods that differ only in what is done here are equal.
"""

import json
from collections.abc import Mapping
from typing import Any

from lateen.inject.quantities import canonical


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DROPPED_WHEN_ZERO = frozenset(
    _words(
        "initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold hostPort "
        "minReadySeconds readOnly hostNetwork hostPID hostIPC stdin stdinOnce tty paused"
    )
)
TEXT_MAPS = frozenset(["labels", "annotations", "matchLabels", "nodeSelector", "data", "volumeAttributes"])
_QUANTITY_MAPS = frozenset(("limits", "requests", "overhead"))
_QUANTITIES = frozenset(("divisor", "sizeLimit"))
_MAPS = TEXT_MAPS | _QUANTITY_MAPS

_ALWAYS = frozenset(("mountPath", "storageClassName"))
"""Texts that are there even when empty: a claim of no storage class is not one of the default class."""
_WITH_PORT = frozenset(("httpGet", "tcpSocket", "grpc"))
_CONTAINER_LISTS = frozenset(("containers", "initContainers", "ephemeralContainers"))

_ORDERS: Mapping[str, tuple[str, ...]] = {
    "container": _words(
        "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy "
        "restartPolicyRules volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle "
        "terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
    ),
    "ports": ("name", "hostPort", "containerPort", "protocol", "hostIP"),
    "env": ("name", "value", "valueFrom"),
    "resources": ("limits", "requests", "claims"),
    "volumeMounts": (
        "name",
        "readOnly",
        "recursiveReadOnly",
        "mountPath",
        "subPath",
        "mountPropagation",
        "subPathExpr",
    ),
    "probe": _words(
        "exec httpGet tcpSocket grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold "
        "failureThreshold terminationGracePeriodSeconds"
    ),
    "httpGet": ("path", "port", "host", "scheme", "httpHeaders"),
    "tcpSocket": ("port", "host"),
    "grpc": ("port", "service"),
    "securityContext": _words(
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
    "capabilities": ("add", "drop"),
    "seLinuxOptions": ("user", "role", "type", "level"),
    "windowsOptions": ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName", "hostProcess"),
    "seccompProfile": ("type", "localhostProfile"),
    "appArmorProfile": ("type", "localhostProfile"),
    "envFrom": ("prefix", "configMapRef", "secretRef"),
    "valueFrom": ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"),
    "resourceFieldRef": ("containerName", "resource", "divisor"),
    "configMapKeyRef": ("name", "key", "optional"),
    "secretKeyRef": ("name", "key", "optional"),
    "volumeDevices": ("name", "devicePath"),
    "tracing": _words(
        "zipkin lightstep datadog stackdriver openCensusAgent customTags maxPathTagLength sampling tlsSettings "
        "enableIstioTags"
    ),
    "tlsSettings": _words(
        "mode clientCertificate privateKey caCertificates credentialName subjectAltNames sni insecureSkipVerify caCrl"
    ),
    "gatewayTopology": ("numTrustedProxies", "forwardClientCertDetails", "proxyProtocol"),
    "proxyStatsMatcher": ("inclusionPrefixes", "inclusionSuffixes", "inclusionRegexps"),
}
_SAME_ORDER = {
    "livenessProbe": "probe",
    "readinessProbe": "probe",
    "startupProbe": "probe",
    "containers": "container",
    "initContainers": "container",
}


def normalised(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod as the API would give it back; `containers` and each container's `resources` are always there."""
    result = encoded(pod)
    result.setdefault("spec", {}).setdefault("containers", [])
    return result


def encoded(found: Mapping[str, Any]) -> dict[str, Any]:
    """An object of any kind as the API would give it back."""
    result: dict[str, Any] = _normalised("", found)
    return result


def _normalised(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        if name in _QUANTITY_MAPS:
            return {key: canonical(item) for key, item in value.items() if item is not None}
        kept = {key: _normalised(key, item) for key, item in value.items() if item is not None}
        if name in _WITH_PORT:
            kept.setdefault("port", 0)
        return kept if name in TEXT_MAPS else {key: item for key, item in kept.items() if not _is_dropped(key, item)}
    if isinstance(value, list):
        return [_item(name, item) for item in value]
    return canonical(value) if name in _QUANTITIES and not isinstance(value, bool) else value


def _item(name: str, item: Any) -> Any:
    result = _normalised("", item) if isinstance(item, Mapping) else item
    if name in _CONTAINER_LISTS and isinstance(result, dict):
        result.setdefault("resources", {})
    return result


def _is_dropped(key: str, value: Any) -> bool:
    if value == "":
        return key not in _ALWAYS
    if isinstance(value, list):
        return not value and key != "containers"
    if isinstance(value, dict):
        return not value and key in _MAPS
    return key in _DROPPED_WHEN_ZERO and not value


def compact_json(name: str, value: Any) -> str:
    """JSON as Kubernetes' types write it: compact, fields of known types in API order, others sorted.

    `name` is the list or field that the value stands in, such as `ports`; it decides the order of fields.
    """
    text = json.dumps(_ordered(name, value), separators=(",", ":"), ensure_ascii=False)
    for plain, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(plain, escaped)
    return text


def _ordered(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        order = _ORDERS.get(_SAME_ORDER.get(name, name), ())
        keys = [key for key in order if key in value] + sorted(key for key in value if key not in order)
        return {key: _ordered(key, value[key]) for key in keys}
    if isinstance(value, list):
        return [_ordered(name, item) for item in value]
    return value
