"""Drives the clients of `xds_clients.c`: builds them with the machine's compiler, commands them, and reads."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec
from envoy.config.core.v3.base_pb2 import Extension, Node

from lateen.xds.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE

SOURCES = tuple(Path(__file__).with_name(name) for name in ("xds_clients.c", "xds_connection.c", "xds_transport.c"))
HEADER = Path(__file__).with_name("xds_connection.h")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lateen" / "benchmarks"
TYPES = (CLUSTER, ENDPOINT, LISTENER, ROUTE)
"""In the program's order."""
_RECORD = struct.Struct("=QIHH")
_ENVOY_EXTENSIONS = 516
"""As many as Envoy 1.40 lists in its first request, which makes it 61 kB long."""


class NoCompiler(Exception):
    """The clients cannot be built here; the message says what is missing."""


def build(tls: bool = False) -> Path:
    """The program, compiled anew only if a source has changed. Raises `NoCompiler`."""
    options = ("-DTLS", "-lssl", "-lcrypto") if tls else ()
    content = b"".join((*(path.read_bytes() for path in (*SOURCES, HEADER)), *map(str.encode, options)))
    program = CACHE / f"xds_clients-{hashlib.sha256(content).hexdigest()[:16]}"
    if program.exists():
        return program
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NoCompiler("no C compiler: install one (Debian: apt-get install gcc libc6-dev), or set CC")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        fresh = Path(directory) / "program"
        command = [compiler, "-O2", "-o", fresh, *SOURCES, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "openssl/ssl.h" in done.stderr or "-lssl" in done.stderr:
            raise NoCompiler("no OpenSSL to compile with: install it (Debian: apt-get install libssl-dev)")
        if done.returncode:
            raise NoCompiler(f"{compiler} cannot compile the clients: {done.stderr.strip()[:500]}")
        fresh.rename(program)
    return program


class Seen(msgspec.Struct):
    """What the clients saw since the mark. By client, `arrivals` are the times of its responses and their resources."""

    arrivals: dict[int, list[tuple[int, int]]]
    ended: int
    bytes: int
    cpu_us: int
    timed_out: bool

    @property
    def responses(self) -> int:
        return sum(map(len, self.arrivals.values()))

    def nth_resources(self, count: int) -> list[list[int]]:
        """When each client had `count` resources, twice as many, and so on, in ns."""
        found: list[list[int]] = []
        for came in self.arrivals.values():
            had = turn = 0
            for ns, resources in came:
                had += resources
                while had >= count * (turn + 1):
                    if len(found) == turn:
                        found.append([])
                    found[turn].append(ns)
                    turn += 1
        return found

    def last(self, since_ns: int) -> list[float]:
        """How long after that moment each client had its last response, ascending, in ms."""
        return sorted((came[-1][0] - since_ns) / 1e6 for came in self.arrivals.values())


class Clients:
    """The running program. `address` is of xds_transport.c's; `ids`: a node id for each client there may be."""

    def __init__(self, address: str, variant: str, groups: int, ids: Sequence[str], routes: Sequence[str]) -> None:
        self._files = tempfile.TemporaryDirectory(prefix="lateen-bench-")
        node, listed = Path(self._files.name) / "node", Path(self._files.name) / "ids"
        node.write_bytes(_node())
        listed.write_text("\n".join(ids) + "\n")
        command = [build(address.startswith("tls:")), address, variant, str(groups), node, listed, ",".join(routes)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._files.cleanup()

    def open(self, count: int, *, mute: bool = False) -> None:
        """Connect so many more clients; mute ones ask for everything and never read."""
        self._do(f"open {count} {int(mute)}")

    def reconnect(self) -> None:
        """Close all clients that read, and connect them anew with what they hold."""
        self._do("again")

    def mark(self) -> None:
        """Forget what was seen so far."""
        self._do("mark")

    def wait(self, type_url: str, clients: int, timeout_s: float = 60.0) -> Seen:
        """What was seen since the mark, once so many clients have had a response of the type."""
        return self._do(f"wait {TYPES.index(type_url)} 1 {clients} {int(timeout_s * 1000)}")

    def seen(self) -> Seen:
        """What was seen since the mark."""
        return self._do("wait 0 0 0 0")

    def _do(self, command: str) -> Seen:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        head = self._process.stdout.readline()
        if not head:
            raise RuntimeError(f"the clients have gone, exit code {self._process.wait()}")
        found = json.loads(head)
        records = self._process.stdout.read(found["records"] * _RECORD.size)
        arrivals: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for ns, client, _type, resources in _RECORD.iter_unpack(records):
            arrivals[client].append((ns, resources))
        return Seen(arrivals, found["ended"], found["bytes"], found["cpu_us"], found["timed_out"])


def _node() -> bytes:
    """What a sidecar says of itself besides its id, about as much as a real Envoy."""
    node = Node(user_agent_name="envoy", cluster="app.default")
    node.metadata.update(
        {
            "CLUSTER_ID": "Kubernetes",
            "ISTIO_VERSION": "1.30.0",
            "LABELS": {"app": "client", "version": "v1", "pod-template-hash": "5d8c9f7b6"},
            "MESH_ID": "cluster.local",
            "SERVICE_ACCOUNT": "default",
            "WORKLOAD_NAME": "client",
        }
    )
    name = "envoy.filters.http.number_{:03}"
    for i in range(_ENVOY_EXTENSIONS):
        kind = f"envoy.extensions.filters.http.number_{i:03}.v3.FilterConfig"
        node.extensions.append(Extension(name=name.format(i), category="envoy.filters.http", type_urls=[kind]))
    return node.SerializeToString()
