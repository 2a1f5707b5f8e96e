"""The fields of Pods and workloads, as an API server knows them, made into structs that refuse all others.

A field is `name`, which may hold anything, or `name:type`. A type is `text`, `int`, `count` (0 or more), `bool`,
`port` (a number or text), `labels` (text by text), or a message of the table; `[type]` is a list. `!` after the name:
it is required. Source: the API reference of Kubernetes 1.35.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

_TABLE: Final = """
Metadata: name:text generateName:text namespace:text labels:labels annotations:labels finalizers ownerReferences uid
    creationTimestamp deletionTimestamp deletionGracePeriodSeconds generation managedFields resourceVersion selfLink

Exec: command:[text]
Header: name!:text value:text
HttpGet: host:text httpHeaders:[Header] path:text port!:port scheme:text
TcpSocket: host:text port!:port
Grpc: port!:int service:text
Sleep: seconds:count
Probe: exec:Exec failureThreshold:count grpc:Grpc httpGet:HttpGet initialDelaySeconds:count periodSeconds:count
    successThreshold:count tcpSocket:TcpSocket terminationGracePeriodSeconds:count timeoutSeconds:count
Handler: exec:Exec httpGet:HttpGet sleep:Sleep tcpSocket:TcpSocket
Lifecycle: postStart:Handler preStop:Handler stopSignal:text

KeyRef: key!:text name:text optional:bool
FieldRef: apiVersion:text fieldPath!:text
ResourceRef: containerName:text divisor resource!:text
ValueFrom: configMapKeyRef:KeyRef fieldRef:FieldRef fileKeyRef resourceFieldRef:ResourceRef secretKeyRef:KeyRef
Variable: name!:text value:text valueFrom:ValueFrom
ObjectName: name:text optional:bool
Variables: configMapRef:ObjectName prefix:text secretRef:ObjectName

ContainerPort: containerPort!:int hostIP:text hostPort:int name:text protocol:text
Mount: mountPath!:text mountPropagation:text name!:text readOnly:bool recursiveReadOnly:text subPath:text
    subPathExpr:text
Device: devicePath!:text name!:text
Resources: claims limits requests
Capabilities: add:[text] drop:[text]
SecurityContext: allowPrivilegeEscalation:bool appArmorProfile capabilities:Capabilities privileged:bool procMount:text
    readOnlyRootFilesystem:bool runAsGroup:count runAsNonRoot:bool runAsUser:count seLinuxOptions seccompProfile
    windowsOptions
Container: args:[text] command:[text] env:[Variable] envFrom:[Variables] image:text imagePullPolicy:text
    lifecycle:Lifecycle livenessProbe:Probe name!:text ports:[ContainerPort] readinessProbe:Probe resizePolicy
    resources:Resources restartPolicy:text restartPolicyRules securityContext:SecurityContext startupProbe:Probe
    stdin:bool stdinOnce:bool terminationMessagePath:text terminationMessagePolicy:text tty:bool volumeDevices:[Device]
    volumeMounts:[Mount] workingDir:text

File: key!:text mode:count path!:text
PodFile: fieldRef:FieldRef mode:count path!:text resourceFieldRef:ResourceRef
ConfigMapFiles: defaultMode:count items:[File] name:text optional:bool
SecretFiles: defaultMode:count items:[File] optional:bool secretName:text
SomeFiles: items:[File] name:text optional:bool
PodFiles: defaultMode:count items:[PodFile]
Token: audience:text expirationSeconds:count path!:text
Source: clusterTrustBundle configMap:SomeFiles downwardAPI:PodFiles podCertificate secret:SomeFiles
    serviceAccountToken:Token
Projected: defaultMode:count sources:[Source]
EmptyDir: medium:text sizeLimit
Claim: claimName!:text readOnly:bool
Volume: awsElasticBlockStore azureDisk azureFile cephfs cinder configMap:ConfigMapFiles csi downwardAPI:PodFiles
    emptyDir:EmptyDir ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs hostPath image iscsi
    name!:text nfs persistentVolumeClaim:Claim photonPersistentDisk portworxVolume projected:Projected quobyte rbd
    scaleIO secret:SecretFiles storageos vsphereVolume

HostAlias: hostnames:[text] ip!:text
PodSecurityContext: appArmorProfile fsGroup:count fsGroupChangePolicy:text runAsGroup:count runAsNonRoot:bool
    runAsUser:count seLinuxChangePolicy:text seLinuxOptions seccompProfile supplementalGroups supplementalGroupsPolicy
    sysctls windowsOptions
