"""Every analyzer, by the name that Istio gives it where Istio has it. The order is that of `lateen analyze -L`."""

from typing import Final

from lateen.analysis.analyzer import Analyzer
from lateen.analysis.analyzers import (
    annotations,
    application_user,
    conditions,
    gateway_api,
    gateway_ports,
    injection,
    injection_images,
    mesh_networks,
    port_names,
    schema,
    service_membership,
    sidecars,
    webhooks,
    workload_labels,
)
from lateen.analysis.catalogue import MessageType as M
from lateen.config.kinds.virtual_service import VirtualService
from lateen.config.schema import SCHEMAS

_ISTIO: Final = (
    Analyzer(
        "annotations.AlphaAnalyzer",
        "Annotations of Istio that are alpha",
        (M.AlphaAnnotation,),
        annotations.alpha,
        default=False,
    ),
    Analyzer(
        "annotations.K8sAnalyzer",
        "Annotations of Istio on Namespaces, Services, Pods and Deployments",
        (M.MisplacedAnnotation, M.UnknownAnnotation, M.InvalidAnnotation, M.DeprecatedAnnotation),
        annotations.kubernetes_objects,
    ),
    Analyzer(
        "applicationUID.Analyzer",
        "Applications that run as the proxy's user",
        (M.InvalidApplicationUID,),
        application_user.user,
    ),
    Analyzer(
        "conditions.ConditionAnalyzer",
        "What the status of objects says is not in force",
        (M.NegativeConditionStatus,),
        conditions.negative,
    ),
    Analyzer(
        "deployment.MultiServiceAnalyzer",
        "Deployments whose Services use one port in different ways",
        (M.DeploymentAssociatedToMultipleServices, M.DeploymentConflictingPorts),
        service_membership.conflicting_ports,
    ),
    Analyzer(
        "externalcontrolplane.ExternalControlPlaneAnalyzer",
        "The address of an external control plane in webhooks",
        (M.InvalidExternalControlPlaneConfig, M.ExternalControlPlaneAddressIsNotAHostname),
        webhooks.external_control_plane,
    ),
    Analyzer(
        "gateway.IngressGatewayPortAnalyzer",
        "Gateways that nobody serves, and ports of them that no Service opens",
        (M.ReferencedResourceNotFound, M.GatewayPortNotDefinedOnService),
        gateway_ports.ports,
    ),
    Analyzer(
        "injection.Analyzer",
        "Labels of namespaces that decide on injection, and pods without a proxy",
        (
            M.NamespaceNotInjected,
            M.PodMissingProxy,
            M.NamespaceMultipleInjectionLabels,
            M.NamespaceInjectionEnabledByDefault,
        ),
        injection.namespaces_and_pods,
    ),
    Analyzer(
        "injection.ImageAnalyzer",
        "Proxies of another image than the injector gives",
        (M.PodsIstioProxyImageMismatchInNamespace,),
        injection_images.differs_from_the_injector,
    ),
    Analyzer(
        "injection.ImageAutoAnalyzer",
        "The image `auto` where nobody fills it in",
        (M.ImageAutoWithoutInjectionWarning, M.ImageAutoWithoutInjectionError),
        injection_images.waits_for_injection,
    ),
    Analyzer(
        "k8sgateway.SelectorAnalyzer",
        "Policies that select gateways of the Gateway API by labels",
        (M.IneffectiveSelector,),
        gateway_api.selectors,
    ),
    Analyzer(
        "meshnetworks.MeshNetworksAnalyzer",
        "Registries that MeshNetworks names",
        (M.UnknownMeshNetworksServiceRegistry,),
        mesh_networks.registries,
    ),
    *(
        Analyzer(
            f"schema.ValidationAnalyzer.{each.kind}",
            f"{each.kind} objects that are refused",
            (M.SchemaValidationError,),
            schema.validation((each.group, each.kind)),
        )
        for each in SCHEMAS
        if each.type is not VirtualService
    ),
    Analyzer(
        "schema.ValidationAnalyzer.VirtualService",
        "VirtualServices that are refused, and rules and matches of them that never apply",
        (M.SchemaValidationError, M.VirtualServiceUnreachableRule, M.VirtualServiceIneffectiveMatch),
        schema.virtual_services,
    ),
    Analyzer(
        "service.PortNameAnalyzer",
        "Names of Service ports that declare no protocol",
        (M.PortNameIsNotUnderNamingConvention, M.ExternalNameServiceTypeInvalidPortName),
        port_names.convention,
    ),
    Analyzer(
        "webhook.Analyzer",
        "Injection webhooks that overlap or lead nowhere",
        (M.InvalidWebhook,),
        webhooks.injectors,
    ),
)

_OURS: Final = (
    Analyzer(
        "schema.ValidationAnalyzer",
        "Objects of other kinds that are refused",
        (M.SchemaValidationError,),
        schema.others,
    ),
    Analyzer(
        "service.PlainTcpAnalyzer",
        "Ports that carry plain TCP though more was meant, and rules without effect because of it",
        (M.PlainTcpPort,),
        port_names.plain_tcp,
    ),
    Analyzer(
        "service.SelectorAnalyzer",
        "Services that select no workload",
        (M.ServiceSelectsNothing,),
        service_membership.selectors,
    ),
    Analyzer(
        "sidecar.CapabilityAnalyzer",
        "Whether the init container may program interception",
        (M.MissingCapability,),
        sidecars.capabilities,
    ),
    Analyzer(
        "sidecar.PresenceAnalyzer",
        "Sidecars that are missing, unwanted, stale or impossible",
        (M.MissingSidecar, M.UnwantedSidecar, M.StaleSidecar, M.WorkloadOutsideMesh, M.HostNetwork),
        sidecars.presence,
    ),
    Analyzer(
        "workload.GroupAnalyzer",
        "Applications that run with the proxy's group",
        (M.ApplicationGroup,),
        application_user.group,
    ),
    Analyzer(
        "workload.LabelAnalyzer",
        "The app and version labels of pods",
        (M.AppLabelMissing, M.AppLabelShared, M.AppLabelMeaningless, M.VersionLabelMissing),
        workload_labels.labels,
    ),
    Analyzer(
        "workload.ServiceAnalyzer",
        "The Services that pods belong to",
        (M.PodWithoutService, M.PodInConflictingServices, M.PodInSeveralServices),
        service_membership.membership,
    ),
)

ANALYZERS: Final = tuple(sorted((*_ISTIO, *_OURS), key=lambda each: each.name))
BY_NAME: Final = {each.name: each for each in ANALYZERS}
DEFAULT: Final = tuple(each for each in ANALYZERS if each.default)
