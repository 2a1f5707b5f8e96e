"""Settings of the injector: Helm-style values, the parts of MeshConfig it reads, and process settings, as one value."""

from collections.abc import Mapping
from enum import StrEnum
from functools import reduce
from typing import Any

import msgspec

from lateen.common.labels import Labels
from lateen.inject.proxy_config import ANNOTATION, DEFAULTS, ProxyConfig, known_fields, parse_annotation
from lateen.inject.proxy_config_resources import ProxyConfigResource, of_namespaces, of_pod

SELECTOR = Mapping[str, Any]
"""A label selector as Kubernetes writes it: `matchLabels` and `matchExpressions`."""


class Policy(StrEnum):
    """Whether pods that state nothing are injected; any other text in a configuration means nobody ever is."""

    ENABLED = "enabled"
    DISABLED = "disabled"


DEFAULT_RESOURCES: Mapping[str, Mapping[str, Any]] = {
    "limits": {"cpu": "2000m", "memory": "1024Mi"},
    "requests": {"cpu": "100m", "memory": "128Mi"},
}
"""What the proxy asks for where nothing else is said."""


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """The Helm values that shape a pod; `VALUE_PATHS` says where each comes from. Defaults are Istio's chart's.

    `document` is what they were read from; templates of users may look at all of it.
    """

    hub: str = "registry.istio.io/testing"
    tag: str = "latest"
    variant: str = ""
    proxy_image: str = "proxyv2"
    init_image: str = "proxyv2"
    image_pull_policy: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    istio_namespace: str = "istio-system"
    revision: str = ""
    cluster_domain: str = "cluster.local"
    log_level: str = "warning"
    component_log_level: str = "misc:error"
    agent_log_level: str = "default:info"
    log_as_json: bool = False
    include_ip_ranges: str = "*"
    exclude_ip_ranges: str = ""
    include_inbound_ports: str = "*"
    exclude_inbound_ports: str = ""
    include_outbound_ports: str = ""
    exclude_outbound_ports: str = ""
    status_port: int = 15020
    privileged: bool = False
    readiness_initial_delay_seconds: int = 0
    readiness_period_seconds: int = 15
    readiness_failure_threshold: int = 4
    startup_probe: bool = True
    startup_failure_threshold: int = 600
    resources: Mapping[str, Mapping[str, Any] | None] = msgspec.field(default_factory=lambda: DEFAULT_RESOURCES)
    lifecycle: Mapping[str, Any] = {}
    hold_application: bool = False
    tracer: str = "none"
    seccomp_profile: Mapping[str, Any] = {}
    outlier_log_path: str = ""
    force_apply_iptables: bool = False
    native_nftables: bool = False
    cni_enabled: bool = False
    cni_provider: str = "default"
    cluster_trust_bundle: bool = False
    certificate_provider: str = "istiod"
    ca_address: str = ""
    ca_name: str = ""
    cluster_name: str = ""
    network: str = ""
    mesh_id: str = ""
    token_audience: str = "istio-ca"
    sts_port: int = 0
    mount_mtls_certs: bool = False
    trust_bundle_name: str = ""
    rewrite_probes: bool = True
    cap_net_bind_service: str = ""
    trust_domain: str = ""
    gateway_security_context: Mapping[str, Any] = {}
    document: Mapping[str, Any] = {}

    @classmethod
    def of(cls, helm: Mapping[str, Any]) -> "Values":
        """The values of a Helm values document; what it does not set keeps its default.

        Raises `msgspec.ValidationError` naming the value that has the wrong type.
        """
        found = {field: value for field, path in VALUE_PATHS.items() if (value := _at(helm, path)) is not None}
        for field in _TEXTS.intersection(found):
            found[field] = _text(found[field])
        if "resources" in found:
            found["resources"] = over(DEFAULT_RESOURCES, found["resources"])
        return msgspec.convert({**found, "document": helm}, cls, strict=False)

    def as_helm(self) -> dict[str, Any]:
        """The values as a Helm document, defaults filled in."""
        known: dict[str, Any] = {}
        for field, path in VALUE_PATHS.items():
            *parents, last = path.split(".")
            place = known
            for key in parents:
                place = place.setdefault(key, {})
            value = getattr(self, field)
            place[last] = list(value) if isinstance(value, tuple) else value
        return over(self.document, known)


