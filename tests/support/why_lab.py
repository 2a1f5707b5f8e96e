"""A pod and a peer in network namespaces of their own, and where each connection between them really lands.

Long-lived helpers in each namespace connect and listen, so that one connection costs no process.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

POD, PEER, ELSEWHERE = "198.18.0.5", "198.18.0.6", "203.0.113.9"
POD6, PEER6, ELSEWHERE6 = "2001:db8::5", "2001:db8::6", "2001:db8:9::9"
APPLICATION_PORTS = (22, 53, 80, 8080, 9090, 15008, 15020)
PROXY_PORTS = (15001, 15006, 15053)

SERVER = """
import json, selectors, socket, struct, sys
ready = selectors.DefaultSelector()
def listen(family, kind, port):
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_IP if family == socket.AF_INET else 41, 19 if family == socket.AF_INET else 75, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(41, socket.IPV6_V6ONLY, 1)
    listener.bind(("", port))
    if kind == socket.SOCK_STREAM:
        listener.listen()
    ready.register(listener, selectors.EVENT_READ, port)
for port in map(int, sys.argv[2:]):
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            listen(family, kind, port)
def original(connection):
    try:
        if connection.family == socket.AF_INET:
            found = connection.getsockopt(socket.SOL_IP, 80, 16)
            return [socket.inet_ntop(socket.AF_INET, found[4:8]), struct.unpack_from("!H", found, 2)[0]]
        found = connection.getsockopt(41, 80, 28)
        return [socket.inet_ntop(socket.AF_INET6, found[8:24]), struct.unpack_from("!H", found, 2)[0]]
    except OSError:
        return list(connection.getsockname()[:2])
while True:
    for key, _ in ready.select():
        told = {"who": sys.argv[1], "port": key.data}
        if key.fileobj.type == socket.SOCK_DGRAM:
            told["nonce"] = key.fileobj.recv(100).decode()
        else:
            connection, _ = key.fileobj.accept()
            with connection:
                connection.settimeout(1)
                told["asked"] = original(connection)
                told["translated"] = told["asked"] != list(connection.getsockname()[:2])
                try:
                    told["nonce"] = connection.recv(100).decode()
                except OSError:
                    continue
        print(json.dumps(told), flush=True)
"""

CLIENT = """
import json, os, socket, sys, time
for line in sys.stdin:
    order = json.loads(line)
    os.setegid(order["gid"]); os.seteuid(order["uid"])
    family = socket.AF_INET6 if ":" in order["to"] else socket.AF_INET
    kind = socket.SOCK_STREAM if order["transport"] == "tcp" else socket.SOCK_DGRAM
    client = socket.socket(family, kind)
    os.seteuid(0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, order["mark"])
    os.seteuid(0); os.setegid(0)
    problem = None
    with client:
        try:
            client.settimeout(0.8)
            client.bind((order["source"], order["source_port"]))
            client.connect((order["to"], order["port"]))
            client.sendall(order["nonce"].encode())
        except OSError as error:
            problem = str(error)
            time.sleep(0.02)
    print(json.dumps({"problem": problem}), flush=True)
"""


class Order(NamedTuple):
    """One connection of a process in the pod, or from the peer; an empty source is the kernel's choice."""

    inside: bool
    transport: str
    to: str
    port: int
    source: str = ""
    uid: int = 0
    gid: int = 0
    mark: int = 0


class Tracked(NamedTuple):
    """What connection tracking of the pod keeps of a connection; zone 0 is the usual one."""

    zone: int = 0
    mark: int = 0


class Arrival(NamedTuple):
    """Which listener took a connection, where the client wanted to go and whether that was translated (not for UDP)."""

    who: str
    port: int
    asked: tuple[str, int] | None = None
    translated: bool | None = None


