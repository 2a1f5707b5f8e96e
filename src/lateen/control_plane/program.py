"""The control plane as a program of its own: from settings to its orderly end.

A source feeds it (`FromFiles`, `HandedOver`), proxies are served over gRPC, and people and probes over HTTP. SIGTERM,
SIGINT or the end of the source ends it: no new streams, the present ones told to go elsewhere, then exit.
"""

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from lateen.control_plane.app import ControlPlane
from lateen.control_plane.certificates import ServerCertificate
from lateen.control_plane.errors import CannotStart
from lateen.control_plane.from_files import FromFiles
from lateen.control_plane.handed_over import HandedOver
from lateen.control_plane.http_server import HttpServer
from lateen.control_plane.injector import Injector
from lateen.control_plane.news import News
from lateen.control_plane.settings import Settings
from lateen.control_plane.webhook_server import WebhookServer
from lateen.xds.listening import Address, InheritedSocket, Listener, TcpAddress
from lateen.xds.port_owner import by_whom

_log = logging.getLogger(__name__)

_GOODBYE: Final = "the control plane is shutting down"


async def run(settings: Settings) -> None:
    """Serve until told to stop. Raises `CannotStart`."""
    injector = Injector(settings.injection) if settings.https is not None else None
    control_plane = ControlPlane(engine=settings.engine, injector=injector)
    http = HttpServer(control_plane)
    webhook = None if injector is None else WebhookServer(injector, lambda: control_plane.ready)
    certificate = None if settings.tls is None else ServerCertificate(settings.tls)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _told_to_stop, loop, stop)
    try:
        control_plane.start()
        chores = await _fed(settings.source, control_plane)
        if certificate is not None:
            await _listen_securely(settings, certificate, control_plane, webhook)
            chores.append(certificate.follow)
        await _listen(settings, control_plane, http)  # now that clients can be answered
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(chore()) for chore in chores]
            tasks[0].add_done_callback(lambda _: stop.set())
            await stop.wait()
            for task in tasks:
                task.cancel()
    finally:
        if webhook is not None:
            await webhook.close()
        await control_plane.close()
        await http.close()


async def _fed(
    source: Path | InheritedSocket, control_plane: ControlPlane
) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """Read everything there is from the source. What is to run from then on; the first ends with the source."""
    match source:
        case Path():
            files = FromFiles(source, control_plane)
            await files.read()
            return [files.follow, News(control_plane, files.origin).run]
        case InheritedSocket(descriptor):
            objects = HandedOver(socket.socket(fileno=descriptor), control_plane)
            await objects.read()
            return [objects.follow]


def _told_to_stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The first signal asks for an orderly end; the second one, unhandled, ends the program at once."""
    _log.info("%s", _GOODBYE)
    stop.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


async def _listen(settings: Settings, control_plane: ControlPlane, http: HttpServer) -> None:
    for address in settings.grpc:
        await _bound("grpcAddr", address, control_plane.listen(address), "proxies, in plain text")
    if settings.http is not None:
        await _bound("httpAddr", settings.http, http.listen(settings.http), "readiness, metrics and debug pages")
    if settings.monitoring is not None:
        await _bound("monitoringAddr", settings.monitoring, http.listen(settings.monitoring), "metrics and version")


async def _listen_securely(
    settings: Settings, certificate: ServerCertificate, control_plane: ControlPlane, webhook: WebhookServer | None
) -> None:
    if settings.secure_grpc is not None:
        listening = control_plane.listen(settings.secure_grpc, certificate.for_proxies())
        await _bound("secureGRPCAddr", settings.secure_grpc, listening, "proxies, over TLS")
    if settings.https is not None and webhook is not None:
        listening = webhook.listen(settings.https, certificate.for_anyone())
        await _bound("httpsAddr", settings.https, listening, "the injection webhook")


async def _bound(flag: str, address: Address, listening: Coroutine[Any, Any, Listener], what: str) -> None:
    try:
        listener = await listening
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        owner = by_whom(address.port) if in_use and isinstance(address, TcpAddress) else ""
        raise CannotStart(f"--{flag}: cannot listen at {address}: {_said(error)}{owner}") from error
    _log.info("%s: listening for %s", listener.address, what)


def _said(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # event loops write the address into the error's own text once more
    return error.strerror or str(error)