VALUE_PATHS: Mapping[str, str] = {
    "hub": "global.hub",
    "tag": "global.tag",
    "variant": "global.variant",
    "proxy_image": "global.proxy.image",
    "init_image": "global.proxy_init.image",
    "image_pull_policy": "global.imagePullPolicy",
    "image_pull_secrets": "global.imagePullSecrets",
    "istio_namespace": "global.istioNamespace",
    "revision": "revision",
    "cluster_domain": "global.proxy.clusterDomain",
    "log_level": "global.proxy.logLevel",
    "component_log_level": "global.proxy.componentLogLevel",
    "agent_log_level": "global.logging.level",
    "log_as_json": "global.logAsJson",
    "include_ip_ranges": "global.proxy.includeIPRanges",
    "exclude_ip_ranges": "global.proxy.excludeIPRanges",
    "include_inbound_ports": "global.proxy.includeInboundPorts",
    "exclude_inbound_ports": "global.proxy.excludeInboundPorts",
    "include_outbound_ports": "global.proxy.includeOutboundPorts",
    "exclude_outbound_ports": "global.proxy.excludeOutboundPorts",
    "status_port": "global.proxy.statusPort",
    "privileged": "global.proxy.privileged",
    "readiness_initial_delay_seconds": "global.proxy.readinessInitialDelaySeconds",
    "readiness_period_seconds": "global.proxy.readinessPeriodSeconds",
    "readiness_failure_threshold": "global.proxy.readinessFailureThreshold",
    "startup_probe": "global.proxy.startupProbe.enabled",
    "startup_failure_threshold": "global.proxy.startupProbe.failureThreshold",
    "resources": "global.proxy.resources",
    "lifecycle": "global.proxy.lifecycle",
    "hold_application": "global.proxy.holdApplicationUntilProxyStarts",
    "tracer": "global.proxy.tracer",
    "seccomp_profile": "global.proxy.seccompProfile",
    "outlier_log_path": "global.proxy.outlierLogPath",
    "force_apply_iptables": "global.proxy_init.forceApplyIptables",
    "native_nftables": "global.nativeNftables",
    "cni_enabled": "pilot.cni.enabled",
    "cni_provider": "pilot.cni.provider",
    "cluster_trust_bundle": "pilot.env.ENABLE_CLUSTER_TRUST_BUNDLE_API",
    "certificate_provider": "global.pilotCertProvider",
    "ca_address": "global.caAddress",
    "ca_name": "global.caName",
    "cluster_name": "global.multiCluster.clusterName",
    "network": "global.network",
    "mesh_id": "global.meshID",
    "token_audience": "global.sds.token.aud",
    "sts_port": "global.sts.servicePort",
    "mount_mtls_certs": "global.mountMtlsCerts",
    "trust_bundle_name": "global.trustBundleName",
    "rewrite_probes": "sidecarInjectorWebhook.rewriteAppHTTPProbe",
    "cap_net_bind_service": "global.proxy.capNetBindService",
    "trust_domain": "global.trustDomain",
    "gateway_security_context": "gateways.securityContext",
}


_TEXTS = frozenset(field.name for field in msgspec.structs.fields(Values) if field.type is str)


