"""Kubernetes Service. Named `KubernetesService`, as *Service* is the mesh's own notion."""

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from lateen.config.objects import ConfigObject
from lateen.config.values import KubernetesMessage


class ServicePort(KubernetesMessage, frozen=True):
    """`target_port` is a number or the name of a container port; absent means `port`."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None
    target_port: int | str | None = None
    node_port: int | None = None


class ServiceSpec(KubernetesMessage, frozen=True):
    """`cluster_ip` is `None` (the text) for a headless Service and empty until one is allocated."""

    type: str = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    selector: Mapping[str, str] = {}
    ports: tuple[ServicePort, ...] = ()
    external_name: str = ""
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    publish_not_ready_addresses: bool = False
    internal_traffic_policy: str | None = None
    external_traffic_policy: str | None = None
    traffic_distribution: str | None = None
    session_affinity: str | None = None

    @property
    def is_headless(self) -> bool:
        """Whether clients get the pods' addresses instead of one of the Service."""
        return self.cluster_ip == "None"


class KubernetesService(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "Service"

    spec: ServiceSpec = ServiceSpec()
