"""A mesh that a test runs: `lateen up` in front, in a directory of its own, gone when the test's process is gone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import yaml

from lateen.local_runtime.api.client import ApiClient, ApiFailure, NotRunning, object_path

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE = 30.0
LATEEN = (sys.executable, "-P", "-m", "lateen.cli")
IN_FRONT = "stop it with: Ctrl-C"


def eventually(look: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """The first answer that is neither None nor false; what cannot be looked at yet is asked again."""
    deadline = time.monotonic() + seconds
    trouble: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
            trouble = None
        except (OSError, LookupError, ValueError, NotRunning, ApiFailure, AssertionError) as error:
            trouble = error
        time.sleep(0.03)
    raise AssertionError(f"it did not come about in {seconds:g} s; last: {trouble!r}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_manifest(path: Path, *objects: Json | str) -> Path:
    """Write objects, or YAML texts, to a file as one change."""
    texts = [each if isinstance(each, str) else yaml.safe_dump(each, sort_keys=False) for each in objects]
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text("\n---\n".join(texts))
    return fresh.rename(path)


class Answer(msgspec.Struct, frozen=True):
    """What came back for a request through the gateway; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


class LocalMesh:
    """One `lateen up`, its commands, its API and its gateway."""

    def __init__(self, directory: Path, *paths: Path, images: Sequence[Path] = (), program: Sequence[str] = LATEEN):
        self.directory = directory
        self.state = directory / "state"
        self.port = free_port()
        self.api = ApiClient(self.state / "api.sock")
        self.program = tuple(program)
        self.environment = {**os.environ, "LATEEN_STATE_DIR": str(self.state)}
        self._shown = directory / "shown"
        catalogues = [word for file in images for word in ("--images", str(file))]
        # Whoever ends this process, even by SIGKILL, ends the mesh: the kernel kills the command in front of it, and a
        # mesh ends with its command.
        bound = ("setpriv", "--pdeathsig", "KILL")
        with self._shown.open("wb") as shown:
            self.process = subprocess.Popen(
                (*bound, *self.program, "up", *map(str, paths), *catalogues, "--publish", str(self.port)),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=shown,
                stderr=subprocess.STDOUT,
                cwd="/",
            )

    def shown(self) -> str:
        """All that `lateen up` has shown so far."""
        return self._shown.read_text()

    def await_start(self) -> None:
        """Return when `lateen up` has nothing left to wait for: every pod is ready, or has failed."""

        def started() -> bool:
            assert self.process.poll() is None, f"lateen up ended:\n{self.shown()}"
            return IN_FRONT in self.shown()

        deadline = time.monotonic() + 2 * PATIENCE
        while not started():
            assert time.monotonic() < deadline, f"lateen up is not done:\n{self.shown()}"
            time.sleep(0.03)

    def run(self, command: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a lateen command on this mesh."""
        return subprocess.run(
            (*self.program, command, *arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            input=given,
            timeout=2 * PATIENCE,
            check=False,
        )

    def told(self, command: str, *arguments: str, given: str | None = None) -> str:
        """What a lateen command that succeeds writes."""
        done = self.run(command, *arguments, given=given)
        assert done.returncode == 0, f"lateen {command} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a lateen command whose streams are pipes."""
        pipe = subprocess.PIPE
        argv = (*self.program, command, *arguments)
        return subprocess.Popen(argv, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def supervisor(self) -> int:
        return int((self.state / "lock").read_text())

    def problems(self) -> list[str]:
        """What is not in force, and what is and will not do what its author meant."""
        info = self.api.get("/lateen/v1/info")
        return [str(text) for text in (*info["refused"], *info["problems"])]

    def pods(self, prefix: str, namespace: str = "default") -> list[Json]:
        found: list[Json] = self.api.get(object_path("v1", "pods", namespace))["items"]
        return [pod for pod in found if pod["metadata"]["name"].startswith(prefix)]

    def pod(self, prefix: str, namespace: str = "default") -> Json:
        (found,) = self.pods(prefix, namespace)
        return found

    def pod_name(self, prefix: str, namespace: str = "default") -> str:
        return str(self.pod(prefix, namespace)["metadata"]["name"])

    def pod_ip(self, prefix: str, namespace: str = "default") -> str:
        return str(self.pod(prefix, namespace)["status"]["podIP"])

    def log(self, pod: str, container: str, namespace: str = "default") -> str:
        """A container's log; `pod` is the beginning of a name."""
        path = object_path("v1", "pods", namespace, self.pod_name(pod, namespace), "log")
        return b"".join(self.api.stream(path, {"container": container})).decode()

    def inside(self, pod: str, port: int, path: str, namespace: str = "default", **query: str) -> Json:
        """The JSON that a program of a pod answers on 127.0.0.1; `pod` is the beginning of a name."""
        target = object_path("v1", "pods", namespace, f"{self.pod_name(pod, namespace)}:{port}", "proxy")
        return self.api.get(f"{target}{path}" + (f"?{urlencode(query)}" if query else ""))

    def envoy(self, pod: str, path: str, namespace: str = "default") -> Json:
        """What the Envoy of a pod answers on its admin port."""
        return self.inside(pod, 15000, path, namespace)

    def request(
        self, path: str, method: str = "GET", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request through the published port."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            text = answer.read().decode()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def stop(self) -> None:
        """Take the mesh down, whatever state it is in."""
        self.api.close()
        if self.process.poll() is None:
            self.process.terminate() if not self._is_up() else self.run("down")
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_up(self) -> bool:
        return (self.state / "api.sock").exists()
