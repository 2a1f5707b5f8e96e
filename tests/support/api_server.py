"""A served store whose pods are plain processes of this machine, for tests of the API server and of its clients."""

import asyncio
import fcntl
import json
import os
import socket
import termios
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from lateen.config.objects import ObjectRef, Origin
from lateen.local_runtime.api.pod_access import PodUnavailable
from lateen.local_runtime.api.server import ApiServer
from lateen.local_runtime.objects.store import ObjectStore

Json = dict[str, Any]


class ProcessPods:
    """Runs what is executed as a child process, and finds logs in a directory as `<pod>.<container>[.previous]`."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: list[asyncio.subprocess.Process] = []

    def log_path(self, ref: ObjectRef, container: str, previous: bool) -> Path:
        if container == "never":
            raise PodUnavailable(f"container {container} of pod {ref.name} has not started")
        return self.logs / f"{ref.name}.{container}{'.previous' if previous else ''}"

    async def execute(
        self, ref: ObjectRef, container: str, argv: list[str], tty: bool, stdin: int, stdout: int, stderr: int
    ) -> int:
        if container == "never":
            raise PodUnavailable(f"container {container} of pod {ref.name} is not running")

        def own_terminal() -> None:
            os.setsid()
            if tty:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        child = await asyncio.create_subprocess_exec(
            *argv, stdin=stdin, stdout=stdout, stderr=stderr, preexec_fn=own_terminal
        )
        self.children.append(child)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        return code if code >= 0 else 128 - code

    def socket(self, ref: ObjectRef, family: socket.AddressFamily, type: socket.SocketKind) -> socket.socket:
        if ref.name != "web":
            raise PodUnavailable(f"pod {ref.name} is not running")
        made = socket.socket(family, type)
        made.setblocking(False)
        return made


class Page(NamedTuple):
    status: int
    content_type: str
    text: str


class FixedProgram:
    """Its problems are `later_problems` once it has settled."""

    def __init__(self) -> None:
        self.told_to_stop = False
        self.problems: list[str] = []
        self.later_problems: list[str] = []
        self.proxies: list[Json] = [{"proxy": "web.default"}]

    async def info(self) -> Json:
        return {
            "pid": 7,
            "version": "0.0.1",
            "published": ["http://127.0.0.1:8080"],
            "refused": [],
            "problems": self.problems,
        }

    async def settled(self) -> None:
        self.problems = self.later_problems

    async def page(self, path: str, query: str) -> Page:
        if path != "/debug/syncz":
            return Page(404, "text/plain", f"there is no page {path} for {query!r}\n")
        return Page(200, "application/json", json.dumps(self.proxies))

    def shut_down(self) -> None:
        self.told_to_stop = True


class Served:
    """What a test needs of one running server."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "api.sock"
        self.store = ObjectStore()
        self.pods = ProcessPods(directory)
        self.program = FixedProgram()
        self.server = ApiServer(self.store, self.pods, self.program)

    def put(self, raw: Json) -> Json:
        return self.store.put(raw, origin=Origin("test")).raw

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(path=str(self.path)))


def web_pod() -> Json:
    """A pod of two containers and an init container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "initContainers": [{"name": "setup", "image": "app"}],
            "containers": [
                {"name": "app", "image": "app", "ports": [{"containerPort": 9080}]},
                {"name": "never", "image": "app"},
            ],
        },
    }
