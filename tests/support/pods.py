"""Pods on fakes: processes, sandboxes, a network and a clock that do what a test says."""

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from signal import SIGKILL

from lateen.config.objects import ObjectRef
from lateen.local_runtime.errors import StartError
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.pods.container_life import Clock
from lateen.local_runtime.pods.environment import Host
from lateen.local_runtime.pods.images import Catalogue, Image
from lateen.local_runtime.pods.pods import Pods
from lateen.local_runtime.pods.worker import Machine

REF = ObjectRef("", "Pod", "default", "p")


class FakeClock:
    """Time that passes when a test says so; whoever sleeps is seen."""

    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self._sleeping = []

    def now(self):
        return self.time

    async def sleep(self, seconds):
        if seconds <= 0:
            return
        waking = asyncio.get_running_loop().create_future()
        self._sleeping.append((self.time + timedelta(seconds=seconds), waking))
        await waking

    async def advance(self, seconds):
        """Let time pass, second by second or finer, as sleepers wake."""
        end = self.time + timedelta(seconds=seconds)
        while True:
            await settle()
            self._sleeping = [(when, waking) for when, waking in self._sleeping if not waking.done()]
            due = [when for when, _ in self._sleeping if when <= end]
            if not due:
                break
            self.time = min(due)
            for when, waking in self._sleeping:
                if when <= self.time and not waking.done():
                    waking.set_result(None)
        self.time = end


async def settle():
    """Let everything happen that needs no time."""
    for _ in range(50):
        await asyncio.sleep(0)


class FakeProcess:
    def __init__(self, spec, stubborn):
        self.spec = spec
        self.signals = []
        self._stubborn = stubborn
        self._ended = asyncio.get_running_loop().create_future()

    def end(self, code):
        if not self._ended.done():
            self._ended.set_result(code)

    @property
    def exit_code(self):
        return self._ended.result() if self._ended.done() else None

    def ended(self, tell):
        """Call `tell` when the process has ended."""
        self._ended.add_done_callback(lambda _: tell())

    async def wait(self):
        return await asyncio.shield(self._ended)

    def signal(self, number):
        self.signals.append(number)
        if number == SIGKILL or not self._stubborn:
            self.end(128 + number)


class FakeSandbox:
    def __init__(self, sandboxes):
        self._sandboxes = sandboxes
        self.closed = False

    async def start(self, spec, stdout_fd):
        if spec.argv[0] == "missing":
            raise StartError('exec: "missing": executable file not found in $PATH')
        os.write(stdout_fd, b"started\n")
        process = FakeProcess(spec, spec.argv[0] == "stubborn")
        await self._sandboxes.started.put(process)
        return process

    async def execute(self, _container, argv, *, stdout_fd):
        os.write(stdout_fd, b"done\n")
        self._sandboxes.executed.append(argv)
        command = FakeProcess(None, False)
        answer = self._sandboxes.exit_codes.get(argv[0], 0)
        if answer is not None:
            command.end(answer)
        self._sandboxes.commands[argv[0]] = command
        return command

    async def close(self):
        self.closed = True


class FakeNetwork:
    """Connections succeed once `reachable` is set; each attempt is announced."""

    def __init__(self):
        self.reachable = False
        self.attempts = asyncio.Queue()

    async def connect(self, host, port):
        self.attempts.put_nowait((host, port))
        if not self.reachable:
            raise ConnectionRefusedError
        return FakeConnection()


class FakeConnection:
    def close(self):
        pass


class FakeSandboxes:
    def __init__(self):
        self.started = asyncio.Queue()
        self.made = []
        self.executed = []
        self.commands = {}
        self.exit_codes = {}
        """By the command's first word: its exit code, None for one that goes on."""
        self.network = FakeNetwork()

    async def create_pod(self, name, namespace, hostname, ip):
        self.made.append((name, namespace, hostname, ip))
        self.sandbox = FakeSandbox(self)
        return self.sandbox


class Mesh:
    """Pods on fakes, the objects they refer to, and every status in the order reported."""

    def __init__(self, group, directory):
        self.sandboxes = FakeSandboxes()
        self.clock = FakeClock()
        self.objects = {}
        self.notices = Notices()
        self.statuses = []
        self._changed = asyncio.Condition()
        self._group = group
        machine = Machine(
            sandboxes=self.sandboxes,
            catalogue=Catalogue([{"app": Image(entrypoint=("app",)), "agent": Image(entrypoint=("agent",))}]),
            lookup=lambda kind, namespace, name: self.objects.get((kind, namespace, name)),
            host=Host(2, 1 << 30),
            pods_directory=directory,
            control_socket=directory / "xds.sock",
            notices=self.notices,
            clock=Clock(self.clock.now, self.clock.sleep),
        )
        self.avoided = asyncio.Event()
        """Nobody is sent to pods that are to end."""
        self.avoided.set()
        self.pods = Pods(machine, group, self._report, self.avoided.wait)

    def _report(self, _ref, _uid, status):
        self.statuses.append(status)
        self._group.create_task(self._announce())

    async def _announce(self):
        async with self._changed:
            self._changed.notify_all()

    @property
    def status(self):
        return self.statuses[-1]

    def state(self, name):
        every = self.status.get("initContainerStatuses", []) + self.status["containerStatuses"]
        return next(s for s in every if s["name"] == name)

    async def until(self, condition):
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: self.statuses and condition(self))

    async def started(self):
        async with asyncio.timeout(5):
            return await self.sandboxes.started.get()


@asynccontextmanager
async def running(directory):
    async with asyncio.TaskGroup() as group:
        mesh = Mesh(group, directory)
        yield mesh
        await mesh.pods.close(0)


def pod(init=(), restart_policy="Always", volumes=(), **container):
    containers = [{"name": "main", "image": "app", **container}]
    spec = {"containers": containers, "restartPolicy": restart_policy, "volumes": list(volumes)}
    if init:
        spec["initContainers"] = [{"name": name, "image": "app", "command": [name]} for name in init]
    return {"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": spec}
