"""Cluster DNS of the local mesh: a pure zone, and a server on sockets made inside the mesh namespace."""

from collections.abc import Mapping

import msgspec

from lateen.local_runtime.network import DNS_ADDRESS, MeshNetwork

CLUSTER_DOMAIN = "cluster.local"


class ServiceTarget(msgspec.Struct, frozen=True):
    """What an SRV record says: a port of a host."""

    host: str
    port: int


class Zone(msgspec.Struct, frozen=True):
    """All names: fully qualified, lower case, without a trailing dot.

    `addresses`: reviews.default.svc.cluster.local -> (VIP,), a headless name -> ready pod IPs, also pod names under a
    headless service and hosts outside the cluster domain that the mesh knows. A name with no addresses exists.
    `targets`: _http._tcp.reviews.default.svc.cluster.local -> SRV targets.
    """

    addresses: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, tuple[ServiceTarget, ...]] = {}


class DnsServer:
    """Answers on 198.19.0.10:53, UDP and TCP; replacing `zone` takes effect with the next question."""

    zone: Zone

    def __init__(self, mesh: MeshNetwork, zone: Zone) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Bind both sockets inside the mesh namespace."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop answering."""
        raise NotImplementedError


def resolv_conf(namespace: str) -> str:
    """/etc/resolv.conf of a pod in `namespace`, as a kubelet writes it."""
    search = f"{namespace}.svc.{CLUSTER_DOMAIN} svc.{CLUSTER_DOMAIN} {CLUSTER_DOMAIN}"
    return f"nameserver {DNS_ADDRESS}\nsearch {search}\noptions ndots:5\n"
