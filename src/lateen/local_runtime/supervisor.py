"""The local mesh put together: the only file of the runtime that knows every part of it.

Start: lock, requirements and catalogues, so that what can be wrong is said before anything runs; then launcher, mesh
network and control plane at the same time; then the objects, and with them the pods, each as soon as it is known.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

import lateen
from lateen.config.kinds.gateway import Gateway
from lateen.config.objects import ObjectRef
from lateen.local_runtime import preflight
from lateen.local_runtime.api.server import ApiServer
from lateen.local_runtime.control_plane import ControlPlane, NoAnswer, listening
from lateen.local_runtime.controllers.analysis import AnalysisController
from lateen.local_runtime.controllers.defaults import DefaultsController
from lateen.local_runtime.controllers.loop import Controllers
from lateen.local_runtime.controllers.pods import PodController
from lateen.local_runtime.controllers.services import NameController, ServiceController
from lateen.local_runtime.controllers.workloads import WorkloadController
from lateen.local_runtime.errors import LauncherLost, ServiceRulesError
from lateen.local_runtime.feed import Feed
from lateen.local_runtime.manifests import Manifests, check_paths
from lateen.local_runtime.network.address_plan import has_ipv6
from lateen.local_runtime.network.dns import DnsServer, Zone
from lateen.local_runtime.network.network import MeshNetwork
from lateen.local_runtime.network.relay import Relay
from lateen.local_runtime.network.service_rules import ServiceRule
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import ObjectStore
from lateen.local_runtime.plan.published import DEFAULT, Publish, gateway_pods, leads_nowhere
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.pods import images
from lateen.local_runtime.pods.commands import write_commands
from lateen.local_runtime.pods.container_life import Clock
from lateen.local_runtime.pods.environment import Host
from lateen.local_runtime.pods.injection import LocalInjector
from lateen.local_runtime.pods.pods import Pods
from lateen.local_runtime.pods.status import timestamp
from lateen.local_runtime.pods.worker import Machine
from lateen.local_runtime.sandbox.sandbox import Sandboxes
from lateen.local_runtime.state_directory import StateDirectory
from lateen.local_runtime.users import Users
from lateen.sources.handover import Page, Remark, Remarks

_ACKNOWLEDGED_S: Final = 1.0
"""How long whoever changed something waits for the proxies' answers; one that is starting may take longer."""

_PARTING_S: Final = 5.0
"""How long a pod that is to end is kept for proxies that still send requests to it, or may for all that is known."""

_GRACE: Final = 1.0
"""Seconds that pods have when the whole mesh goes down: nobody is left to be served."""


class SupervisorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `lateen up` was asked for; of the catalogue files in `images` a later one wins."""

    paths: tuple[Path, ...]
    images: tuple[Path, ...] = ()
    publish: tuple[Publish, ...] = DEFAULT
    state: StateDirectory
    users: Users


class Supervisor:
    """One local mesh, from `run` to its end; also what the API server asks about the program."""

    def __init__(self, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._notices = Notices()
        self._control_plane = ControlPlane(self._notices)
        self._refused = Notices()
        """What was written and is not in force."""
        self._remarks = Notices()
        """What keeps nothing from working."""
        self._store = ObjectStore()
        self._started = datetime.now(UTC)
        self._parting: asyncio.Task[None] | None = None
        """Waits until proxies avoid pods that end, and has not asked yet."""
        self._stop = asyncio.Event()
        self._at_work: Callable[[], bool] = lambda: False
        """Controllers have something to do, or the control plane is to hear of something."""

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run the mesh until it is told to stop. `on_ready` is called once the API answers and pods are starting.

        Raises `LocalRuntimeError` or `InvalidCatalogue` before anything has started, `LauncherLost` when the launcher
        died and took the pods with it.
        """
        state = self._settings.state
        lock = state.acquire()
        try:
            state.sweep()
            check_paths(self._settings.paths)
            preflight.check(self._settings.users)
            self._remarks.replace("users", self._settings.users.remarks())
            catalogue = images.load(self._settings.images)
            sandboxes = Sandboxes(state.root)
            try:
                with self._signals():
                    await sandboxes.start()
                    with listening(state.xds_socket, sandboxes.network) as sockets:
                        await self._control_plane.start(sockets)
                        await self._live(sandboxes, catalogue, on_ready)
            finally:
                await self._control_plane.close()
                await sandboxes.close()
        finally:
            state.sweep()
            lock.release()

    def shut_down(self) -> None:
        """Begin to take the mesh down; returns at once."""
        self._stop.set()

    async def info(self) -> Json:
        """See `api.server.Program`."""
        try:
            remarks = await self._control_plane.remarks()
        except NoAnswer:
            remarks = Remarks()
        return {
            "pid": os.getpid(),
            "controlPlane": {"pid": self._control_plane.pid, "restarts": self._control_plane.restarts},
            "version": lateen.__version__,
            "mode": self._settings.users.mode,
            "started": timestamp(self._started),
            "published": [publish.url for publish in self._settings.publish],
            "refused": [*self._refused, *map(self._placed, remarks.refused)],
            "problems": [*self._notices, *map(self._placed, remarks.problems)],
            "notices": [*self._remarks, *self._unheard()],
        }

    def _unheard(self) -> Iterator[str]:
        """Published addresses at which nobody answers yet."""
        gateways = (stored.raw for stored in self._store.list(Gateway.GROUP, Gateway.KIND))
        if leads_nowhere(gateways, (stored.raw for stored in self._store.list("", "Pod"))):
            for publish in self._settings.publish:
                yield f"{publish.url}: there is no Gateway yet, so connections are closed"

    def _placed(self, remark: Remark) -> str:
        """A remark with where its object was written."""
        stored = self._store.get(remark.ref)
        return f"{stored.origin}: {remark.text}" if stored else remark.text

    async def settled(self) -> None:
        """See `api.server.Program`."""
        await self._handed_over()
        with contextlib.suppress(NoAnswer):  # it gets everything when it is back
            await self._control_plane.settled(_ACKNOWLEDGED_S)

    async def _handed_over(self) -> None:
        while self._at_work():  # noqa: ASYNC110  a few turns of the loop are all it takes
            await asyncio.sleep(0)

    def _avoided(self) -> Awaitable[None]:
        """Return once proxies send nothing more to pods that end by now, or that has been waited for long enough."""
        if self._parting is None:
            self._parting = asyncio.create_task(self._part(), name="pods that end")
        return asyncio.shield(self._parting)

    async def _part(self) -> None:
        """Asked once for all pods that end together."""
        await self._handed_over()
        self._parting = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING_S):
                await self._control_plane.heeded(_ACKNOWLEDGED_S)

    async def page(self, path: str, query: str) -> Page:
        """See `api.server.Program`."""
        return await self._control_plane.page(path, query)

    async def _live(self, sandboxes: Sandboxes, catalogue: images.Catalogue, on_ready: Callable[[], None]) -> None:
        store = self._store
        network = sandboxes.network
        dns = DnsServer(network, Zone({}))
        rules = _KernelRules(network, self._notices)
        relays = await self._publish(network, store)
        await dns.start()
        lost = False
        async with asyncio.TaskGroup() as group:
            pods, controllers = self._controllers(store, dns, rules, sandboxes, catalogue, group)
            feed = Feed(store, self._control_plane)
            manifests = Manifests(self._settings.paths, store, self._refused, self._remarks)
            manifests.read()
            controllers.start()
            feed.start()
            self._at_work = lambda: controllers.busy or feed.busy
            server = ApiServer(store, pods, self)
            await server.serve(self._settings.state.api_socket)
            chores = [group.create_task(chore) for chore in (manifests.watch(), rules.run(), pods.bound_logs())]
            on_ready()
            lost = await self._told_to_stop(sandboxes)
            controllers.close()
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*(relay.close() for relay in relays))
            await pods.close(_GRACE)
            await server.close()
            feed.close()
        await dns.close()
        if lost:
            raise LauncherLost("the launcher of the pods has died, and all pods with it; see the supervisor's log")

    def _controllers(
        self,
        store: ObjectStore,
        dns: DnsServer,
        rules: "_KernelRules",
        sandboxes: Sandboxes,
        catalogue: images.Catalogue,
        group: asyncio.TaskGroup,
    ) -> tuple[Pods, Controllers]:
        def set_zone(zone: Zone) -> None:
            dns.zone = zone

        machine = self._machine(sandboxes, catalogue)
        if not machine.ipv6:
            self._remarks.add(
                "IPv6", "this kernel has no IPv6: Services and pods have IPv4 addresses, whatever they ask"
            )
        write_commands(machine.commands_directory)
        pods = Pods(machine, group, lambda ref, uid, status: runner.report(ref, uid, status), self._avoided)
        injector = LocalInjector(
            store, native_nftables=shutil.which("nft") is not None, marks_proxy=self._settings.users.one
        )
        runner = PodController(store, pods, injector, self._notices, lambda: controllers.wake())
        controllers = Controllers(
            store,
            (
                DefaultsController(store, self._notices),
                ServiceController(store, ipv6=machine.ipv6),
                WorkloadController(store, pods, injector, self._notices, _LoopClock(), lambda: controllers.wake()),
                runner,
                AnalysisController(store, self._notices),
                NameController(store, set_zone, rules.publish),
            ),
        )
        return pods, controllers

    def _machine(self, sandboxes: Sandboxes, catalogue: images.Catalogue) -> Machine:
        def lookup(kind: str, namespace: str, name: str) -> Json | None:
            stored = self._store.get(ObjectRef("", kind, namespace, name))
            return None if stored is None else stored.raw

        return Machine(
            sandboxes=sandboxes,
            catalogue=catalogue,
            lookup=lookup,
            host=_this_host(self._settings.users),
            pods_directory=self._settings.state.pods,
            control_socket=self._settings.state.xds_socket,
            notices=self._notices,
            ipv6=has_ipv6(),
            clock=Clock(_now),
        )

    async def _publish(self, network: MeshNetwork, store: ObjectStore) -> Sequence[Relay]:
        relays: list[Relay] = []
        try:
            for publish in self._settings.publish:
                target = _gateway_of(store, publish)
                relays.append(await Relay.listen(network, publish.address, publish.port, target))
        except BaseException:
            await asyncio.gather(*(relay.close() for relay in relays))
            raise
        return relays

    async def _told_to_stop(self, sandboxes: Sandboxes) -> bool:
        """Wait for the end; whether it is because the pods were lost."""
        told = asyncio.ensure_future(self._stop.wait())
        lost = asyncio.ensure_future(sandboxes.lost())
        done, waiting = await asyncio.wait((told, lost), return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        return told not in done

    def _signals(self) -> ExitStack:
        """While it is open, SIGTERM and SIGINT take the mesh down in order."""
        loop, stack = asyncio.get_running_loop(), ExitStack()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.shut_down)
            stack.callback(loop.remove_signal_handler, number)
        return stack