def _text(value: Any) -> Any:
    """A number or boolean as a text: `excludeInboundPorts: 9090` in YAML and on a command line is a number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


class Mesh(msgspec.Struct, frozen=True, kw_only=True):
    """What injection reads of MeshConfig; `default_config` is its ProxyConfig in JSON shape, only the fields set.

    `document` is what it was read from; templates of users may look at all of it.
    """

    default_config: Mapping[str, Any] = {}
    proxy_listen_port: int = 15001
    proxy_inbound_listen_port: int = 15006
    trust_domain: str = "cluster.local"
    enable_prometheus_merge: bool = True
    inbound_to_localhost: bool = False
    otel_semantic_conventions: bool = False
    document: Mapping[str, Any] = {}

    @classmethod
    def of(cls, mesh: Mapping[str, Any]) -> "Mesh":
        """From MeshConfig in JSON shape."""
        providers = mesh.get("extensionProviders") or ()
        enrichments = [(item.get("opentelemetry") or {}).get("serviceAttributeEnrichment") for item in providers]
        return cls(
            default_config=known_fields(mesh.get("defaultConfig") or {}),
            proxy_listen_port=mesh.get("proxyListenPort", 15001),
            proxy_inbound_listen_port=mesh.get("proxyInboundListenPort", 15006),
            trust_domain=mesh.get("trustDomain", "cluster.local"),
            enable_prometheus_merge=mesh.get("enablePrometheusMerge", True),
            inbound_to_localhost=(mesh.get("inboundTrafficPolicy") or {}).get("mode") == "LOCALHOST",
            otel_semantic_conventions="OTEL_SEMANTIC_CONVENTIONS" in enrichments,
            document=mesh,
        )

    @property
    def root_namespace(self) -> str:
        return str(self.document.get("rootNamespace") or "istio-system")

    @property
    def proxy_config(self) -> ProxyConfig:
        return ProxyConfig(DEFAULTS).over(self.default_config)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what injection does, besides the pod.

    `certificate_provider: ""` in the values means that the mesh has no identities: no token, no root certificate.
    `templates` are texts of users by name, which come beside the shipped ones or replace them.
    `environment` are entries that every proxy gets at the end of its own, such as the cluster's name.
    """

    revision: str = "default"
    policy: str = Policy.ENABLED
    never_inject: tuple[SELECTOR, ...] = ()
    always_inject: tuple[SELECTOR, ...] = ()
    inject_by_default: bool = False
    default_templates: tuple[str, ...] = ("sidecar",)
    templates: Mapping[str, str] = {}
    template_aliases: Mapping[str, tuple[str, ...]] = {}
    injected_annotations: Labels = {}
    native_sidecars: bool = False
    compliance_policy: str = ""
    proxy_uid: int = 1337
    proxy_gid: int = 1337
    environment: Mapping[str, str] = {}
    proxy_configs: tuple[ProxyConfigResource, ...] = ()
    values: Values = Values()
    mesh: Mesh = Mesh()

    @classmethod
    def of(
        cls, helm: Mapping[str, Any], mesh: Mapping[str, Any], config: Mapping[str, Any] | None = None
    ) -> "Settings":
        """From a Helm values document, a mesh configuration and, where there is one, an injection configuration.

        Without the last its fields come from the values, as Istio's chart makes it of them. Raises
        `msgspec.ValidationError` naming the field that has the wrong type.
        """
        given = _chart_config(helm) if config is None else config
        fields = {field: given[key] for field, key in _CONFIG_KEYS.items() if given.get(key) is not None}
        settings = msgspec.convert(fields, cls)
        return msgspec.structs.replace(settings, values=Values.of(helm), mesh=Mesh.of(mesh))

    def proxy_config(self, namespace: str, labels: Labels, annotations: Labels) -> ProxyConfig:
        """The configuration in force for a pod. Raises `InjectionError` for an annotation that cannot be read."""
        layers = of_namespaces(self.proxy_configs, self.mesh.root_namespace, namespace)
        if ANNOTATION in annotations:
            layers.append(parse_annotation(annotations[ANNOTATION]))
        layers += of_pod(self.proxy_configs, namespace, labels)
        return reduce(ProxyConfig.over, layers, self.mesh.proxy_config)

    def with_mesh_config_of(self, annotations: Labels) -> "Settings":
        """The settings by which files are injected: there a pod's own ProxyConfig counts as the mesh's, too.

        It then moves the port of the agent that metrics and probes are sent to. Raises `InjectionError`.
        """
        if ANNOTATION not in annotations:
            return self
        config = ProxyConfig(self.mesh.default_config).over(parse_annotation(annotations[ANNOTATION]))
        mesh = msgspec.structs.replace(self.mesh, default_config=config.fields)
        return msgspec.structs.replace(self, mesh=mesh)


_CONFIG_KEYS = {
    "policy": "policy",
    "never_inject": "neverInjectSelector",
    "always_inject": "alwaysInjectSelector",
    "default_templates": "defaultTemplates",
    "templates": "templates",
    "template_aliases": "aliases",
    "injected_annotations": "injectedAnnotations",
    "inject_by_default": "enableNamespacesByDefault",
}
"""Fields of the settings by their key in an injection configuration."""


def _chart_config(helm: Mapping[str, Any]) -> dict[str, Any]:
    """The injection configuration that Istio's chart writes for these values."""
    found = dict(_at(helm, "sidecarInjectorWebhook") or {})
    if policy := _at(helm, "global.proxy.autoInject"):
        found["policy"] = policy
    if not found.get("defaultTemplates"):
        found.pop("defaultTemplates", None)
    return found


def _at(document: Mapping[str, Any], path: str) -> Any:
    found: Any = document
    for key in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def over(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Helm's way of laying values over a chart's: maps merge, everything else replaces."""
    merged = dict(base)
    for key, value in layer.items():
        below = merged.get(key)
        merged[key] = over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
