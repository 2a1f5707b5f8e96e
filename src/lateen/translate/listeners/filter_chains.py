"""Parts that listeners of every kind are made of: addresses, TCP proxies, filter chains, listener filters."""

from collections.abc import Iterable

from envoy.config.core.v3.address_pb2 import Address, SocketAddress
from envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, FilterChainMatch, ListenerFilter
from envoy.config.listener.v3.listener_pb2 import AdditionalAddress, Listener
from envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector
from envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from envoy.extensions.filters.listener.original_src.v3.original_src_pb2 import OriginalSrc
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from google.protobuf.wrappers_pb2 import UInt32Value

from lateen.config.values import Duration
from lateen.model.mesh import Mesh
from lateen.translate.access_logs import request_logs
from lateen.translate.messages import duration, packed

PLAINTEXT_HTTP = ("http/1.1", "h2c")
"""What the HTTP inspector calls requests that come without TLS."""

_HANDSHAKE_TIMEOUT = Duration(seconds=15)

HTTP_INSPECTOR = ListenerFilter(name="envoy.filters.listener.http_inspector", typed_config=packed(HttpInspector()))
ORIGINAL_DESTINATION = ListenerFilter(name="envoy.filters.listener.original_dst", typed_config=packed(OriginalDst()))


_TPROXY_MARK = 1337
"""By it the kernel's rules know what goes on to the application. Source: the contract of istio-iptables."""

ORIGINAL_SOURCE = ListenerFilter(
    name="envoy.filters.listener.original_src", typed_config=packed(OriginalSrc(mark=_TPROXY_MARK))
)


def socket_address(address: str, port: int, protocol: SocketAddress.Protocol.ValueType = SocketAddress.TCP) -> Address:
    return Address(socket_address=SocketAddress(protocol=protocol, address=address, port_value=port))


def listen_at(
    listener: Listener,
    addresses: Iterable[str],
    port: int,
    protocol: SocketAddress.Protocol.ValueType = SocketAddress.TCP,
) -> None:
    """Give the listener its addresses: the first one, by which it is known, and others beside it."""
    first, *others = (socket_address(address, port, protocol) for address in addresses)
    listener.address.CopyFrom(first)
    listener.additional_addresses.extend(AdditionalAddress(address=other) for other in others)


def tcp_proxy(mesh: Mesh, cluster: str) -> Filter:
    """A proxy of whole connections to one cluster, and counted by its name."""
    config = TcpProxy(stat_prefix=cluster, cluster=cluster, access_log=request_logs(mesh))
    return Filter(name="envoy.filters.network.tcp_proxy", typed_config=packed(config))


def filter_chain(
    filters: Iterable[Filter],
    *,
    name: str = "",
    port: int | None = None,
    transport: str = "",
    applications: Iterable[str] = (),
) -> FilterChain:
    """A chain for connections to the port, by transport protocol and application protocols; by default for all."""
    chain = FilterChain(name=name, filters=filters, transport_socket_connect_timeout=duration(_HANDSHAKE_TIMEOUT))
    match = FilterChainMatch(transport_protocol=transport, application_protocols=applications)
    if port is not None:
        match.destination_port.CopyFrom(UInt32Value(value=port))
    if match.ByteSize():
        chain.filter_chain_match.CopyFrom(match)
    return chain