class _LoopClock:
    """This machine's time, and the event loop's timers."""

    def now(self) -> datetime:
        return _now()

    def later(self, seconds: float, call: Callable[[], None]) -> object:
        return asyncio.get_running_loop().call_later(seconds, call)


class _KernelRules:
    """Brings the latest service rules into the kernel, one change after another."""

    def __init__(self, network: MeshNetwork, notices: Notices) -> None:
        self._network = network
        self._notices = notices
        self._wanted: Sequence[ServiceRule] = ()
        self._changed = asyncio.Event()

    def publish(self, rules: Sequence[ServiceRule]) -> None:
        self._wanted = rules
        self._changed.set()

    async def run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._network.apply_services(self._wanted)
                self._notices.clear("services")
            except ServiceRulesError as error:
                self._notices.replace("services", [f"Services are not reachable without a sidecar: {error}"])


def _gateway_of(store: ObjectStore, publish: Publish) -> Callable[[], Coroutine[Any, Any, tuple[str, int] | None]]:
    """Chooses where a connection to a published port goes; ready gateways take turns."""
    turn = 0

    async def choose() -> tuple[str, int] | None:
        nonlocal turn
        gateways = [stored.raw for stored in store.list("networking.istio.io", "Gateway")]
        addresses = gateway_pods(gateways, (stored.raw for stored in store.list("", "Pod")))
        turn += 1
        return (addresses[turn % len(addresses)], publish.target) if addresses else None

    return choose


def _this_host(users: Users) -> Host:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Host(cpus=os.cpu_count() or 1, memory_bytes=memory, users=users)


def _now() -> datetime:
    return datetime.now(UTC)
