"""Kubernetes Endpoints: the older form of EndpointSlice, still written by hand for Services without a selector."""

from typing import ClassVar

from lateen.config.kinds.endpoint_slice import TargetRef
from lateen.config.objects import ConfigObject
from lateen.config.values import KubernetesMessage


class EndpointAddress(KubernetesMessage, frozen=True):
    ip: str
    hostname: str | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None


class EndpointPort(KubernetesMessage, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None


class EndpointSubset(KubernetesMessage, frozen=True):
    """Every address serves every port."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "Endpoints"

    subsets: tuple[EndpointSubset, ...] = ()
