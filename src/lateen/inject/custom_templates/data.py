"""What a template of users may see: the pod, its owner and the settings, by the names that Go's types give them."""

from collections.abc import Mapping
from typing import Any

from lateen.inject import pods
from lateen.inject.facts import Facts
from lateen.inject.go_template.records import Record, Types
from lateen.inject.images import init_image, proxy_image
from lateen.inject.settings import Mesh

TYPES = Types(
    {
        "Data": (
            "TypeMeta:TypeMeta DeploymentMeta:DeploymentMeta ObjectMeta:ObjectMeta Spec:PodSpec "
            "ProxyConfig:*ProxyConfig MeshConfig:*MeshConfig Values:any Revision NativeSidecars:bool ProxyImage "
            "ProxyInitImage ProxyUID=proxyUID:int ProxyGID=proxyGID:int InboundTrafficPolicyMode CompliancePolicy"
        ),
        "TypeMeta": "Kind APIVersion=apiVersion",
        "DeploymentMeta": "Name Namespace",
        "ObjectMeta": (
            "Name GenerateName Namespace UID=uid ResourceVersion Generation:int Labels:texts Annotations:texts "
            "OwnerReferences:[OwnerReference] Finalizers:[text]"
        ),
        "OwnerReference": "APIVersion=apiVersion Kind Name UID=uid Controller:any BlockOwnerDeletion:any",
        "PodSpec": (
            "Containers:[Container] InitContainers:[Container] EphemeralContainers:[Container] Volumes:[Volume] "
            "RestartPolicy ServiceAccountName DeprecatedServiceAccount=serviceAccount NodeName NodeSelector:texts "
            "HostNetwork:bool HostPID=hostPID:bool HostIPC=hostIPC:bool HostUsers:any Hostname Subdomain "
            "HostAliases:[any] SchedulerName PriorityClassName Priority:any RuntimeClassName:any DNSPolicy=dnsPolicy "
            "DNSConfig=dnsConfig:any SecurityContext:*PodSecurityContext ImagePullSecrets:[LocalObjectReference] "
            "TerminationGracePeriodSeconds:any ActiveDeadlineSeconds:any AutomountServiceAccountToken:any "
            "ShareProcessNamespace:any EnableServiceLinks:any PreemptionPolicy:any Affinity:any Tolerations:[any] "
            "ReadinessGates:[any] SchedulingGates:[any] TopologySpreadConstraints:[any] Overhead:any OS=os:any"
        ),
        "Container": (
            "Name Image Command:[text] Args:[text] WorkingDir Ports:[ContainerPort] EnvFrom:[any] Env:[EnvVar] "
            "Resources:ResourceRequirements RestartPolicy:any VolumeMounts:[VolumeMount] VolumeDevices:[any] "
            "LivenessProbe:*Probe ReadinessProbe:*Probe StartupProbe:*Probe Lifecycle:*Lifecycle "
            "TerminationMessagePath TerminationMessagePolicy ImagePullPolicy SecurityContext:*SecurityContext "
            "Stdin:bool StdinOnce:bool TTY=tty:bool"
        ),
        "ContainerPort": "Name HostPort:int ContainerPort:int Protocol HostIP=hostIP",
        "EnvVar": "Name Value ValueFrom:any",
        "ResourceRequirements": "Limits:texts Requests:texts Claims:[any]",
        "VolumeMount": "Name ReadOnly:bool MountPath SubPath MountPropagation:any SubPathExpr",
        "Volume": (
            "Name EmptyDir:any ConfigMap:any Secret:any Projected:any DownwardAPI=downwardAPI:any HostPath:any "
            "PersistentVolumeClaim:any CSI=csi:any NFS=nfs:any Ephemeral:any Image:any"
        ),
        "Probe": (
            "Exec:any HTTPGet=httpGet:*HTTPGetAction TCPSocket=tcpSocket:*TCPSocketAction GRPC=grpc:*GRPCAction "
            "InitialDelaySeconds:int TimeoutSeconds:int PeriodSeconds:int SuccessThreshold:int FailureThreshold:int "
            "TerminationGracePeriodSeconds:any"
        ),
        "HTTPGetAction": "Path Port:any Host Scheme HTTPHeaders=httpHeaders:[any]",
        "TCPSocketAction": "Port:any Host",
        "GRPCAction": "Port:int Service:any",
        "Lifecycle": "PostStart:any PreStop:any StopSignal:any",
        "LocalObjectReference": "Name",
        "SecurityContext": (
            "Capabilities:any Privileged:any SELinuxOptions=seLinuxOptions:any RunAsUser:any RunAsGroup:any "
            "RunAsNonRoot:any ReadOnlyRootFilesystem:any AllowPrivilegeEscalation:any ProcMount:any SeccompProfile:any "
            "AppArmorProfile:any"
        ),
        "PodSecurityContext": (
            "SELinuxOptions=seLinuxOptions:any RunAsUser:any RunAsGroup:any RunAsNonRoot:any SupplementalGroups:[any] "
            "FSGroup=fsGroup:any Sysctls:[any] FSGroupChangePolicy=fsGroupChangePolicy:any SeccompProfile:any "
            "AppArmorProfile:any"
        ),
        "ProxyConfig": (
            "ConfigPath BinaryPath ServiceCluster DrainDuration DiscoveryAddress StatsdUdpAddress ProxyAdminPort:int "
            "ControlPlaneAuthPolicy CustomConfigFile StatNameLength:int Concurrency:*Int32Value "
            "ProxyBootstrapTemplatePath InterceptionMode Tracing:*Tracing EnvoyAccessLogService:any "
            "EnvoyMetricsService:any ProxyMetadata:texts RuntimeValues:texts StatusPort:int ExtraStatTags:[text] "
            "GatewayTopology:any TerminationDrainDuration MeshId ReadinessProbe:any ProxyStatsMatcher:any "
            "HoldApplicationUntilProxyStarts:*BoolValue CaCertificatesPem:[text] Image:*ProxyImage "
            "PrivateKeyProvider:any ProxyHeaders:any"
        ),
        "Int32Value": "Value:int",
        "BoolValue": "Value:bool",
        "Tracing": "TlsSettings:*TlsSettings Sampling:any CustomTags:any MaxPathTagLength:int Zipkin:any",
        "TlsSettings": "Mode CaCertificates ClientCertificate PrivateKey Sni SubjectAltNames:[text]",
        "ProxyImage": "ImageType",
        "MeshConfig": (
            "ProxyListenPort:int ProxyInboundListenPort:int ProxyHttpPort:int TrustDomain TrustDomainAliases:[text] "
            "RootNamespace DefaultConfig:*ProxyConfig EnablePrometheusMerge:*BoolValue EnableTracing:bool "
            "AccessLogFile AccessLogFormat AccessLogEncoding IngressClass IngressService IngressSelector "
            "InboundTrafficPolicy:*TrafficPolicyMode OutboundTrafficPolicy:*TrafficPolicyMode ConnectTimeout "
            "ExtensionProviders:any DefaultProviders:any MeshMTLS=meshMTLS:any"
        ),
        "TrafficPolicyMode": "Mode",
    }
)
"""Fields of Kubernetes' and Istio's types; `any` parts keep the names that they have in YAML."""

