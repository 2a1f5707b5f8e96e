"""Kubernetes Pod: the parts that the mesh reads. What runs a pod works on its full mapping, not on this."""

from typing import ClassVar

from msgspec import field

from lateen.config.objects import ConfigObject
from lateen.config.values import KubernetesMessage


class ContainerPort(KubernetesMessage, frozen=True):
    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(KubernetesMessage, frozen=True):
    name: str
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(KubernetesMessage, frozen=True):
    node_name: str = ""
    service_account_name: str = "default"
    host_network: bool = False
    hostname: str = ""
    subdomain: str = ""
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()


class PodIP(KubernetesMessage, frozen=True):
    ip: str = ""


class PodCondition(KubernetesMessage, frozen=True):
    """`status` is `True`, `False` or `Unknown`."""

    type: str
    status: str = "Unknown"


class ContainerStatus(KubernetesMessage, frozen=True):
    name: str
    ready: bool = False
    restart_count: int = 0


class PodStatus(KubernetesMessage, frozen=True):
    phase: str = "Pending"
    pod_ip: str = field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = field(default=(), name="podIPs")
    host_ip: str = field(default="", name="hostIP")
    conditions: tuple[PodCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the condition `Ready` holds."""
        return any(condition.type == "Ready" and condition.status == "True" for condition in self.conditions)


class Pod(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = ""
    KIND: ClassVar[str] = "Pod"

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()
