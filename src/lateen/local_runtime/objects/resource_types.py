"""The kinds of object the local API serves: their plurals, versions and scope.

Kinds the mesh reads come from `lateen.config.schema`. Others are known by name here, or guessed when an object of one
arrives, so that nothing of a user's manifests is lost.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from lateen.config.schema import SCHEMAS, by_api


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


_ISTIO: Final = "networking.istio.io"
_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"

_OTHERS: Final[tuple[ResourceType, ...]] = (
    _core("Node", "nodes", "no", namespaced=False),
    _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
    _core("Event", "events", "ev"),
    _of("apps", "v1", "ReplicaSet", "replicasets", "rs"),
    _of("apps", "v1", "StatefulSet", "statefulsets", "sts"),
    _of("apps", "v1", "DaemonSet", "daemonsets", "ds"),
    _of("batch", "v1", "Job", "jobs"),
    _of("batch", "v1", "CronJob", "cronjobs", "cj"),
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
    _of(_ISTIO, "v1 v1beta1 v1alpha3", "ServiceEntry", "serviceentries", "se"),
    _of(_ISTIO, "v1 v1beta1 v1alpha3", "Sidecar", "sidecars"),
    _of(_ISTIO, "v1 v1beta1 v1alpha3", "WorkloadEntry", "workloadentries", "we"),
    _of(_ISTIO, "v1 v1beta1 v1alpha3", "WorkloadGroup", "workloadgroups", "wg"),
    _of(_ISTIO, "v1alpha3", "EnvoyFilter", "envoyfilters"),
    _of(_ISTIO, "v1 v1beta1", "ProxyConfig", "proxyconfigs"),
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
"""Kinds the mesh does not read, as far as their plural or scope could not be guessed or a person may name them."""


def known_types() -> tuple[ResourceType, ...]:
    """Every kind that is known before any object has arrived."""
    read = [
        ResourceType(
            group=each.group,
            versions=each.versions,
            kind=each.kind,
            plural=each.plural,
            namespaced=each.namespaced,
            short_names=each.short_names,
        )
        for each in SCHEMAS
    ]
    theirs = {(each.group, each.kind) for each in read}
    return (*read, *(each for each in _OTHERS if (each.group, each.kind) not in theirs))


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

    def __init__(self, types: Iterable[ResourceType] | None = None) -> None:
        types = known_types() if types is None else tuple(types)
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

    def recognise(self, api_version: str, kind: str) -> ResourceType:
        """The type of an object as written: a known one, or the one it most likely has (namespaced, a regular plural).

        A version not seen before is taken as served, except for kinds the mesh reads, whose versions are fixed.
        """
        group, version = split_api_version(api_version)
        known = self._by_kind.get((group, kind))
        if known is None:
            return ResourceType(group=group, versions=(version,), kind=kind, plural=guess_plural(kind))
        if version in known.versions or by_api(api_version, kind) is not None:
            return known
        return msgspec.structs.replace(known, versions=(*known.versions, version))

    def define(self, added: ResourceType) -> None:
        """Add a type, or replace the one of the same group and kind."""
        self._by_kind[(added.group, added.kind)] = added
        self._by_plural[(added.group, added.plural)] = added


def defined_by(definition: Mapping[str, Any]) -> ResourceType | None:
    """The type that a CustomResourceDefinition declares; None for a kind the mesh reads, and where something lacks."""
    try:
        spec = definition["spec"]
        names = spec["names"]
        declared = ResourceType(
            group=spec["group"],
            versions=tuple(each["name"] for each in spec["versions"] if each.get("served", True)),
            kind=names["kind"],
            plural=names["plural"],
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
        )
    except (KeyError, TypeError, AttributeError):
        return None
    return declared if by_api(declared.api_version(), declared.kind) is None else None
