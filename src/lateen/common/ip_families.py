"""Which families of addresses something has: IPv4, IPv6 or both.

Nothing but an enum: agents import it, and what they import delays every pod.
"""

from collections.abc import Iterable
from enum import StrEnum


class IpFamilies(StrEnum):
    """The address families of a pod."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DUAL = "dual"

    @classmethod
    def of(cls, addresses: Iterable[str]) -> "IpFamilies":
        """The families of valid addresses; of none, IPv4."""
        found = {":" in address for address in addresses}
        if found == {True}:
            return cls.IPV6
        return cls.DUAL if True in found else cls.IPV4

    @property
    def any_addresses(self) -> tuple[str, ...]:
        """What a listener on all addresses is bound to."""
        return {IpFamilies.IPV4: ("0.0.0.0",), IpFamilies.IPV6: ("::",), IpFamilies.DUAL: ("0.0.0.0", "::")}[self]

    @property
    def loopbacks(self) -> tuple[str, ...]:
        """What a listener for this host alone is bound to."""
        return {IpFamilies.IPV4: ("127.0.0.1",), IpFamilies.IPV6: ("::1",), IpFamilies.DUAL: ("127.0.0.1", "::1")}[self]

    def having(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those of the addresses that are of these families, in order."""
        wanted = {IpFamilies.IPV4: (False,), IpFamilies.IPV6: (True,), IpFamilies.DUAL: (False, True)}[self]
        return tuple(address for address in addresses if (":" in address) in wanted)
