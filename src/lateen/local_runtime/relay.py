"""Published ports: a TCP relay from a port of this machine into the mesh namespace."""

from collections.abc import Awaitable, Callable
from typing import Self

from lateen.local_runtime.network import MeshNetwork

ChooseTarget = Callable[[], Awaitable[tuple[str, int] | None]]


class Relay:
    """One published port; every connection asks anew where to go."""

    host: str
    port: int

    @classmethod
    async def listen(cls, mesh: MeshNetwork, host: str, port: int, target: ChooseTarget) -> Self:
        """Listen on host:port (0: any free one); PortInUse names the owner where it can be seen.

        `target` gives (ip, port) inside the mesh, or None to reset the connection.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Stop listening and end the connections."""
        raise NotImplementedError
