"""The self-test: a connection that only the rules can bring to the proxy's port, and the answer that proves it did."""

import socket
import struct
from selectors import EVENT_READ, DefaultSelector
from time import monotonic

from lateen.iptables.errors import NotReadyError
from lateen.iptables.options import Options
from lateen.iptables.validate import port_number

_SO_ORIGINAL_DST = 80


def check(options: Options, ipv6: bool) -> None:
    """Connects to an address that nothing serves until a listener on a capture port has seen it.

    Raises `NotReadyError` when that has not happened within the options' probe timeout.
    """
    local, probed = ("::1", "::6") if ipv6 else ("127.0.0.1", "127.0.0.6")
    ports = (port_number(options.proxy_port), port_number(options.inbound_capture_port))
    listeners = [listener for port in ports if (listener := _listen(local, port, ipv6)) is not None]
    try:
        if not listeners:
            raise NotReadyError(
                f"the self-test can listen on {local} neither at port {options.proxy_port} "
                f"nor at port {options.inbound_capture_port}"
            )
        deadline = monotonic() + options.probe_timeout_seconds
        while (left := deadline - monotonic()) > 0:
            if _attempt(listeners, local, (probed, options.probe_port), ipv6, min(left, 1.0)):
                return
    finally:
        for listener in listeners:
            listener.close()
    raise NotReadyError(
        f"workload is not ready for Istio: a connection to {probed} port {options.probe_port} "
        f"was not captured within {options.probe_timeout_seconds:g} seconds"
    )


def _listen(address: str, port: int, ipv6: bool) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, port))
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener


def _attempt(listeners: list[socket.socket], source: str, target: tuple[str, int], ipv6: bool, seconds: float) -> bool:
    """One connection, waited for at most so long; whether it arrived with its target's port as original destination."""
    with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET) as client, DefaultSelector() as ready:
        client.setblocking(False)
        client.bind((source, 0))
        client.connect_ex(target)
        for listener in listeners:
            ready.register(listener, EVENT_READ, listener)
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            for key, _ in ready.select(left):
                if _answered(key.data, ipv6) == target[1]:
                    return True
    return False


def _answered(listener: socket.socket, ipv6: bool) -> int:
    """The port that the next connection was made to, which its client is told; 0 for one that is gone already."""
    try:
        with listener.accept()[0] as connection:
            port = _original_port(connection, ipv6)
            connection.sendall(str(port).encode())
            return port
    except OSError:
        return 0


def _original_port(connection: socket.socket, ipv6: bool) -> int:
    level = socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP
    port: int = struct.unpack_from("!H", connection.getsockopt(level, _SO_ORIGINAL_DST, 28), 2)[0]
    return port
