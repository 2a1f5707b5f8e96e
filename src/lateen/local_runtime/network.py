"""The mesh network of this machine: one anonymous network namespace with a bridge to which every pod is joined.

Addresses: pods 198.18.0.0/16, the bridge (their default gateway) 198.18.0.1, service VIPs 198.19.0.0/16 (local to the
mesh namespace, so an unknown one is refused at once), DNS 198.19.0.10. Nothing of the host's network changes.
"""

import socket
from collections.abc import Iterable
from typing import Protocol

from lateen.local_runtime.service_rules import ServiceRule

POD_NETWORK = "198.18.0.0/16"
GATEWAY = "198.18.0.1"
VIP_NETWORK = "198.19.0.0/16"
DNS_ADDRESS = "198.19.0.10"


class HasNetworkNamespace(Protocol):
    """What sockets can be made in: a pod sandbox, or the mesh itself."""

    @property
    def network_namespace(self) -> int:
        """Descriptor of the network namespace."""
        ...


class MeshNetwork:
    """The mesh's network namespace, as the supervisor reaches into it."""

    def socket(
        self,
        family: socket.AddressFamily = socket.AF_INET,
        type: socket.SocketKind = socket.SOCK_STREAM,
        *,
        inside: HasNetworkNamespace | None = None,
    ) -> socket.socket:
        """A non-blocking socket of the mesh namespace, or of a pod's; it stays there wherever it is used."""
        raise NotImplementedError

    async def connect(self, host: str, port: int, *, inside: HasNetworkNamespace | None = None) -> socket.socket:
        """A connected TCP socket (non-blocking) from inside the mesh namespace or a pod; OSError as connect() gives."""
        raise NotImplementedError

    async def apply_services(self, services: Iterable[ServiceRule]) -> None:
        """Replace the service VIPs of the kernel (see service_rules.py) in one step."""
        raise NotImplementedError
