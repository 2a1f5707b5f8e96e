"""Every message that analysis can give: Istio's, with Istio's codes, names and levels, and ours where Istio has none.

Istio's codes 0104, 0105, 0113 to 0115, 0117, 0119 to 0122 and 0124 are retired or were never used; they stay unused.
"""

from enum import Enum, IntEnum
from typing import Final


class Level(IntEnum):
    """How bad it is, the worst first."""

    ERROR = 0
    WARNING = 1
    INFO = 2

    def __str__(self) -> str:
        return self.name.capitalize()

    @classmethod
    def named(cls, text: str) -> "Level":
        """The level of a name in any case. Raises `KeyError`."""
        return cls[text.upper()]


class MessageType(Enum):
    """One message: its name is the member's; `code` and `level` are what users filter by, `meaning` is one line."""

    def __init__(self, code: str, level: Level, meaning: str) -> None:
        self.code: Final = code
        self.level: Final = level
        self.meaning: Final = meaning

    @property
    def documentation(self) -> str:
        """Where it is explained: Istio's page, or the heading in our own."""
        if self.code.startswith("IST"):
            return f"https://istio.io/latest/docs/reference/config/analysis/{self.code.lower()}/"
        return f"docs/analysis.md#{self.code.lower()}"

    InternalError = "IST0001", Level.ERROR, "bug inside the tool"
    Deprecated = "IST0002", Level.WARNING, "uses something deprecated"
    ReferencedResourceNotFound = "IST0101", Level.ERROR, "a referenced thing (kind of reference, value) does not exist"
    NamespaceNotInjected = (
        "IST0102",
        Level.INFO,
        "namespace has no injection label; suggests the two kubectl label commands",
    )
    PodMissingProxy = "IST0103", Level.WARNING, "pod in an injected namespace has no istio-proxy; restart it"
    SchemaValidationError = "IST0106", Level.ERROR, "resource fails schema validation"
    MisplacedAnnotation = (
        "IST0107",
        Level.WARNING,
        "annotation is on a kind it does not apply to; names the right kinds",
    )
    UnknownAnnotation = "IST0108", Level.WARNING, "annotation name not known"
    ConflictingMeshGatewayVirtualServiceHosts = (
        "IST0109",
        Level.ERROR,
        "several VirtualServices on the mesh gateway define one host; merge them",
    )
    ConflictingSidecarWorkloadSelectors = "IST0110", Level.ERROR, "several Sidecar resources select one pod"
    MultipleSidecarsWithoutWorkloadSelectors = (
        "IST0111",
        Level.ERROR,
        "several Sidecar resources without selector in one namespace",
    )
    VirtualServiceDestinationPortSelectorRequired = (
        "IST0112",
        Level.ERROR,
        "destination is a service with several ports but no port is given",
    )
    DeploymentAssociatedToMultipleServices = (
        "IST0116",
        Level.WARNING,
        "deployment belongs to services that use one port number with different L4 protocols",
    )
    PortNameIsNotUnderNamingConvention = (
        "IST0118",
        Level.INFO,
        "service port name does not follow `<protocol>[-<suffix>]`",
    )
    NamespaceMultipleInjectionLabels = (
        "IST0123",
        Level.WARNING,
        "namespace carries more than one kind of injection label",
    )
    InvalidAnnotation = "IST0125", Level.WARNING, "annotation value invalid"
    UnknownMeshNetworksServiceRegistry = "IST0126", Level.ERROR, "MeshNetworks names an unknown registry"
    NoMatchingWorkloadsFound = "IST0127", Level.WARNING, "policy selector matches no workload"
    NoServerCertificateVerificationDestinationLevel = (
        "IST0128",
        Level.WARNING,
        "DestinationRule TLS without CA: server not verified",
    )
    NoServerCertificateVerificationPortLevel = "IST0129", Level.WARNING, "same, for one port"
    VirtualServiceUnreachableRule = "IST0130", Level.WARNING, "VirtualService rule can never be used"
    VirtualServiceIneffectiveMatch = "IST0131", Level.INFO, "a match in a VirtualService rule duplicates an earlier one"
    VirtualServiceHostNotFoundInGateway = (
        "IST0132",
        Level.WARNING,
        "host of the VirtualService not offered by the Gateway",
    )
    SchemaWarning = "IST0133", Level.WARNING, "schema validation warning"
    ServiceEntryAddressesRequired = "IST0134", Level.WARNING, "ServiceEntry needs addresses for TCP/unset-protocol port"
    DeprecatedAnnotation = "IST0135", Level.INFO, "annotation deprecated (with replacement hint)"
    AlphaAnnotation = "IST0136", Level.INFO, "annotation is alpha"
    DeploymentConflictingPorts = (
        "IST0137",
        Level.WARNING,
        "deployment belongs to services that map different ports to one targetPort",
    )
    GatewayDuplicateCertificate = (
        "IST0138",
        Level.WARNING,
        "one certificate in several gateways: 404s with HTTP/2 reuse",
    )
    InvalidWebhook = "IST0139", Level.ERROR, "webhook broken: overlap or missing service"
    IngressRouteRulesNotAffected = "IST0140", Level.WARNING, "subset route has no effect for ingress traffic"
    InsufficientPermissions = "IST0141", Level.ERROR, "missing permission to create a resource"
    UnsupportedKubernetesVersion = "IST0142", Level.ERROR, "Kubernetes version too old"
    LocalhostListener = "IST0143", Level.ERROR, "service port listens on localhost only"
    InvalidApplicationUID = "IST0144", Level.WARNING, "application runs as UID 1337"
    ConflictingGateways = "IST0145", Level.ERROR, "gateways with same selector, port and overlapping hosts"
    ImageAutoWithoutInjectionWarning = (
        "IST0146",
        Level.WARNING,
        "Deployment uses `image: auto` but no injection webhook selects it",
    )
    ImageAutoWithoutInjectionError = "IST0147", Level.ERROR, "Pod still has `image: auto`"
    NamespaceInjectionEnabledByDefault = "IST0148", Level.INFO, "namespace injected because enableNamespacesByDefault"
    JwtClaimBasedRoutingWithoutRequestAuthN = (
        "IST0149",
        Level.ERROR,
        "JWT-claim routing without RequestAuthentication on the gateway pod",
    )
    ExternalNameServiceTypeInvalidPortName = "IST0150", Level.WARNING, "ExternalName service has a bad port name"
    EnvoyFilterUsesRelativeOperation = "IST0151", Level.WARNING, "EnvoyFilter relative patch without priority"
    EnvoyFilterUsesReplaceOperationIncorrectly = (
        "IST0152",
        Level.ERROR,
        "REPLACE only valid for HTTP_FILTER/NETWORK_FILTER",
    )
    EnvoyFilterUsesAddOperationIncorrectly = "IST0153", Level.ERROR, "ADD ignored for ROUTE_CONFIGURATION/HTTP_ROUTE"
    EnvoyFilterUsesRemoveOperationIncorrectly = (
        "IST0154",
        Level.ERROR,
        "REMOVE ignored for ROUTE_CONFIGURATION/HTTP_ROUTE",
    )
    EnvoyFilterUsesRelativeOperationWithProxyVersion = (
        "IST0155",
        Level.WARNING,
        "relative patch without priority and with proxyVersion",
    )
    UnsupportedGatewayAPIVersion = "IST0156", Level.ERROR, "Gateway API CRD version unsupported"
    InvalidTelemetryProvider = "IST0157", Level.WARNING, "Telemetry with empty providers ignored"
    PodsIstioProxyImageMismatchInNamespace = (
        "IST0158",
        Level.WARNING,
        "proxy image of pods differs from the injector setting; redeploy",
    )
    ConflictingTelemetryWorkloadSelectors = "IST0159", Level.ERROR, "several Telemetry resources select one pod"
    MultipleTelemetriesWithoutWorkloadSelectors = "IST0160", Level.ERROR, "several Telemetry resources without selector"
    InvalidGatewayCredential = "IST0161", Level.ERROR, "gateway credential secret invalid"
    GatewayPortNotDefinedOnService = "IST0162", Level.WARNING, "gateway port not exposed by the service of its pods"
    InvalidExternalControlPlaneConfig = "IST0163", Level.WARNING, "external control plane webhook URL invalid/blank"
    ExternalControlPlaneAddressIsNotAHostname = "IST0164", Level.INFO, "external control plane address is an IP"
    ReferencedInternalGateway = "IST0165", Level.WARNING, "VirtualService references a generated internal gateway"
    IneffectiveSelector = "IST0166", Level.WARNING, "selector without effect on a Gateway API gateway; use targetRef"
    IneffectivePolicy = "IST0167", Level.WARNING, "policy has no effect"
    UnknownUpgradeCompatibility = "IST0168", Level.WARNING, "changed default, compatibility unknown"
    UpdateIncompatibility = "IST0169", Level.WARNING, "incompatible after upgrade"
    MultiClusterInconsistentService = "IST0170", Level.WARNING, "service differs between clusters"
    NegativeConditionStatus = "IST0171", Level.WARNING, "negative status condition present"
    FutureUnsupportedGatewayAPIVersion = "IST0172", Level.WARNING, "Gateway API CRD version will be unsupported"
    DestinationRuleSubsetNotSelectPods = "IST0173", Level.ERROR, "subset selects no pod (503 UH)"
    UnknownDestinationRuleHost = "IST0174", Level.WARNING, "DestinationRule host unknown"
    JwksUriFetchUnrestricted = "IST0175", Level.WARNING, "JWKS fetch unrestricted"
    GatewayAPICRDVersionBelowMinimum = "IST0176", Level.WARNING, "Gateway API CRD below the minimum"
    ConflictingServiceEntryProtocol = "IST0177", Level.WARNING, "ServiceEntries give one host:port different protocols"

    PodWithoutService = "LTN0001", Level.WARNING, "no Service selects the pods of a workload"
    PodInConflictingServices = "LTN0002", Level.WARNING, "the Services of a workload differ in their ports or protocols"
    PodInSeveralServices = "LTN0003", Level.INFO, "several Services that agree select the pods of a workload"
    ServiceSelectsNothing = "LTN0004", Level.WARNING, "the selector of a Service meets no workload"
    PlainTcpPort = "LTN0005", Level.WARNING, "a port that declares no protocol carries plain TCP where more was meant"
    AppLabelMissing = "LTN0006", Level.WARNING, "the pods of a workload have no app label"
    AppLabelShared = "LTN0007", Level.WARNING, "two workloads cannot be told apart by their app and version labels"
    AppLabelMeaningless = "LTN0008", Level.INFO, "the app label says nothing about the application"
    VersionLabelMissing = "LTN0009", Level.INFO, "the pods of a workload have no version label"
    MissingSidecar = "LTN0010", Level.WARNING, "a pod that runs has no sidecar, though it would be given one now"
    UnwantedSidecar = "LTN0011", Level.WARNING, "a pod has a sidecar, though it or its namespace asks for none"
    StaleSidecar = "LTN0012", Level.WARNING, "a sidecar is not the one that would be injected now"
    WorkloadOutsideMesh = "LTN0013", Level.INFO, "the pods of a workload are not injected"
    HostNetwork = "LTN0014", Level.WARNING, "the pods of a workload use the host's network and cannot have a sidecar"
    ApplicationGroup = "LTN0015", Level.WARNING, "an application runs with the group of the proxy, 1337"
    MissingCapability = "LTN0016", Level.WARNING, "the init container may not program traffic interception"


BY_CODE: Final = {each.code: each for each in MessageType}
