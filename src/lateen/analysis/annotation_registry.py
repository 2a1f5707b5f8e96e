"""Istio's annotations: on which kinds each has a meaning, and whether it is alpha or deprecated.

Facts of Istio's annotation registry of 21 July 2026.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

ANY: Final = "Any"
"""In place of kinds: an annotation for all of them."""


class Known(NamedTuple):
    """What is known of one annotation."""

    kinds: tuple[str, ...]
    alpha: bool
    deprecated: bool


_ALPHA: Final = True
_DEPRECATED: Final = True

_TABLE: Final = (
    (
        "Any",
        _ALPHA,
        not _DEPRECATED,
        """
        galley.istio.io/analyze-suppress gateway.istio.io/controller-version
        """,
    ),
    (
        "AuthorizationPolicy",
        _ALPHA,
        not _DEPRECATED,
        """
        istio.io/dry-run
        """,
    ),
    (
        "Gateway",
        _ALPHA,
        not _DEPRECATED,
        """
        gateway.istio.io/name-override gateway.istio.io/service-account networking.istio.io/service-type
        """,
    ),
    (
        "Gateway GatewayClass",
        _ALPHA,
        not _DEPRECATED,
        """
        ambient.istio.io/waypoint-inbound-binding
        """,
    ),
    (
        "Ingress",
        not _ALPHA,
        not _DEPRECATED,
        """
        kubernetes.io/ingress.class
        """,
    ),
    (
        "Namespace",
        _ALPHA,
        not _DEPRECATED,
        """
        topology.istio.io/controlPlaneClusters
        """,
    ),
    (
        "Namespace Service ServiceEntry",
        _ALPHA,
        not _DEPRECATED,
        """
        istio.io/use-waypoint-canary-weight networking.istio.io/traffic-distribution
        """,
    ),
    (
        "Pod",
        not _ALPHA,
        not _DEPRECATED,
        """
        ambient.istio.io/redirection proxy.istio.io/config sidecar.istio.io/proxyMemoryLimit
        sidecar.istio.io/userVolumeMount traffic.sidecar.istio.io/includeInboundPorts
        """,
    ),
    (
        "Pod",
        not _ALPHA,
        _DEPRECATED,
        """
        sidecar.istio.io/inject
        """,
    ),
    (
        "Pod",
        _ALPHA,
        not _DEPRECATED,
        """
        ambient.istio.io/bypass-inbound-capture ambient.istio.io/dns-capture inject.istio.io/templates
        istio.io/reroute-virtual-interfaces istio.io/rev prometheus.istio.io/merge-metrics
        proxy.istio.io/overrides readiness.status.sidecar.istio.io/applicationPorts
        readiness.status.sidecar.istio.io/failureThreshold
        readiness.status.sidecar.istio.io/initialDelaySeconds
        readiness.status.sidecar.istio.io/periodSeconds sidecar.istio.io/agentLogLevel
        sidecar.istio.io/bootstrapOverride sidecar.istio.io/componentLogLevel
        sidecar.istio.io/interceptionMode sidecar.istio.io/logLevel sidecar.istio.io/nativeSidecar
        sidecar.istio.io/proxyCPU sidecar.istio.io/proxyCPULimit sidecar.istio.io/proxyImage
        sidecar.istio.io/proxyImageType sidecar.istio.io/proxyMemory sidecar.istio.io/rewriteAppHTTPProbers
        sidecar.istio.io/statsEvictionInterval sidecar.istio.io/statsFlushInterval
        sidecar.istio.io/statsHistogramBins sidecar.istio.io/statsHistogramBuckets sidecar.istio.io/status
        sidecar.istio.io/userVolume status.sidecar.istio.io/port
        traffic.sidecar.istio.io/excludeInboundPorts traffic.sidecar.istio.io/excludeInterfaces
        traffic.sidecar.istio.io/excludeOutboundIPRanges traffic.sidecar.istio.io/excludeOutboundPorts
        traffic.sidecar.istio.io/includeOutboundIPRanges traffic.sidecar.istio.io/includeOutboundPorts
        """,
    ),
    (
        "Pod",
        _ALPHA,
        _DEPRECATED,
        """
        sidecar.istio.io/discoveryAddress sidecar.istio.io/extraStatTags sidecar.istio.io/statsCompression
        sidecar.istio.io/statsInclusionPrefixes sidecar.istio.io/statsInclusionRegexps
        sidecar.istio.io/statsInclusionSuffixes traffic.sidecar.istio.io/kubevirtInterfaces
        """,
    ),
    (
        "Service",
        not _ALPHA,
        not _DEPRECATED,
        """
        traffic.istio.io/nodeSelector
        """,
    ),
    (
        "Service",
        _ALPHA,
        not _DEPRECATED,
        """
        networking.istio.io/exportTo
        """,
    ),
    (
        "Service",
        _ALPHA,
        _DEPRECATED,
        """
        alpha.istio.io/canonical-serviceaccounts alpha.istio.io/kubernetes-serviceaccounts
        """,
    ),
    (
        "WorkloadEntry",
        _ALPHA,
        not _DEPRECATED,
        """
        istio.io/autoRegistrationGroup istio.io/connectedAt istio.io/disconnectedAt
        istio.io/workloadController
        """,
    ),
)


def _registered() -> Iterator[tuple[str, Known]]:
    for kinds, alpha, deprecated, names in _TABLE:
        for name in names.split():
            yield name, Known(tuple(kinds.split()), alpha, deprecated)


REGISTRY: Final[Mapping[str, Known]] = dict(_registered())
