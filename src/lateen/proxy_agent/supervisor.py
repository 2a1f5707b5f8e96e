"""Envoy's life from the moment it was started: status served, shutdown drained, its exit code passed on."""

import asyncio
import os
import signal
from typing import NamedTuple

from lateen.envoy.admin import Admin
from lateen.envoy.errors import AdminError
from lateen.envoy.process import EnvoyProcess
from lateen.proxy_agent.errors import AgentError
from lateen.proxy_agent.http_server import HttpServer
from lateen.proxy_agent.log import Log
from lateen.proxy_agent.metrics import Metrics, Scrape
from lateen.proxy_agent.readiness import Readiness
from lateen.proxy_agent.status import ProbeSettings, Status

_KILL_SECONDS = 5.0
"""How long an Envoy that was told to end may take."""


class DrainPolicy(NamedTuple):
    """How a shutdown treats connections."""

    seconds: float
    """How long connections may go on; 0 ends them at once."""
    until_idle: bool = False
    """Instead wait until no connection is active, but at least `minimum_seconds`."""
    minimum_seconds: float = 5.0
    inbound_only: bool = True
    """Only connections from outside are asked to end; the application may still call others."""


class Settings(NamedTuple):
    """All that a supervisor is told."""

    admin_host: str
    admin_port: int
    status_host: str | None
    status_port: int
    own_ports: frozenset[int]
    """Ports of Envoy whose connections do not count as traffic."""
    drain: DrainPolicy
    probes: ProbeSettings
    scrapes: tuple[Scrape, ...]
    application_host: str
    metrics_local_only: bool
    started: float
    """Monotonic seconds at which the agent began."""


class Supervisor:
    """Lives as long as its Envoy. The first SIGTERM or SIGINT drains and ends Envoy, the second ends it at once."""

    def __init__(self, envoy: EnvoyProcess, settings: Settings, log: Log) -> None:
        self._envoy = envoy
        self._settings = settings
        self._log = log
        self._admin = Admin(settings.admin_host, settings.admin_port)
        self._metrics = Metrics(self._admin.target, settings.scrapes, settings.application_host, settings.started, log)
        self._readiness = Readiness(self._admin, self._became_ready)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ended = asyncio.Event()

    async def run(self) -> int:
        """Envoy's exit code: 128 + the number of a signal that ended it. Raises `AgentError` for a taken port."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._envoy.pidfd, self._envoy_ended)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        status = Status(
            self._readiness,
            self._metrics,
            self._settings.probes,
            drain=self._drain_only,
            quit=self._stop.set,
            metrics_local_only=self._settings.metrics_local_only,
        )
        server = HttpServer(status.answer, self._log.error)
        try:
            await self._listen(server)
            async with asyncio.TaskGroup() as tasks:
                ready = tasks.create_task(self._readiness.wait())
                await _first_of(self._ended, self._stop)
                ready.cancel()
            if not self._ended.is_set():
                await self._shut_down()
        finally:
            server.close()
            await self._end_envoy()
        return self._envoy.reap()

    async def _listen(self, server: HttpServer) -> None:
        try:
            await server.start(self._settings.status_host, self._settings.status_port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise AgentError(f"cannot serve the status port {self._settings.status_port}: {reason}") from error

    def _became_ready(self) -> None:
        self._log.info(f"Envoy proxy is ready, {self._metrics.ready():.2f} s after the agent's start")

    def _envoy_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._envoy.pidfd)
        self._ended.set()

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._log.info(f"got {number.name}")
        self._stop.set()

    async def _shut_down(self) -> None:
        self._readiness.drain()
        policy = self._settings.drain
        if not self._readiness.was_ready or (policy.seconds <= 0 and not policy.until_idle):
            return
        try:
            await self._admin.fail_healthcheck()
            await self._admin.drain_listeners(inbound_only=policy.inbound_only, keep_listening=policy.until_idle)
        except AdminError as error:
            self._log.warn(f"draining failed: {error}")
            return
        if policy.until_idle:
            await self._wait_until_idle(policy.minimum_seconds)
        else:
            self._log.info(f"draining for {policy.seconds:g} s")
            await self._pause(policy.seconds)

    async def _wait_until_idle(self, minimum_seconds: float) -> None:
        self._log.info(f"draining for at least {minimum_seconds:g} s, until no connection is active")
        await self._pause(minimum_seconds)
        while not self._ended.is_set() and not self._hurry.is_set():
            try:
                active = await self._admin.active_connections(self._settings.own_ports)
            except AdminError as error:
                self._log.warn(f"active connections are unknown: {error}")
                return
            if active == 0:
                return
            self._log.debug(f"connections still active: {active}")
            await self._pause(1.0)

    async def _pause(self, seconds: float) -> None:
        """Waits, or less when Envoy ends or somebody is in a hurry."""
        try:
            async with asyncio.timeout(seconds):
                await _first_of(self._ended, self._hurry)
        except TimeoutError:
            pass

    async def _end_envoy(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._ended.is_set():
                return
            self._envoy.send(number)
            try:
                async with asyncio.timeout(_KILL_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                self._log.warn(f"Envoy did not end within {_KILL_SECONDS:g} s of {number.name}")

    async def _drain_only(self) -> None:
        """For a hook that runs before the end of the pod: connections drain, Envoy goes on."""
        try:
            await self._admin.drain_listeners(inbound_only=self._settings.drain.inbound_only, keep_listening=True)
        except AdminError as error:
            self._log.warn(f"draining failed: {error}")


async def _first_of(*events: asyncio.Event) -> None:
    """Returns when one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
