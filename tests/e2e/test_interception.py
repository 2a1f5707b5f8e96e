"""Interception with packets: two network namespaces joined by a cable, and who really answers each connection."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

COMMAND = ["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*"]
COMMAND += ["-d", "15090,15021,15020", "--log_output_level=default:info"]
POD, PEER, ELSEWHERE = "198.18.0.5", "198.18.0.6", "203.0.113.9"

SERVER = """
import selectors, socket, struct, sys
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    ready.register(socket.create_server(("0.0.0.0", port)), selectors.EVENT_READ, port)
print("listening", flush=True)
while True:
    for key, _ in ready.select():
        connection, _ = key.fileobj.accept()
        with connection:
            try:
                asked, = struct.unpack_from("!H", connection.getsockopt(0, 80, 16), 2)
            except OSError:
                asked = key.data
            connection.sendall(f"{key.data} for {asked}".encode())
"""
CLIENT = """
import os, socket, sys
os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
with socket.socket() as connection:
    connection.settimeout(2)
    connection.connect((sys.argv[1], int(sys.argv[2])))
    print(connection.recv(100).decode())
"""
SELF_TEST = """
import os, sys
from lateen.iptables import self_test
from lateen.iptables.options import parse
from lateen.iptables.errors import NotReadyError
os.setgid(1337); os.setuid(1337)
try:
    self_test.check(parse(["-p", "16001", "-z", sys.argv[1], "--probe-timeout", "300ms"], {}), ipv6=False)
    print("ready")
except NotReadyError as error:
    print(error)
