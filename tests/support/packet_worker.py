"""Processes of the packet lab: each lives in one network namespace and takes orders, a JSON value a line, on its input.

serve NAME UID PORT …   listens for TCP and UDP and tells each client where it arrived; `15006t` is transparent
connect                 makes one connection per order, as any user, and says what it heard
program                 runs the init program with the arguments and variables of the order
"""

import contextlib
import ctypes
import io
import json
import os
import selectors
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TRANSPARENT = {socket.AF_INET: (socket.SOL_IP, 19), socket.AF_INET6: (socket.IPPROTO_IPV6, 75)}
_ORIGINAL = {socket.AF_INET: (socket.SOL_IP, 80, "!2xH4s"), socket.AF_INET6: (socket.IPPROTO_IPV6, 80, "!2xH4x16s")}
_PACKET_INFO = {socket.AF_INET: (socket.SOL_IP, 8), socket.AF_INET6: (socket.IPPROTO_IPV6, 49)}
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


@contextlib.contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Sockets made meanwhile belong to this user and group."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def orders(answer: Any) -> None:
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def serve(name: str, uid: int, ports: Sequence[str]) -> None:
    ready = selectors.DefaultSelector()
    for port in ports:
        for family in _ANY:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                listener = _listener(family, kind, int(port.rstrip("t")), uid, transparent=port.endswith("t"))
                ready.register(listener, selectors.EVENT_READ, (name, int(port.rstrip("t"))))
    threading.Thread(target=orders, args=(lambda _: None,), daemon=True).start()
    os.setegid(uid)
    os.seteuid(uid)
    while True:
        for key, _ in ready.select():
            listener, (name, port) = key.fileobj, key.data
            assert isinstance(listener, socket.socket)
            if listener.type == socket.SOCK_DGRAM:
                _, to, _, source = listener.recvmsg(100, 100)
                # The answer comes from the address that was asked, as that of every real server does.
                listener.sendmsg([json.dumps([f"{name}:{port}", None, source[0], None]).encode()], _back(to), 0, source)
                continue
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                here = list(connection.getsockname()[:2])
                told = [f"{name}:{port}", _asked(connection) or here, connection.getpeername()[0], here]
                connection.sendall(json.dumps(told).encode())


def _listener(family: int, kind: int, port: int, uid: int, transparent: bool) -> socket.socket:
    with acting_as(uid, uid):
        listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_DGRAM:
        listener.setsockopt(*_PACKET_INFO[socket.AddressFamily(family)], 1)
    if transparent:
        listener.setsockopt(*_TRANSPARENT[socket.AddressFamily(family)], 1)
    listener.bind((_ANY[socket.AddressFamily(family)], port))
    if kind == socket.SOCK_STREAM:
        listener.listen(64)
    return listener


def _back(received: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """What was received with a packet, for its answer: the local address; by which interface is the kernel's choice."""
    return [
        (level, kind, bytes(4) + data[4:] if level == socket.SOL_IP else data[:16] + bytes(4))
        for level, kind, data in received
    ]


def _asked(connection: socket.socket) -> list[Any] | None:
    """Where the client wanted to go, as far as the kernel keeps track of the connection."""
    level, option, layout = _ORIGINAL[socket.AddressFamily(connection.family)]
    try:
        asked, packed = struct.unpack_from(layout, connection.getsockopt(level, option, 28))
    except OSError:
        return None
    return [socket.inet_ntop(connection.family, packed), asked]


def connect(order: Mapping[str, Any]) -> Any:
    """What the client hears, or the name of the error."""
    family = socket.AF_INET6 if ":" in order["address"] else socket.AF_INET
    kind = socket.SOCK_STREAM if order["transport"] == "tcp" else socket.SOCK_DGRAM
    with acting_as(order["uid"], order["gid"]):
        connection = socket.socket(family, kind)
    with connection:
        connection.settimeout(order["seconds"])
        if order["mark"]:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, order["mark"])
        if order["source"]:
            connection.setsockopt(*_TRANSPARENT[family], 1)
            connection.bind((order["source"], order["source_port"]))
        try:
            connection.connect((order["address"], order["port"]))
            if kind == socket.SOCK_DGRAM:
                connection.send(b"?")
            return json.loads(connection.recv(200) or b'["closed", null, null, null]')
        except OSError as error:
            return ["nothing", type(error).__name__, None, None]


def program() -> None:
    from lateen.iptables.__main__ import main

    def run(order: Mapping[str, Any]) -> Any:
        said, printed = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
            code = main(order["argv"], {**os.environ, **order["environ"]})
        return [code, said.getvalue(), printed.getvalue()]

    orders(run)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, 9)  # ends with the process that started it, whatever ends that
    role, *words = sys.argv[1:]
    match role:
        case "serve":
            serve(words[0], int(words[1]), words[2:])
        case "connect":
            orders(connect)
        case "program":
            program()
