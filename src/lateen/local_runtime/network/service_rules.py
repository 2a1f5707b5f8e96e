"""Service VIPs for pods without a sidecar: what kube-proxy does, as one nft table per family in the mesh namespace.

A packet for a VIP leaves its pod towards the bridge, the pod's default gateway, and gets a ready endpoint as its
destination here; one map finds the port, whatever the number of services. The endpoint sits on the same bridge as the
client and would answer it directly, past the translation, so such connections are masqueraded. VIPs are local
addresses of the namespace: a port without endpoints is refused at once.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

import msgspec

from lateen.local_runtime.network.address_plan import VIP_NETWORK, VIP_NETWORK_IPV6

TABLE: Final = "lateen-services"

_FAMILY: Final = {4: "ip", 6: "ip6"}
_NETWORK: Final = {4: VIP_NETWORK, 6: VIP_NETWORK_IPV6}


Address = IPv4Address | IPv6Address


class Backend(msgspec.Struct, frozen=True, order=True):
    """A ready endpoint of a service port."""

    address: Address
    port: int


class ServiceRule(msgspec.Struct, frozen=True, order=True):
    """One port of a Service on a VIP; its backends are of the same family, and without any, connections are refused."""

    vip: Address
    protocol: Literal["tcp", "udp"]
    port: int
    backends: tuple[Backend, ...]


def nft_tables(services: Iterable[ServiceRule], *, ipv6: bool) -> str:
    """The tables as text for `nft -f -`: replaces those before in one transaction; equal services, equal text."""
    given = list(services)
    versions = (4, 6) if ipv6 else (4,)
    return "".join(_table([rule for rule in given if rule.vip.version == version], version) for version in versions)


def _table(services: Iterable[ServiceRule], version: int) -> str:
    served = sorted({(rule.vip, rule.protocol, rule.port): rule for rule in services if rule.backends}.values())
    family = _FAMILY[version]
    jump = f"    {family} daddr {_NETWORK[version]} jump services"
    lines = [
        f"add table {family} {TABLE}",
        f"delete table {family} {TABLE}",
        f"table {family} {TABLE} {{",
        *(line for rule in served for line in _chain(rule)),
        *_block("chain services", _lookup(served, family)),
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
        only = backends[0]
        host = f"[{only.address}]" if rule.vip.version == 6 else only.address
        target = f"dnat to {host}:{only.port}"
    else:
        choices = ", ".join(f"{number} : {one.address} . {one.port}" for number, one in enumerate(backends))
        target = (
            f"dnat {_FAMILY[rule.vip.version]} addr . port to numgen random mod {len(backends)} map {{ {choices} }}"
        )
    return _block(f"chain {_name(rule)}", [f"    meta l4proto {rule.protocol} {target}"])


def _lookup(served: list[ServiceRule], family: str) -> list[str]:
    if not served:
        return []
    entries = ", ".join(f"{rule.vip} . {rule.protocol} . {rule.port} : goto {_name(rule)}" for rule in served)
    return [f"    {family} daddr . meta l4proto . th dport vmap {{ {entries} }}"]


def _name(rule: ServiceRule) -> str:
    return f"vip-{str(rule.vip).replace(':', '_')}-{rule.protocol}-{rule.port}"


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"  {head} {{", *lines, "  }"]