_WRAPPERS = ("concurrency", "holdApplicationUntilProxyStarts", "enablePrometheusMerge")


def data_of(facts: Facts) -> Record:
    """The input of a template. Templates may change it: it shares nothing with the facts."""
    settings, owner = facts.settings, facts.owner
    data = {
        "typeMeta": {"kind": owner.kind, "apiVersion": owner.api_version},
        "deploymentMeta": {"name": owner.name, "namespace": owner.namespace},
        "objectMeta": facts.pod.get("metadata") or {},
        "spec": pods.spec(facts.pod),
        "proxyConfig": _wrapped(facts.config.fields),
        "meshConfig": _mesh(settings.mesh),
        "values": settings.values.as_helm(),
        "revision": settings.revision,
        "nativeSidecars": facts.native,
        "proxyImage": proxy_image(facts.values, facts.config, facts.annotations),
        "proxyInitImage": init_image(facts.values, facts.annotations),
        "proxyUID": settings.proxy_uid,
        "proxyGID": settings.proxy_gid,
        "inboundTrafficPolicyMode": "localhost" if settings.mesh.inbound_to_localhost else "passthrough",
        "compliancePolicy": settings.compliance_policy,
    }
    return TYPES.record("Data", _copied(data))


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list | tuple) else value


def _mesh(mesh: Mesh) -> dict[str, Any]:
    """The mesh configuration as it was written, with the defaults that injection knows."""
    known = {
        "proxyListenPort": mesh.proxy_listen_port,
        "proxyInboundListenPort": mesh.proxy_inbound_listen_port,
        "trustDomain": mesh.trust_domain,
        "enablePrometheusMerge": mesh.enable_prometheus_merge,
    }
    document = {"rootNamespace": "istio-system", **mesh.document, **known}
    return {**_wrapped(document), "defaultConfig": _wrapped(mesh.proxy_config.fields)}


def _wrapped(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with its wrapped fields as messages of their own, which Go makes of them."""
    return {key: {"value": value} if key in _WRAPPERS else value for key, value in message.items()}
