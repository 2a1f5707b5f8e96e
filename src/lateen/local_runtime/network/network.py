"""The mesh network of this machine: one anonymous network namespace with a bridge to which every pod is joined.

Addresses: pods 198.18.0.0/16, the bridge (their default gateway) 198.18.0.1, service VIPs 198.19.0.0/16 (local to the
mesh namespace, so an unknown one is refused at once), each with an IPv6 twin (`address_plan.py`); DNS 198.19.0.10.
Nothing of the host's network changes, and nothing in the mesh reaches beyond this machine. The launcher lives in the
namespace and keeps it.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence
from socket import AF_INET, SOCK_STREAM, AddressFamily, SocketKind
from socket import socket as Socket
from typing import Protocol

from lateen.local_runtime.errors import ServiceRulesError, StartError
from lateen.local_runtime.network.address_plan import DNS_ADDRESS as DNS_ADDRESS
from lateen.local_runtime.network.address_plan import GATEWAY as GATEWAY
from lateen.local_runtime.network.address_plan import POD_NETWORK as POD_NETWORK
from lateen.local_runtime.network.address_plan import VIP_NETWORK as VIP_NETWORK
from lateen.local_runtime.network.address_plan import has_ipv6
from lateen.local_runtime.network.namespace import NetworkNamespace
from lateen.local_runtime.network.service_rules import ServiceRule, nft_tables
from lateen.local_runtime.sandbox.launcher import Launcher
from lateen.local_runtime.sandbox.launcher_messages import RunTool


class HasNetworkNamespace(Protocol):
    """What sockets can be made in, besides the mesh itself: a pod sandbox."""

    @property
    def network_namespace(self) -> NetworkNamespace:
        """The namespace."""
        ...


class MeshNetwork:
    """The mesh's network namespace, as the supervisor reaches into it."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._namespace = NetworkNamespace.of_process(launcher.pid)
        self._rules = asyncio.Lock()
        self._applied = ""

    def socket(
        self,
        family: AddressFamily = AF_INET,
        type: SocketKind = SOCK_STREAM,
        *,
        inside: HasNetworkNamespace | None = None,
    ) -> Socket:
        """A non-blocking socket of the mesh namespace, or of a pod's; it stays there wherever it is used."""
        return (inside.network_namespace if inside else self._namespace).socket(family, type)

    async def connect(self, host: str, port: int, *, inside: HasNetworkNamespace | None = None) -> Socket:
        """A connected TCP socket (non-blocking) from inside the mesh namespace or a pod; OSError as connect() gives."""
        made = self.socket(inside=inside)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:
            made.close()
            raise
        return made

    async def apply_services(self, services: Iterable[ServiceRule]) -> None:
        """Replace the service VIPs of the kernel (see service_rules.py) in one step; equal rules cost nothing."""
        text = nft_tables(services, ipv6=has_ipv6())
        async with self._rules:
            if text == self._applied:
                return
            code, output = await self.run(("nft", "-f", "-"), text.encode())
            if code:
                raise ServiceRulesError(f"nft refused the service rules: {output.strip()}")
            self._applied = text

    async def run(self, argv: Sequence[str], stdin: bytes = b"") -> tuple[int, str]:
        """Run a program of this machine inside the mesh namespace: exit code, and all it printed."""
        with contextlib.ExitStack() as open_files:
            given, printed = (open_files.enter_context(os.fdopen(os.memfd_create("tool"), "w+b")) for _ in range(2))
            given.write(stdin)
            given.seek(0)
            request = RunTool(self._launcher.new_id(), tuple(argv))
            try:
                child = await self._launcher.launch(request, (given.fileno(), printed.fileno(), printed.fileno()))
            except StartError as error:
                raise ServiceRulesError(str(error)) from None
            code = await asyncio.shield(child.ended)
            printed.seek(0)
            return code, printed.read().decode(errors="replace")

    def close(self) -> None:
        """Let go of the namespace."""
        self._namespace.close()
