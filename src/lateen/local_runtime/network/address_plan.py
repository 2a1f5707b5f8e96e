"""Which addresses the local mesh uses: the range of RFC 2544, which no network that a machine is on should use.

Standard library only: the launcher imports it too.
"""

from typing import Final

PREFIX: Final = 16

POD_NETWORK: Final = "198.18.0.0/16"
GATEWAY: Final = "198.18.0.1"
"""The bridge in the mesh namespace, and the default gateway of every pod."""

VIP_NETWORK: Final = "198.19.0.0/16"
DNS_ADDRESS: Final = "198.19.0.10"
