"""The kinds of object the local API serves: their plurals, versions and scope.

Kinds the mesh reads come from `lateen.config.schema`. Others are known by name here, or guessed when an object of one
arrives, so that nothing of a user's manifests is lost.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec


class ResourceType(msgspec.Struct, frozen=True, kw_only=True):
    """One kind as the API spells it. `versions` are in order of preference; the first is the one discovery prefers."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()

    def api_version(self, version: str | None = None) -> str:
        """What `apiVersion` says: `v1`, `apps/v1`."""
        chosen = version or self.versions[0]
        return f"{self.group}/{chosen}" if self.group else chosen

    @property
    def qualified_plural(self) -> str:
        """`pods`, `deployments.apps`: how messages of Kubernetes name the kind."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _core(kind: str, plural: str, *short: str, namespaced: bool = True) -> ResourceType:
    return ResourceType(group="", versions=("v1",), kind=kind, plural=plural, short_names=short, namespaced=namespaced)


def _of(group: str, versions: str, kind: str, plural: str, *short: str, namespaced: bool = True) -> ResourceType:
    return ResourceType(
        group=group,
        versions=tuple(versions.split()),
        kind=kind,
        plural=plural,
        short_names=short,
        namespaced=namespaced,
    )


_ISTIO: Final = "v1 v1beta1 v1alpha3"
_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"

KNOWN: Final[tuple[ResourceType, ...]] = (
    _core("Namespace", "namespaces", "ns", namespaced=False),
    _core("Node", "nodes", "no", namespaced=False),
    _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
    _core("Pod", "pods", "po"),
    _core("Service", "services", "svc"),
    _core("ServiceAccount", "serviceaccounts", "sa"),
    _core("Endpoints", "endpoints", "ep"),
    _core("ConfigMap", "configmaps", "cm"),
    _core("Secret", "secrets"),
    _core("Event", "events", "ev"),
    _of("apps", "v1", "Deployment", "deployments", "deploy"),
    _of("apps", "v1", "ReplicaSet", "replicasets", "rs"),
    _of("apps", "v1", "StatefulSet", "statefulsets", "sts"),
    _of("apps", "v1", "DaemonSet", "daemonsets", "ds"),
    _of("batch", "v1", "Job", "jobs"),
    _of("batch", "v1", "CronJob", "cronjobs", "cj"),
    _of("discovery.k8s.io", "v1 v1beta1", "EndpointSlice", "endpointslices"),
    _of("coordination.k8s.io", "v1", "Lease", "leases"),
    _of("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb"),
    _of("autoscaling", "v2 v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
    _of("networking.k8s.io", "v1", "Ingress", "ingresses", "ing"),
    _of("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False),
    _of("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol"),
    _of("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", namespaced=False),
    _of("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", namespaced=False),
    _of("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd", namespaced=False),
    _of(_ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False),
    _of(_ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", namespaced=False),
    _of(_RBAC, "v1", "Role", "roles"),
    _of(_RBAC, "v1", "RoleBinding", "rolebindings"),
    _of(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False),
    _of(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _of("networking.istio.io", _ISTIO, "VirtualService", "virtualservices", "vs"),
    _of("networking.istio.io", _ISTIO, "DestinationRule", "destinationrules", "dr"),
    _of("networking.istio.io", _ISTIO, "Gateway", "gateways", "gw"),
    _of("networking.istio.io", _ISTIO, "ServiceEntry", "serviceentries", "se"),
    _of("networking.istio.io", _ISTIO, "Sidecar", "sidecars"),
    _of("networking.istio.io", _ISTIO, "WorkloadEntry", "workloadentries", "we"),
    _of("networking.istio.io", _ISTIO, "WorkloadGroup", "workloadgroups", "wg"),
    _of("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
    _of("networking.istio.io", "v1 v1beta1", "ProxyConfig", "proxyconfigs"),
    _of("security.istio.io", "v1 v1beta1", "PeerAuthentication", "peerauthentications", "pa"),
    _of("security.istio.io", "v1 v1beta1", "RequestAuthentication", "requestauthentications", "ra"),
    _of("security.istio.io", "v1 v1beta1", "AuthorizationPolicy", "authorizationpolicies", "ap"),
    _of("telemetry.istio.io", "v1 v1alpha1", "Telemetry", "telemetries", "telemetry"),
    _of("extensions.istio.io", "v1alpha1", "WasmPlugin", "wasmplugins"),
    _of("gateway.networking.k8s.io", "v1 v1beta1", "GatewayClass", "gatewayclasses", "gc", namespaced=False),
    _of("gateway.networking.k8s.io", "v1 v1beta1", "Gateway", "gateways", "gtw"),
    _of("gateway.networking.k8s.io", "v1 v1beta1", "HTTPRoute", "httproutes"),
    _of("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes"),
)


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group and version: `apps/v1` is `("apps", "v1")`, `v1` is `("", "v1")`."""
    group, _, version = api_version.rpartition("/")
    return group, version


def guess_plural(kind: str) -> str:
    """The plural a kind most likely has: `HTTPRoute` is `httproutes`, `Gateway` `gateways`, `Policy` `policies`."""
    lowered = kind.lower()
    if lowered.endswith("y") and lowered[-2:-1] not in ("a", "e", "i", "o", "u"):
        return lowered[:-1] + "ies"
    if lowered.endswith(("s", "x", "ch", "sh")):
        return lowered + "es"
    return lowered + "s"


class ResourceTypes:
    """The resource types a server knows. Grows when an object of an unknown kind is stored; never shrinks."""

    def __init__(self, types: Iterable[ResourceType] = KNOWN) -> None:
        self._by_kind: dict[tuple[str, str], ResourceType] = {(t.group, t.kind): t for t in types}
        self._by_plural: dict[tuple[str, str], ResourceType] = {(t.group, t.plural): t for t in types}

    def __iter__(self) -> Iterator[ResourceType]:
        return iter(self._by_kind.values())

    def of_kind(self, group: str, kind: str) -> ResourceType | None:
        return self._by_kind.get((group, kind))

    def of_plural(self, group: str, plural: str) -> ResourceType | None:
        return self._by_plural.get((group, plural))

    def named(self, text: str) -> list[ResourceType]:
        """Types a person may mean by `deploy`, `deployment`, `Deployment`, `deployments` or `deployments.apps`."""
        word, _, group = text.lower().partition(".")
        found = [
            t for t in self if word in (t.kind.lower(), t.plural, *t.short_names) and (not group or t.group == group)
        ]
        return found or [t for t in self if t.plural == text.lower()]

    def learn(self, api_version: str, kind: str) -> tuple[ResourceType, bool]:
        """The type of an object as written, and whether it had to be guessed (namespaced, a regular plural)."""
        group, version = split_api_version(api_version)
        known = self._by_kind.get((group, kind))
        if known is None:
            guessed = ResourceType(group=group, versions=(version,), kind=kind, plural=guess_plural(kind))
            self.define(guessed)
            return guessed, True
        if version not in known.versions:
            known = msgspec.structs.replace(known, versions=(*known.versions, version))
            self.define(known)
        return known, False

    def define(self, added: ResourceType) -> None:
        """Add a type, or replace the one of the same group and kind."""
        self._by_kind[(added.group, added.kind)] = added
        self._by_plural[(added.group, added.plural)] = added
