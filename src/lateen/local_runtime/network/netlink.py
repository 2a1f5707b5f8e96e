"""Network links and addresses over rtnetlink: the few requests a mesh needs, each answered before the next is sent.

One socket speaks for the network namespace it was made in. A pod's link takes two milliseconds this way; starting `ip`
once takes longer. Used by the launcher and the pod holders, hence nothing but the standard library.
"""

import os
import socket
import struct
from typing import Final

_NETLINK_ROUTE: Final = 0
_NLMSG_ERROR: Final = 2
_NEWLINK, _NEWADDR, _NEWROUTE = 16, 20, 24
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 10, 18, 28
_INFO_KIND, _INFO_DATA = 1, 2
_VETH_PEER: Final = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_NO_DAD: Final = 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_UP: Final = 1

_TABLE_MAIN, _TABLE_LOCAL = 254, 255
_PROTOCOL_BOOT: Final = 3
_SCOPE_UNIVERSE, _SCOPE_HOST = 0, 254
_UNICAST, _LOCAL = 1, 2


class Netlink:
    """A blocking rtnetlink socket of the network namespace in which it is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def add_bridge(self, name: str, mac: bytes) -> None:
        """A bridge, up, with a hardware address that its ports do not change."""
        info = _text(_INFO_KIND, "bridge")
        attributes = _text(_IFLA_IFNAME, name) + _attribute(_IFLA_ADDRESS, mac) + _attribute(_IFLA_LINKINFO, info)
        self._ask(_NEWLINK, _CREATE | _EXCLUSIVE, _link(flags=_UP) + attributes, f"add bridge {name}")

    def add_veth(self, name: str, bridge: int, peer: str, peer_mac: bytes, peer_namespace: int) -> None:
        """A pair of links: `name` here, up and a port of that bridge; `peer` in the namespace of that descriptor.

        The bridge is given by its index, since names are looked up in the namespace of the caller.
        """
        inner = _link() + _text(_IFLA_IFNAME, peer) + _attribute(_IFLA_ADDRESS, peer_mac)
        inner += _number(_IFLA_NET_NS_FD, peer_namespace)
        info = _text(_INFO_KIND, "veth") + _attribute(_INFO_DATA, _attribute(_VETH_PEER, inner))
        attributes = _text(_IFLA_IFNAME, name) + _number(_IFLA_MASTER, bridge)
        attributes += _attribute(_IFLA_LINKINFO, info)
        self._ask(_NEWLINK, _CREATE | _EXCLUSIVE, _link(flags=_UP) + attributes, f"add link {name}")

    def set_up(self, name: str) -> None:
        """Bring a link up."""
        self._ask(_NEWLINK, 0, _link(index=socket.if_nametoindex(name), flags=_UP), f"bring {name} up")

    def add_address(self, name: str, address: str, prefix: int) -> None:
        """Give a link an address; an IPv6 one serves at once, as nobody else can have it."""
        family, packed = _packed(address)
        header = struct.pack("BBBBi", family, prefix, _NO_DAD, _SCOPE_UNIVERSE, socket.if_nametoindex(name))
        attributes = _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        self._ask(_NEWADDR, _CREATE | _EXCLUSIVE, header + attributes, f"add {address}/{prefix} to {name}")

    def add_default_route(self, gateway: str) -> None:
        """Send what has no other route to `gateway`."""
        family, packed = _packed(gateway)
        header = struct.pack("BBBBBBBBI", family, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _UNICAST, 0)
        attributes = _attribute(_RTA_GATEWAY, packed)
        self._ask(_NEWROUTE, _CREATE | _EXCLUSIVE, header + attributes, f"add default route via {gateway}")

    def add_local_network(self, network: str, prefix: int) -> None:
        """Every address of the network is one of this namespace's own."""
        family, packed = _packed(network)
        header = struct.pack("BBBBBBBBI", family, prefix, 0, 0, _TABLE_LOCAL, _PROTOCOL_BOOT, _SCOPE_HOST, _LOCAL, 0)
        attributes = _attribute(_RTA_DST, packed) + _number(_RTA_OIF, socket.if_nametoindex("lo"))
        self._ask(_NEWROUTE, _CREATE | _EXCLUSIVE, header + attributes, f"make {network}/{prefix} local")

    def _ask(self, kind: int, flags: int, body: bytes, what: str) -> None:
        self._sequence += 1
        header = struct.pack("IHHII", 16 + len(body), kind, flags | _REQUEST | _ACK, self._sequence, 0)
        self._socket.sendall(header + body)
        answer = self._socket.recv(65536)
        answer_kind, code = struct.unpack_from("H", answer, 4)[0], struct.unpack_from("i", answer, 16)[0]
        if answer_kind != _NLMSG_ERROR:
            raise OSError(f"{what}: unexpected answer of kind {answer_kind} from the kernel")
        if code:
            raise OSError(-code, f"{what}: {os.strerror(-code)}")


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def _link(*, index: int = 0, flags: int = 0) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def _attribute(kind: int, value: bytes) -> bytes:
    size = 4 + len(value)
    return struct.pack("HH", size, kind) + value + bytes(-size % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("I", value))


def mac_of(address: str) -> bytes:
    """The hardware address of an IPv4 address: the same again when the address is used again, so no cache is stale."""
    return b"\x0a\x58" + socket.inet_aton(address)
