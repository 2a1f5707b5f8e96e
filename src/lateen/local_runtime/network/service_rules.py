"""Service VIPs for pods without a sidecar: what kube-proxy does, as one nft table of the mesh namespace.

A packet for a VIP leaves its pod towards the bridge, the pod's default gateway, and gets a ready endpoint as its
destination here; one map finds the port, whatever the number of services. The endpoint sits on the same bridge as the
client and would answer it directly, past the translation, so such connections are masqueraded. VIPs are local
addresses of the namespace: a port without endpoints is refused at once.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Final, Literal

import msgspec

from lateen.local_runtime.network.address_plan import VIP_NETWORK

TABLE: Final = "lateen-services"


class Backend(msgspec.Struct, frozen=True, order=True):
    """A ready endpoint of a service port."""

    address: IPv4Address
    port: int


class ServiceRule(msgspec.Struct, frozen=True, order=True):
    """One port of a Service with a VIP; no backends means that connections are refused."""

    vip: IPv4Address
    protocol: Literal["tcp", "udp"]
    port: int
    backends: tuple[Backend, ...]


def nft_table(services: Iterable[ServiceRule]) -> str:
    """The table as text for `nft -f -`: replaces the one before in one transaction; equal services, equal text."""
    served = sorted({(rule.vip, rule.protocol, rule.port): rule for rule in services if rule.backends}.values())
    jump = f"    ip daddr {VIP_NETWORK} jump services"
    lines = [
        f"add table ip {TABLE}",
        f"delete table ip {TABLE}",
        f"table ip {TABLE} {{",
        *(line for rule in served for line in _chain(rule)),
        *_block("chain services", _lookup(served)),
        *_block("chain prerouting", ["    type nat hook prerouting priority -100; policy accept;", jump]),
        *_block("chain output", ["    type nat hook output priority -100; policy accept;", jump]),
        *_block(
            "chain postrouting",
            ["    type nat hook postrouting priority 100; policy accept;", "    ct status dnat masquerade"],
        ),
        "}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _chain(rule: ServiceRule) -> list[str]:
    backends = sorted(set(rule.backends))
    if len(backends) == 1:
        target = f"dnat to {backends[0].address}:{backends[0].port}"
    else:
        choices = ", ".join(f"{number} : {one.address} . {one.port}" for number, one in enumerate(backends))
        target = f"dnat ip addr . port to numgen random mod {len(backends)} map {{ {choices} }}"
    return _block(f"chain {_name(rule)}", [f"    meta l4proto {rule.protocol} {target}"])


def _lookup(served: list[ServiceRule]) -> list[str]:
    if not served:
        return []
    entries = ", ".join(f"{rule.vip} . {rule.protocol} . {rule.port} : goto {_name(rule)}" for rule in served)
    return [f"    ip daddr . meta l4proto . th dport vmap {{ {entries} }}"]


def _name(rule: ServiceRule) -> str:
    return f"vip-{rule.vip}-{rule.protocol}-{rule.port}"


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"  {head} {{", *lines, "  }"]
