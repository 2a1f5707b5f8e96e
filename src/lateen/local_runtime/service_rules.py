"""Service VIPs for pods without a sidecar: what kube-proxy does, as one nft table of the mesh namespace."""

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Literal

import msgspec


class Backend(msgspec.Struct, frozen=True):
    """A ready endpoint of a service port."""

    address: IPv4Address
    port: int


class ServiceRule(msgspec.Struct, frozen=True):
    """One port of a Service with a VIP; no backends means that connections are refused."""

    vip: IPv4Address
    protocol: Literal["tcp", "udp"]
    port: int
    backends: tuple[Backend, ...]


def nft_table(services: Iterable[ServiceRule]) -> str:
    """The table as text for `nft -f -`: replaces the one before in one transaction; equal services, equal text."""
    raise NotImplementedError
