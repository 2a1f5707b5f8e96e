"""Who a proxy is: Envoy's node, from the environment, the pod's labels and annotations, and ProxyConfig. Pure.

Source of the keys and of their precedence: the contract of Istio's agent, which control planes and their tools read.
"""

import ipaddress
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lateen.common.ip_families import IpFamilies
from lateen.envoy.bootstrap import Locality, Node
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.pod_info import PodInfo
from lateen.proxy_agent.proxy_config import ProxyConfig

ISTIO_VERSION = "1.30.0"
"""The Istio release whose contract this agent keeps: what configuration that depends on a proxy's version sees."""

_COPIED = {
    "POD_NAME": "NAME",
    "POD_NAMESPACE": "NAMESPACE",
    "SERVICE_ACCOUNT": "SERVICE_ACCOUNT",
    "DNS_PROXY_ADDR": "DNS_PROXY_ADDR",
    "ENVOY_STATUS_PORT": "ENVOY_STATUS_PORT",
    "ENVOY_PROMETHEUS_PORT": "ENVOY_PROMETHEUS_PORT",
    "EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
}
_NUMBERS = frozenset({"ENVOY_STATUS_PORT", "ENVOY_PROMETHEUS_PORT"})
_LOCALITY_LABEL = "istio-locality"
_UNSENT_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
_APP_LABELS = ("app", "app.kubernetes.io/name", "service.istio.io/canonical-name")


class Identity(NamedTuple):
    """What a node is made of."""

    kind: str
    """`sidecar` or `router`."""
    domain: str
    """DNS domain of the pod's namespace; empty means `<namespace>.svc.cluster.local`."""
    environ: Mapping[str, str]
    """With the entries of ProxyConfig `proxyMetadata` beneath."""
    pod: PodInfo
    config: ProxyConfig
    name_servers: tuple[str, ...] = ()
    """Those of the pod, where its DNS queries are captured; sent as `NAME_SERVERS`, a key of our own."""


def node(identity: Identity) -> Node:
    """Envoy's node: id `<kind>~<ip>~<pod>.<namespace>~<domain>`, cluster, locality, metadata. Raises `AgentError`."""
    environ = identity.environ
    metadata = _metadata(identity)
    namespace = environ.get("POD_NAMESPACE", "")
    name = f"{environ.get('POD_NAME', '')}.{namespace}"
    domain = identity.domain or f"{namespace}.svc.cluster.local"
    parts = (identity.kind, addresses(environ)[0], name, domain)
    if any("~" in part for part in parts):
        raise AgentError(f"the node id {'~'.join(parts)} needs four parts, and none may hold a '~'")
    return Node(
        id="~".join(parts),
        cluster=_service_cluster(identity.config, metadata, namespace),
        metadata=metadata,
        locality=_locality(identity.pod.labels.get(_LOCALITY_LABEL, "")),
    )


def addresses(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The pod's addresses, `INSTANCE_IP` first; that variable may hold several, separated by commas."""
    given = [part.strip() for part in environ.get("INSTANCE_IP", "").split(",") if part.strip()]
    for address in given:
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise AgentError(f"INSTANCE_IP: {address!r} is not an IP address") from error
    return tuple(given) or ("127.0.0.1",)


def families(environ: Mapping[str, str]) -> IpFamilies:
    """The address families of the pod, by its addresses."""
    return IpFamilies.of(addresses(environ))


def _metadata(identity: Identity) -> dict[str, Any]:
    environ, pod = identity.environ, identity.pod
    result: dict[str, Any] = {
        "ISTIO_VERSION": ISTIO_VERSION,
        "CLUSTER_ID": "Kubernetes",
        "INTERCEPTION_MODE": "REDIRECT",
        "ENVOY_STATUS_PORT": 15021,
        "ENVOY_PROMETHEUS_PORT": 15090,
        "INSTANCE_IPS": ",".join(addresses(environ)),
        "PROXY_CONFIG": dict(identity.config.raw),
    }
    for variable, key in _COPIED.items():
        if variable in environ:
            result[key] = port(environ, variable, 0) if key in _NUMBERS else environ[variable]
    static_labels: dict[str, Any] = {}
    for variable in sorted(environ):
        if variable.startswith("ISTIO_META_"):
            result[variable.removeprefix("ISTIO_META_")] = environ[variable]
        elif variable.startswith("ISTIO_METAJSON_"):
            members = _json_object(variable, environ[variable])
            if variable == "ISTIO_METAJSON_LABELS":
                static_labels = members
            result |= members
    if identity.name_servers:
        result["NAME_SERVERS"] = ",".join(identity.name_servers)
    labels = {key: value for key, value in pod.labels.items() if key != "pod-template-hash"}
    if static_labels:
        result["STATIC_LABELS"] = static_labels
    result["LABELS"] = {**static_labels, **labels}
    result["ANNOTATIONS"] = {key: pod.annotations[key] for key in pod.annotations if key not in _UNSENT_ANNOTATIONS}
    return result


def port(environ: Mapping[str, str], variable: str, default: int) -> int:
    """A port number from the environment. Raises `AgentError`."""
    text = environ.get(variable, "") or str(default)
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise AgentError(f"{variable}: {text!r} is not a port number")
    return int(text)


def _json_object(variable: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise AgentError(f"{variable}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise AgentError(f"{variable}: a JSON object is expected, not {text}")
    return value


def _service_cluster(config: ProxyConfig, metadata: Mapping[str, Any], namespace: str) -> str:
    """Envoy's `node.cluster`, which traces show as the service. Source: ProxyConfig `tracingServiceName`."""
    labels: Mapping[str, str] = metadata["LABELS"]
    workload = str(metadata.get("WORKLOAD_NAME", ""))
    in_namespace = f".{namespace or 'default'}"
    match config.tracing_service_name:
        case "CANONICAL_NAME_ONLY":
            return labels.get("service.istio.io/canonical-name") or workload or "istio-proxy"
        case "CANONICAL_NAME_AND_NAMESPACE":
            return (labels.get("service.istio.io/canonical-name") or workload or "istio-proxy") + in_namespace
    if config.service_cluster not in ("", "istio-proxy"):
        return config.service_cluster
    named = (labels[label] for label in _APP_LABELS if labels.get(label))
    return (next(named, "") or workload or "istio-proxy") + in_namespace


def _locality(label: str) -> Locality:
    """`region/zone/subzone`; where no slash may be written, as in a label, `region.zone.subzone`."""
    parts = label.split("/" if "/" in label else ".", 2) if label else []
    return Locality(*parts)
