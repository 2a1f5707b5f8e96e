"""What the API server needs of whoever runs the pods: their logs, a command inside one, a socket in its network."""

import socket
from pathlib import Path
from typing import Protocol

from lateen.config.objects import ObjectRef


class PodUnavailable(Exception):
    """A pod or container that cannot be reached as asked; the message is for the person who asked."""


class PodAccess(Protocol):
    """Reaches into running pods. `ref` names a Pod object; `container` one of its containers or init containers.

    Each raises `PodUnavailable` where there is no such pod or container, or it is not running (or never ran).
    """

    def log_path(self, ref: ObjectRef, container: str, previous: bool) -> Path:
        """The file that holds what the container wrote to stdout and stderr, as it wrote it; it grows while it runs.

        `previous` asks for the run before the last restart.
        """
        ...

    async def execute(
        self, ref: ObjectRef, container: str, argv: list[str], tty: bool, stdin: int, stdout: int, stderr: int
    ) -> int:
        """Run a command in the container's namespaces, as its user, and return its exit code (128 + n for signal n).

        The descriptors are the caller's, who closes them afterwards. With `tty` all three are one terminal that becomes
        the command's controlling terminal. Cancelling kills the command.
        """
        ...

    def socket(self, ref: ObjectRef, family: socket.AddressFamily, type: socket.SocketKind) -> socket.socket:
        """A new, non-blocking socket in the pod's network namespace."""
        ...
