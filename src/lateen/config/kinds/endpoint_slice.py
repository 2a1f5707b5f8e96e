"""Kubernetes EndpointSlice: a part of the addresses behind a Service, each with its conditions."""

from typing import ClassVar

from lateen.config.objects import ConfigObject
from lateen.config.values import KubernetesMessage

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""The label that names the Service a slice belongs to."""


class TargetRef(KubernetesMessage, frozen=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""


class EndpointConditions(KubernetesMessage, frozen=True):
    """None means unknown: `ready` then counts as true, `serving` as `ready`, `terminating` as false."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class SliceEndpoint(KubernetesMessage, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: TargetRef | None = None


class EndpointSlicePort(KubernetesMessage, frozen=True):
    """`name` is that of the Service's port, not the container's; `port` is the container's number."""

    name: str = ""
    port: int | None = None
    protocol: str = "TCP"
    app_protocol: str | None = None


class EndpointSlice(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = "discovery.k8s.io"
    KIND: ClassVar[str] = "EndpointSlice"

    address_type: str = "IPv4"
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[EndpointSlicePort, ...] = ()

    @property
    def service_name(self) -> str | None:
        """The Service of the same namespace that the slice belongs to."""
        return self.metadata.labels.get(SERVICE_NAME_LABEL)
