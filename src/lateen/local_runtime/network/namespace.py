"""A network namespace that this process holds, and sockets made in it.

A socket belongs to the namespace it was made in wherever it is used later, so the asyncio loop of the supervisor
serves and connects inside namespaces that it never lives in.
"""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

from lateen.local_runtime.sandbox import syscalls

_GOES_INSIDE: Final = ThreadPoolExecutor(1, "inside")
"""The one thread that enters namespaces. Without root there is no way back to the host's, so it stays inside."""


class NetworkNamespace:
    """A descriptor of a namespace; the namespace stays until it is closed."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def of_process(cls, pid: int) -> Self:
        """The namespace a process lives in."""
        return cls(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY))

    def socket(self, family: socket.AddressFamily, type: socket.SocketKind) -> socket.socket:
        """A non-blocking socket inside. It is waited for: two system calls of another thread."""
        return _GOES_INSIDE.submit(_make_socket, self.descriptor, family, type).result()

    def close(self) -> None:
        """Let go of it; closing again does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _make_socket(namespace: int, family: socket.AddressFamily, type: socket.SocketKind) -> socket.socket:
    syscalls.setns(namespace, syscalls.CLONE_NEWNET)
    return socket.socket(family, type | socket.SOCK_NONBLOCK)