"""


@dataclass(frozen=True)
class Namespace:
    """A network namespace that lives as long as its holder process."""

    pid: int

    def command(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *argv]

    def run(self, *argv: str, environ: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            self.command(*argv), capture_output=True, text=True, check=False, env={**os.environ, **(environ or {})}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def connect(self, address: str, port: int, uid: int = 1000) -> str:
        """What a process of this user hears when it connects: the port that answered, and the one it asked for."""
        return self.run(sys.executable, "-c", CLIENT, address, str(port), str(uid)).strip()


@dataclass(frozen=True)
class Pod:
    """One pod with listeners where the proxy and the application would be, and a peer outside it."""

    inside: Namespace
    outside: Namespace
    native: bool

    def interception(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.inside.command(sys.executable, "-m", "lateen.iptables", *COMMAND, *flags),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "NATIVE_NFTABLES": str(self.native).lower()},
        )

    def rules(self) -> Sequence[str]:
        """All rules of the pod, counters and comments left out."""
        listing = self.inside.run("nft", "-s", "list", "ruleset") if self.native else self.inside.run("iptables-save")
        return [line for line in listing.splitlines() if not line.startswith(("#", ":"))]


def _hold(processes: list[subprocess.Popen[str]]) -> Namespace:
    argv = ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 600"]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    processes.append(holder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    return Namespace(holder.pid)


def _serve(namespace: Namespace, processes: list[subprocess.Popen[str]], *ports: int) -> None:
    argv = namespace.command(sys.executable, "-c", SERVER, *map(str, ports))
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    processes.append(server)
    assert server.stdout is not None
    assert server.stdout.readline() == "listening\n"


@pytest.fixture(params=["nft", "iptables"])
def pod(request: pytest.FixtureRequest) -> Iterator[Pod]:
    processes: list[subprocess.Popen[str]] = []
    try:
        inside, outside = _hold(processes), _hold(processes)
        inside.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(outside.pid))
        for namespace, address in ((inside, POD), (outside, PEER)):
            namespace.run("ip", "link", "set", "lo", "up")
            namespace.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            namespace.run("ip", "link", "set", "eth0", "up")
        inside.run("ip", "route", "add", "default", "via", PEER)
        _serve(inside, processes, 15001, 15006, 15020, 8080)
        _serve(outside, processes, 80)
        yield Pod(inside, outside, request.param == "nft")
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def test_the_default_command_sends_each_connection_where_the_contract_says(pod: Pod) -> None:
    assert pod.inside.connect(PEER, 80) == "80 for 80"
    done = pod.interception()
    assert done.returncode == 0, done.stderr

    assert pod.inside.connect(ELSEWHERE, 443) == "15001 for 443"
    assert pod.inside.connect(PEER, 80) == "15001 for 80"
    assert pod.inside.connect(PEER, 80, uid=0) == "15001 for 80"
    assert pod.inside.connect(PEER, 80, uid=1337) == "80 for 80"
    assert pod.outside.connect(POD, 8080) == "15006 for 8080"
    assert pod.outside.connect(POD, 9999) == "15006 for 9999"
    assert pod.outside.connect(POD, 15020) == "15020 for 15020"
    assert pod.inside.connect("127.0.0.1", 8080) == "8080 for 8080"
    assert pod.inside.connect(POD, 8080) == "8080 for 8080"
    assert pod.inside.connect(POD, 8080, uid=1337) == "15006 for 8080"


def test_applying_twice_changes_nothing_and_cleanup_leaves_nothing(pod: Pod) -> None:
    before = pod.rules()
    assert pod.interception().returncode == 0
    first = pod.rules()
    again = pod.interception()

    assert again.returncode == 0, again.stderr
    assert pod.rules() == first
    assert len(first) > 15
    assert pod.interception("--cleanup-only").returncode == 0
    assert [line for line in pod.rules() if line not in ("*nat", "COMMIT")] == before


def test_both_families_and_tproxy_can_be_applied_twice(pod: Pod) -> None:
    pod.inside.run("ip", "address", "add", "2001:db8::5/64", "dev", "eth0", "nodad")
    for _ in range(2):
        done = pod.interception("--dual-stack", "-m", "TPROXY")
        assert done.returncode == 0, done.stderr

    assert "::6" in pod.inside.run("ip", "-6", "address", "show", "dev", "lo")
    for family in ("-4", "-6"):
        assert pod.inside.run("ip", family, "rule").count("lookup 133") == 1
        assert "local default dev lo" in pod.inside.run("ip", family, "route", "show", "table", "133")


def test_excluded_and_included_destinations(pod: Pod) -> None:
    assert pod.interception("-x", f"{ELSEWHERE}/32,{PEER}/32", "-q", "25").returncode == 0
    assert pod.inside.connect(PEER, 80) == "80 for 80"
    assert pod.inside.connect("203.0.113.10", 80) == "15001 for 80"


def test_only_listed_inbound_ports_are_captured(pod: Pod) -> None:
    assert pod.interception("-b", "9999").returncode == 0
    assert pod.outside.connect(POD, 9999) == "15006 for 9999"
    assert pod.outside.connect(POD, 8080) == "8080 for 8080"


def test_a_failure_leaves_no_rule_and_says_what_the_tool_said(pod: Pod) -> None:
    before = pod.rules()
    done = pod.interception("-g", "no-such-group")

    assert done.returncode == 1
    assert "no-such-group" in done.stderr or "exit code" in done.stderr
    assert [line for line in pod.rules() if line not in ("*nat", "COMMIT")] == before


def test_the_self_test_knows_whether_rules_are_in_force(pod: Pod) -> None:
    without = pod.interception("--run-validation", "--probe-timeout=300ms", "--skip-rule-apply", "-p1", "-z2")
    assert without.returncode == 126, without.stderr
    assert "not ready" in without.stderr

    assert pod.interception("-z", "16006").returncode == 0
    assert pod.inside.run(sys.executable, "-c", SELF_TEST, "16006").strip() == "ready"
    assert "15002" in pod.inside.run(sys.executable, "-c", SELF_TEST, "16007")


def test_without_the_privilege_the_error_says_what_is_needed(pod: Pod) -> None:
    unprivileged = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    done = subprocess.run(
        pod.inside.command(*unprivileged, sys.executable, "-m", "lateen.iptables", *COMMAND),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NATIVE_NFTABLES": str(pod.native).lower()},
    )
    assert done.returncode == 1
    assert "NET_ADMIN" in done.stderr
