"""Addresses, and the allocation of an address per name from a range."""

from collections.abc import Collection, Iterator
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Address, ip_address

_BEHIND_ENVOY = "127.0.0.6"


def is_ipv6(address: str) -> bool:
    """Whether the address is IPv6; anything that is not an address is not."""
    try:
        return isinstance(ip_address(address), IPv6Address)
    except ValueError:
        return False


def is_local(address: str) -> bool:
    """Whether a caller with that address is on this machine.

    Not with 127.0.0.6, which a sidecar's Envoy uses for requests from outside the pod.
    """
    try:
        return ip_address(address.removeprefix("::ffff:")).is_loopback and address != _BEHIND_ENVOY
    except ValueError:
        return False


def canonical(address: str) -> str:
    """The one spelling of an address that has several, as IPv6 addresses do; any other text as it is."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address


def allocate(name: str, network: IPv4Network, taken: Collection[str]) -> str:
    """An address of the network for a name: the same name gets the same address while it is free.

    The first and last 255 addresses of the range are never given out; callers use them for their own services.
    Raises `ValueError` when the range is used up.
    """
    for candidate in _candidates(name, network):
        if candidate not in taken:
            return candidate
    raise ValueError(f"no free address left in {network}")


def _candidates(name: str, network: IPv4Network) -> Iterator[str]:
    low, high = 255, network.num_addresses - 256
    size = high - low
    start = int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) % size
    for step in range(size):
        yield str(network[low + (start + step) % size])
