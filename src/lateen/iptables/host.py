"""What the program finds out about the host before it plans: addresses, name servers, and who the proxy runs as."""

import socket
import struct
from collections.abc import Iterator, Sequence
from pwd import getpwnam

from lateen.common.resolv_conf import name_servers
from lateen.iptables.errors import ConfigurationError
from lateen.iptables.options import Options
from lateen.iptables.planner import Host

_RTM_GETADDR, _RTM_NEWADDR = 22, 20
_NLM_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2


def detect(options: Options, resolv_conf: str = "/etc/resolv.conf") -> Host:
    """The facts for one run, in this process's network namespace. Raises `ConfigurationError` where one is missing."""
    addresses = usable_addresses(interface_addresses())
    wants_servers = options.redirect_dns and not options.capture_all_dns
    servers = _name_servers(resolv_conf) if wants_servers else ()
    uids = options.proxy_uids or (_user_id(options.envoy_user),)
    return Host(
        ipv6=any(":" in address for address in (addresses if options.dual_stack else addresses[:1])),
        address=addresses[0],
        dns_v4=tuple(server for server in servers if ":" not in server),
        dns_v6=tuple(server for server in servers if ":" in server),
        proxy_uids=uids,
        proxy_gids=options.proxy_gids or uids,
    )


def usable_addresses(addresses: Sequence[str]) -> Sequence[str]:
    """Those that are neither loopback nor link-local, of which the first is the host's; having none is an error."""
    usable = [address for address in addresses if not _is_local(address)]
    if not usable:
        raise ConfigurationError(
            "no valid local IP address found: the network namespace needs an address besides loopback and link-local"
        )
    return usable


def _is_local(address: str) -> bool:
    if ":" in address:
        return address == "::1" or address[:3] in ("fe8", "fe9", "fea", "feb") or address.startswith("ff02:")
    return address.startswith(("127.", "169.254.", "224.0.0."))


def interface_addresses() -> tuple[str, ...]:
    """The addresses of all interfaces, in the kernel's order: IPv4 before IPv6."""
    request = struct.pack("=IHHIIB7x", 24, _RTM_GETADDR, _NLM_REQUEST_DUMP, 1, 0, socket.AF_UNSPEC)
    found: list[str] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(5)
        netlink.bind((0, 0))
        netlink.send(request)
        while True:
            for kind, payload in _messages(netlink.recv(65536)):
                if kind == _RTM_NEWADDR:
                    found += _address(payload)
                elif kind == _NLMSG_DONE:
                    return tuple(found)
                elif kind == _NLMSG_ERROR:
                    raise ConfigurationError("the kernel refused to list interface addresses")


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def _address(payload: bytes) -> list[str]:
    """The address of one message: the local one where it differs from the peer's."""
    family, attributes, values = payload[0], payload[8:], dict[int, bytes]()
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        values[kind] = attributes[4:length]
        attributes = attributes[(length + 3) & ~3 :]
    packed = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    return [socket.inet_ntop(family, packed)] if packed and family in (socket.AF_INET, socket.AF_INET6) else []


def _name_servers(resolv_conf: str) -> tuple[str, ...]:
    try:
        with open(resolv_conf) as file:  # noqa: PTH123 (pathlib costs every pod 4 ms)
            text = file.read()
    except OSError as error:
        raise ConfigurationError(
            f"--redirect-dns needs the name servers, and {resolv_conf}: {error.strerror}"
        ) from None
    return tuple(server for server in name_servers(text) if _is_address(server))


def _is_address(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        return False
    return True


def _user_id(name: str) -> str:
    try:
        return str(getpwnam(name).pw_uid)
    except KeyError:
        return "1337"