class WhyLab:
    """Two joined namespaces with their helpers; `programs` of the pod's namespace for what lists rules."""

    def __init__(self, pids: Sequence[int], arrivals: int, clients: Sequence[Any]) -> None:
        self.pids, self.arrivals, self.clients = pids, arrivals, clients
        self.told = b""
        self.nonce = 0

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        """A program in the pod's namespace; its output."""
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.pids[0]}/ns/net", *argv],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (argv, done.stderr, lines)
        return done.stdout

    def has(self, program: str) -> bool:
        return os.access(f"/usr/sbin/{program}", os.X_OK)

    def source_port(self) -> int:
        """Of the next connection; no two share one, so that connection tracking confuses none."""
        return 20000 + (self.nonce + 1) % 12000

    def connect(self, order: Order) -> Arrival | str:
        """Where the connection landed, or what went wrong for the client."""
        source_port = self.source_port()
        self.nonce += 1
        client = self.clients[0 if order.inside else 1]
        client.stdin.write(json.dumps({**order._asdict(), "source_port": source_port, "nonce": str(self.nonce)}) + "\n")
        client.stdin.flush()
        problem = json.loads(client.stdout.readline())["problem"]
        while problem is None and (told := self.next_arrival()):
            if told["nonce"] == str(self.nonce):
                asked = told.get("asked")
                return Arrival(told["who"], told["port"], tuple(asked) if asked else None, told.get("translated"))
        return problem or "nothing arrived"

    def tracked(self, source_port: int) -> Tracked:
        """The connection of that source port, also where it is not tracked."""
        for line in Path(f"/proc/{self.pids[0]}/net/nf_conntrack").read_text().splitlines():
            original, _, rest = line.partition(" dport=")
            if original.endswith(f" sport={source_port}"):
                fields = dict(word.split("=", 1) for word in rest.split() if "=" in word)
                return Tracked(int(fields.get("zone", 0)), int(fields.get("mark", 0)))
        return Tracked()

    def await_connections(self) -> None:
        """Until listeners listen and neighbours know each other, both ways and in both families."""
        for to in (PEER, PEER6, ELSEWHERE, ELSEWHERE6):
            back, source = (POD6, ELSEWHERE6) if ":" in to else (POD, ELSEWHERE)
            for order in (Order(True, "tcp", to, 80), Order(False, "tcp", back, 80, source)):
                assert any(isinstance(self.connect(order), Arrival) for _ in range(100)), order

    def next_arrival(self) -> dict[str, Any] | None:
        """What one of the servers tells next; None when they have been silent for a second."""
        while b"\n" not in self.told:
            if not select.select([self.arrivals], [], [], 1)[0]:
                return None
            self.told += os.read(self.arrivals, 65536)
        line, _, self.told = self.told.partition(b"\n")
        arrival: dict[str, Any] = json.loads(line)
        return arrival


@contextmanager
def why_lab() -> Iterator[WhyLab]:
    """The lab for as long as the context lasts."""
    processes: list[subprocess.Popen[Any]] = []

    def start(*argv: str) -> subprocess.Popen[Any]:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        processes.append(process)
        return process

    def helper(pid: int, code: str, *arguments: str, output: int = subprocess.PIPE) -> Any:
        argv = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", code, *arguments]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=output, text=True, bufsize=1)
        processes.append(process)
        return process

    arrivals, told = os.pipe()
    try:
        pids = []
        for _ in range(2):
            holder = start("unshare", "--net", "sh", "-c", "echo; exec sleep 3600")
            assert holder.stdout is not None
            assert holder.stdout.read(1) == b"\n"
            pids.append(holder.pid)
        _join(pids)
        ports = [str(port) for port in (*APPLICATION_PORTS, *PROXY_PORTS)]
        for pid, who in zip(pids, ("pod", "peer"), strict=True):
            helper(pid, SERVER, who, *ports, output=told)
        lab = WhyLab(pids, arrivals, [helper(pid, CLIENT) for pid in pids])
        lab.await_connections()
        yield lab
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        os.close(arrivals)
        os.close(told)


def _join(pids: Sequence[int]) -> None:
    def ip(pid: int, *argv: str) -> None:
        subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *argv], check=True)

    pod, peer = pids
    ip(pod, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(peer))
    for pid, addresses in ((pod, (f"{POD}/24", f"{POD6}/64")), (peer, (f"{PEER}/24", f"{PEER6}/64"))):
        ip(pid, "link", "set", "lo", "up")
        for address in addresses:
            ip(pid, "address", "add", address, "dev", "eth0", *(("nodad",) if ":" in address else ()))
        ip(pid, "link", "set", "eth0", "up")
    ip(peer, "address", "add", f"{ELSEWHERE}/32", "dev", "lo")
    ip(peer, "-6", "address", "add", f"{ELSEWHERE6}/128", "dev", "lo", "nodad")
    ip(pod, "route", "add", "default", "via", PEER)
    ip(pod, "-6", "route", "add", "default", "via", PEER6)
    ip(pod, "-6", "address", "add", "::6/128", "dev", "lo", "nodad")
    for version in ("-4", "-6"):
        ip(pod, version, "rule", "add", "fwmark", "1337", "lookup", "133")
        ip(pod, version, "route", "add", "local", "default", "dev", "lo", "table", "133")
