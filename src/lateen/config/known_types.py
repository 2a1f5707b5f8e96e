"""Every kind known by name before any object has arrived: those the mesh reads, and others of Kubernetes and Istio."""

from typing import Final

import msgspec

from lateen.config.conform import nearest
from lateen.config.schema import SCHEMAS


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
    _core("LimitRange", "limitranges", "limits"),
    _core("PodTemplate", "podtemplates"),
    _core("ReplicationController", "replicationcontrollers", "rc"),
    _core("ResourceQuota", "resourcequotas", "quota"),
    _of("apps", "v1", "ControllerRevision", "controllerrevisions"),
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
    _of("gateway.networking.k8s.io", "v1alpha2", "TCPRoute", "tcproutes"),
    _of("gateway.networking.k8s.io", "v1 v1alpha3 v1alpha2", "TLSRoute", "tlsroutes"),
    _of("gateway.networking.k8s.io", "v1alpha2", "UDPRoute", "udproutes"),
    _of("gateway.networking.k8s.io", "v1 v1beta1", "ReferenceGrant", "referencegrants", "refgrant"),
    _of("gateway.networking.k8s.io", "v1 v1alpha3", "BackendTLSPolicy", "backendtlspolicies", "btlspolicy"),
    _of("gateway.networking.k8s.io", "v1", "ListenerSet", "listenersets", "lset"),
    _of("gateway.networking.x-k8s.io", "v1alpha1", "XListenerSet", "xlistenersets", "lset"),
    _of("gateway.networking.x-k8s.io", "v1alpha1", "XBackendTrafficPolicy", "xbackendtrafficpolicies"),
    _of("gateway.networking.x-k8s.io", "v1alpha1", "XMesh", "xmeshes"),
)
"""Kinds the mesh does not read: those that a person may name, that could not be guessed, or that sound like another."""

_SLIP: Final = 0.85
"""How alike a name and a known one are, from 0 to 1, if one stands for the other: `Servce` is, `TCPRoute` is not."""


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


def meant(group: str, kind: str) -> ResourceType | None:
    """The known type that is meant by a slip of the pen in a group or a kind; None for what is plainly others'."""
    types = known_types()
    groups = {each.group for each in types}
    in_group = group if group in groups else nearest(group, sorted(groups), _SLIP)
    own = {each.kind: each for each in types if each.group == in_group}
    near = nearest(kind, list(own), _SLIP)
    if near is not None:
        return own[near]
    return next((each for each in types if each.kind == kind), None) if group in groups else None
