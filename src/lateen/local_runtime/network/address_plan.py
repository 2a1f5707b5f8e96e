"""Which addresses the local mesh uses: the range of RFC 2544, which no network that a machine is on should use.

Every one of them has an IPv6 twin: the same four bytes behind a prefix for local use (RFC 4193). Programs that are
given both prefer IPv4, as RFC 6724 has it for such prefixes.

Standard library only: the launcher imports it too.
"""

import os
import socket
from typing import Final

PREFIX: Final = 16

POD_NETWORK: Final = "198.18.0.0/16"
GATEWAY: Final = "198.18.0.1"
"""The bridge in the mesh namespace, and the default gateway of every pod."""

VIP_NETWORK: Final = "198.19.0.0/16"
DNS_ADDRESS: Final = "198.19.0.10"

_TWINS: Final = socket.inet_pton(socket.AF_INET6, "fd6c:6174:6565::")[:12]
TWIN_PREFIX: Final = 96 + PREFIX

_ADDRESSES: Final = "/proc/net/if_inet6"
"""There where the kernel has IPv6."""


def has_ipv6() -> bool:
    """Whether this kernel has IPv6; without it the mesh has IPv4 addresses only."""
    return os.access(_ADDRESSES, os.F_OK)


def ipv6_twin(address: str) -> str:
    """The IPv6 address that belongs to an IPv4 address of the mesh."""
    return socket.inet_ntop(socket.AF_INET6, _TWINS + socket.inet_aton(address))


def ipv4_twin(address: str) -> str | None:
    """The IPv4 address that an IPv6 address of the mesh belongs to; None for any other address."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        return None
    return socket.inet_ntoa(packed[12:]) if packed[:12] == _TWINS else None


VIP_NETWORK_IPV6: Final = f"{ipv6_twin(VIP_NETWORK.partition('/')[0])}/{TWIN_PREFIX}"
