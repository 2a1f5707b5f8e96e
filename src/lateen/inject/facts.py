"""What a template may know of the pod it renders for: the pod before injection, its owner, the settings in force."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.common.labels import Labels
from lateen.inject import pods
from lateen.inject.owner import Owner
from lateen.inject.ports import with_port
from lateen.inject.proxy_config import ProxyConfig
from lateen.inject.settings import Settings, Values

STATUS_PORT = "status.sidecar.istio.io/port"
INTERCEPTION_MODE = "sidecar.istio.io/interceptionMode"
NATIVE_SIDECAR = "sidecar.istio.io/nativeSidecar"
TRAFFIC = "traffic.sidecar.istio.io/"
REROUTED_INTERFACES = "istio.io/reroute-virtual-interfaces"
TPROXY_ID = 1337
"""User and group of the proxy in TPROXY mode, whatever the settings say of others."""


class Facts(msgspec.Struct, frozen=True):
    """The input of every template; where an annotation is present it wins over the value, even when empty."""

    pod: Mapping[str, Any]
    owner: Owner
    settings: Settings
    config: ProxyConfig

    @property
    def values(self) -> Values:
        return self.settings.values

    @property
    def annotations(self) -> Labels:
        return pods.annotations(self.pod)

    @property
    def labels(self) -> Labels:
        return pods.labels(self.pod)

    @property
    def native(self) -> bool:
        """Whether the proxy runs as an init container that stays."""
        stated = self.annotations.get(NATIVE_SIDECAR, "")
        return stated != "false" if stated else self.settings.native_sidecars

    @property
    def mode(self) -> str:
        return self.annotations.get(INTERCEPTION_MODE, self.config.interception_mode)

    @property
    def transparent(self) -> bool:
        return self.mode == "TPROXY"

    @property
    def status_port(self) -> str:
        return self.annotations.get(STATUS_PORT, str(self.values.status_port))

    @property
    def agent_log_level(self) -> str:
        return self.annotations.get("sidecar.istio.io/agentLogLevel", self.values.agent_log_level)

    @property
    def binds_low_ports(self) -> bool:
        return self.annotations.get("sidecar.istio.io/capNetBindService", self.values.cap_net_bind_service) == "true"

    @property
    def holds_application(self) -> bool:
        return self.config.hold_application or self.values.hold_application

    @property
    def include_ip_ranges(self) -> str:
        return self.annotations.get(TRAFFIC + "includeOutboundIPRanges", self.values.include_ip_ranges)

    @property
    def exclude_ip_ranges(self) -> str:
        return self.annotations.get(TRAFFIC + "excludeOutboundIPRanges", self.values.exclude_ip_ranges)

    @property
    def include_inbound_ports(self) -> str:
        return self.annotations.get(TRAFFIC + "includeInboundPorts", self.values.include_inbound_ports)

    @property
    def exclude_inbound_ports(self) -> str:
        """The excluded ports, the status port among them."""
        listed = self.annotations.get(TRAFFIC + "excludeInboundPorts", self.values.exclude_inbound_ports)
        return with_port(listed, self.status_port)

    @property
    def include_outbound_ports(self) -> str | None:
        return self._if_stated("includeOutboundPorts", self.values.include_outbound_ports)

    @property
    def exclude_outbound_ports(self) -> str | None:
        return self._if_stated("excludeOutboundPorts", self.values.exclude_outbound_ports)

    @property
    def virtual_interfaces(self) -> str | None:
        older = self.annotations.get(TRAFFIC + "kubevirtInterfaces")
        return self.annotations.get(REROUTED_INTERFACES, older)

    @property
    def exclude_interfaces(self) -> str | None:
        return self.annotations.get(TRAFFIC + "excludeInterfaces")

    def _if_stated(self, annotation: str, value: str) -> str | None:
        return self.annotations.get(TRAFFIC + annotation, value or None)