PodSpec: activeDeadlineSeconds:count affinity automountServiceAccountToken:bool containers:[Container] dnsConfig
    dnsPolicy:text enableServiceLinks:bool ephemeralContainers hostAliases:[HostAlias] hostIPC:bool hostNetwork:bool
    hostPID:bool hostUsers:bool hostname:text hostnameOverride:text imagePullSecrets initContainers:[Container]
    nodeName:text nodeSelector:labels os overhead preemptionPolicy:text priority:int priorityClassName:text
    readinessGates resourceClaims resources restartPolicy:text runtimeClassName:text schedulerName:text schedulingGates
    securityContext:PodSecurityContext serviceAccount:text serviceAccountName:text setHostnameAsFQDN:bool
    shareProcessNamespace:bool subdomain:text terminationGracePeriodSeconds:count tolerations topologySpreadConstraints
    volumes:[Volume] workloadRef
Template: metadata:Metadata spec:PodSpec

Expression: key!:text operator!:text values:[text]
Selector: matchExpressions:[Expression] matchLabels:labels
Rolling: maxSurge:port maxUnavailable:port partition:count
Strategy: rollingUpdate:Rolling type:text
Ordinals: start:count
DeploymentSpec: minReadySeconds:count paused:bool progressDeadlineSeconds:count replicas:count
    revisionHistoryLimit:count selector:Selector strategy:Strategy template:Template
StatefulSetSpec: minReadySeconds:count ordinals:Ordinals persistentVolumeClaimRetentionPolicy podManagementPolicy:text
    replicas:count revisionHistoryLimit:count selector:Selector serviceName:text template:Template
    updateStrategy:Strategy volumeClaimTemplates
DaemonSetSpec: minReadySeconds:count revisionHistoryLimit:count selector:Selector template:Template
    updateStrategy:Strategy
ReplicaSetSpec: minReadySeconds:count replicas:count selector:Selector template:Template
JobSpec: activeDeadlineSeconds:count backoffLimit:count backoffLimitPerIndex:count completionMode:text
    completions:count managedBy:text manualSelector:bool maxFailedIndexes:count parallelism:count podFailurePolicy
    podReplacementPolicy:text selector:Selector successPolicy suspend:bool template:Template
    ttlSecondsAfterFinished:count
JobTemplate: metadata:Metadata spec:JobSpec
CronJobSpec: concurrencyPolicy:text failedJobsHistoryLimit:count jobTemplate:JobTemplate schedule:text
    startingDeadlineSeconds:count successfulJobsHistoryLimit:count suspend:bool timeZone:text

Pod: apiVersion kind metadata:Metadata spec:PodSpec status
Deployment: apiVersion kind metadata:Metadata spec:DeploymentSpec status
StatefulSet: apiVersion kind metadata:Metadata spec:StatefulSetSpec status
DaemonSet: apiVersion kind metadata:Metadata spec:DaemonSetSpec status
ReplicaSet: apiVersion kind metadata:Metadata spec:ReplicaSetSpec status
Job: apiVersion kind metadata:Metadata spec:JobSpec status
CronJob: apiVersion kind metadata:Metadata spec:CronJobSpec status
"""


def _structs(table: str) -> dict[str, type[msgspec.Struct]]:
    """A message refers only to those above it."""
    types: dict[str, Any] = {
        "": Any,
        "text": str,
        "int": int,
        "count": Annotated[int, Meta(ge=0)],
        "bool": bool,
        "port": int | str,
        "labels": Mapping[str, str],
    }
    structs: dict[str, type[msgspec.Struct]] = {}
    for line in table.replace("\n    ", " ").strip().splitlines():
        title, _, fields = line.partition(": ")
        if title:
            structs[title] = types[title] = _struct(title, fields.split(), types)
    return structs


def _struct(title: str, fields: list[str], types: Mapping[str, Any]) -> type[msgspec.Struct]:
    described: list[Any] = []
    for field in fields:
        name, _, kind = field.partition(":")
        found: Any = types[kind.strip("[]")]
        if kind.startswith("["):
            found = GenericAlias(tuple, (found, ...))
        described.append((name[:-1], found) if name.endswith("!") else (name, found | None, None))
    return msgspec.defstruct(title, described, frozen=True, kw_only=True, forbid_unknown_fields=True)


STRUCTS: Final = _structs(_TABLE)
"""By the names in the table."""
