"""A pod in a network namespace, what is around it in others, and processes in each that say where a connection landed.

    vm ── vm0 ┐                ┌ eth0 ── the pod's network, the way to everywhere else
              pod ═════════════ peer
                               └ eth1 ── a second network of the pod

The peer answers for every address outside the pod: another pod, a Service's VIP, name servers, the internet.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from support import packet_worker

ADDRESSES: Mapping[str, Mapping[str, str]] = {
    "IPv4": {
        "pod": "198.18.0.5",
        "peer": "198.18.0.9",
        "pod2": "198.18.1.5",
        "peer2": "198.18.1.9",
        "gate": "198.18.2.1",
        "vm": "198.18.2.2",
        "vip": "198.19.0.10",
        "dns": "198.19.0.53",
        "elsewhere": "203.0.113.9",
        "localhost": "127.0.0.1",
        "passthrough": "127.0.0.6",
    },
    "IPv6": {
        "pod": "2001:db8::5",
        "peer": "2001:db8::9",
        "pod2": "2001:db8:1::5",
        "peer2": "2001:db8:1::9",
        "gate": "2001:db8:2::1",
        "vm": "2001:db8:2::2",
        "vip": "2001:db8:19::10",
        "dns": "2001:db8:19::53",
        "elsewhere": "2001:db8:ffff::9",
        "localhost": "::1",
        "passthrough": "::6",
    },
}
BITS = {"IPv4": ("24", "32"), "IPv6": ("64", "128")}
PROXY_PORTS = ("15001", "15006t", "15008", "15020", "15053")
APPLICATION_PORTS = ("8080", "8081")
PEER_PORTS = ("25", "53", "80", "81", "443")
LINKS = (("eth0", "pod", "peer", "eth0"), ("eth1", "pod2", "peer2", "eth1"), ("vm0", "gate", "vm", "eth0"))


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, as `lateen iptables --why` reads it."""

    direction: str
    transport: str
    address: str
    port: int
    source: str = ""
    source_port: int = 0
    interface: str = ""
    uid: int = 1000
    gid: int = 1000
    mark: int = 0

    @classmethod
    def parse(cls, text: str, family: str) -> Self:
        """From words such as `out tcp {vip}:80 from {pod} uid=1000 gid=1000`, with the family's addresses put in."""
        words = text.split()
        address, _, port = words[2].rpartition(":")
        addresses = ADDRESSES[family]
        named: dict[str, Any] = {"from": "", "via": ""}
        for word, following in pairwise([*words[3:], ""]):
            if word in named:
                named[word] = following
            elif "=" in word:
                key, _, value = word.partition("=")
                named[key] = int(value)
        source = named.pop("from").format(**addresses)
        return cls(
            words[0], words[1], address.format(**addresses), int(port), source, interface=named.pop("via"), **named
        )

    def __str__(self) -> str:
        """The words again, with real addresses, and with those that the kernel would choose."""
        owner = f" uid={self.uid} gid={self.gid}" if self.direction == "out" else ""
        via = f" via {self.interface}" if self.interface else ""
        mark = f" mark={self.mark}" if self.mark else ""
        to, source = (f"[{address}]" if ":" in address else address for address in (self.address, self.seen_from))
        return f"{self.direction} {self.transport} {to}:{self.port} from {source}{via}{owner}{mark}"

    @property
    def seen_from(self) -> str:
        """The address that the connection comes from."""
        addresses = ADDRESSES["IPv6" if ":" in self.address else "IPv4"]
        if self.source:
            return self.source
        if self.direction == "in":
            return {"eth1": addresses["peer2"], "vm0": addresses["vm"]}.get(self.interface, addresses["peer"])
        if self.address == addresses["localhost"] or self.address.startswith("127."):
            return addresses["localhost"]
        second = self.interface == "eth1" or self.address == addresses["pod2"]
        return addresses["pod2" if second else "pod"]


@dataclass(frozen=True)
class Landing:
    """Which socket took the connection, such as `proxy:15001`, where it was told to go, and from where it came."""

    at: str
    asked: tuple[str, int] | None
    source: str | None
    here: tuple[str, int] | None = None
    """The socket's own address: with TPROXY the one asked for."""


class Worker:
    """A process of `packet_worker` in a network namespace."""

    def __init__(self, prefix: Sequence[str], *words: str) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, packet_worker.__file__, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert self._heard() == "ready"

    def order(self, value: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass
class PacketLab:
    """The namespaces with their processes; `apply` gives the pod rules, `landing` makes a connection."""

    directory: Path
    in_force: object = None
    _holders: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _workers: dict[str, Worker] = field(default_factory=dict)

    def start(self) -> None:
        """Makes everything. `end` ends what was made, also when this fails."""
        for name in ("pod", "peer", "vm"):
            argv = ["unshare", "--net", "sh", "-c", "echo ready; exec cat"]
            holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._holders[name] = holder
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
        self._cable()
        resolv_conf = self.directory / "resolv.conf"
        resolv_conf.write_text("".join(f"nameserver {ADDRESSES[family]['dns']}\n" for family in ADDRESSES))
        mounted = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf; exec "$@"', str(resolv_conf)]
        for name, prefix, words in (
            ("proxy", self.command("pod"), ("serve", "proxy", "1337", *PROXY_PORTS)),
            ("app", self.command("pod"), ("serve", "app", "1000", *APPLICATION_PORTS)),
            ("outside", self.command("peer"), ("serve", "peer", "0", *PEER_PORTS)),
            ("pod", self.command("pod"), ("connect",)),
            ("peer", self.command("peer"), ("connect",)),
            ("vm", self.command("vm"), ("connect",)),
            ("program", self.command("pod", *mounted), ("program",)),
        ):
            self._workers[name] = Worker(prefix, *words)

    def end(self) -> None:
        for worker in self._workers.values():
            worker.end()
        for holder in self._holders.values():
            holder.kill()
            holder.communicate()

    def command(self, namespace: str, *argv: str) -> list[str]:
        """The command line that runs `argv` there."""
        return ["nsenter", f"--net=/proc/{self._holders[namespace].pid}/ns/net", *argv]

    def run(self, namespace: str, *argv: str, lines: Sequence[str] = ()) -> str:
        text = "".join(f"{line}\n" for line in lines)
        done = subprocess.run(self.command(namespace, *argv), input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def program(self, *argv: str, **environ: str) -> tuple[int, str]:
        """Runs the init program in the pod: its exit code, and what it says."""
        code, said, _ = self._workers["program"].order({"argv": argv, "environ": environ})
        return code, said

    def why(self, packet: Packet, *argv: str, **environ: str) -> str:
        """What `--why` says becomes of the packet: the verdict, without marks, and without the rule that decided."""
        words = ["--why", str(packet), *argv]
        code, said, told = self._workers["program"].order({"argv": words, "environ": environ})
        assert code == 0, said
        verdict = told.splitlines()[-1].partition(":")[0].split(", ")
        return ", ".join(part for part in verdict if not part.startswith(("mark ", "connmark ", "zone ")))

    def reset(self, legacy: bool = False) -> None:
        """Takes away all rules, of whomever, and what goes with them.

        Those of the legacy iptables only on request: to clear its tables makes them, and tables that are there make
        the init program choose it.
        """
        self.run("pod", "nft", "flush", "ruleset")
        for program in ("iptables-legacy-restore", "ip6tables-legacy-restore") if legacy else ():
            self.run("pod", program, lines=[f"*{table}\nCOMMIT" for table in ("filter", "mangle", "nat", "raw")])
        for version, passthrough in (("-4", ""), ("-6", ADDRESSES["IPv6"]["passthrough"])):
            self.run("pod", "sh", "-c", f"ip {version} rule del lookup 133; ip {version} route flush table 133; true")
            if passthrough:
                self.run("pod", "sh", "-c", f"ip addr del {passthrough}/128 dev lo; true")
        self.in_force = None

    def landing(self, packet: Packet, seconds: float = 5) -> Landing:
        """Where the connection landed; `nothing` with the error as destination if nobody answered in time."""
        client = "pod" if packet.direction == "out" else "vm" if packet.interface == "vm0" else "peer"
        order = {name: getattr(packet, name) for name in ("transport", "address", "port", "uid", "gid", "mark")}
        source = packet.source or (packet.seen_from if packet.interface else "")
        order |= {"source": source, "source_port": packet.source_port, "seconds": seconds}
        at, asked, seen, here = self._workers[client].order(order)
        return Landing(at, tuple(asked) if isinstance(asked, list) else asked, seen, tuple(here) if here else None)

    def traces(self) -> str:
        """All that interception may leave behind in the pod: rules, chains, policy rules, routes, addresses of lo.

        The kernel's own chains stay when iptables has looked at them once, and are no trace.
        """
        saves = [f"{program}-{variant}-save" for program in ("iptables", "ip6tables") for variant in ("nft", "legacy")]
        saved = self.run("pod", "sh", "-c", "; ".join(saves))
        rules = [line for line in saved.splitlines() if line.startswith(("-A", ":ISTIO"))]
        commands = ("nft -s list ruleset inet", "ip -4 rule", "ip -6 rule", "ip -4 route show table all")
        commands += ("ip -6 route show table all", "ip address show dev lo")
        other = self.run("pod", "sh", "-c", "; ".join(commands)).splitlines()
        # Link-local addresses come by themselves, some time after the interface.
        return "\n".join([*rules, *(line for line in other if "fe80" not in line and "ff00" not in line)])

    def _cable(self) -> None:
        for name, holder in self._holders.items():
            self.run(name, "ip", "link", "set", "lo", "up")
            assert holder.poll() is None
        for here, at, there_at, there in LINKS:
            other = "vm" if here == "vm0" else "peer"
            link = ["ip", "link", "add", here, "type", "veth", "peer", "name", there]
            self.run("pod", *link, "netns", str(self._holders[other].pid))
            self._join("pod", here, at)
            self._join(other, there, there_at)
        for family, (_, whole) in BITS.items():
            addresses, version = ADDRESSES[family], "-4" if family == "IPv4" else "-6"
            for name in ("vip", "dns", "elsewhere"):
                self.run("peer", "ip", "addr", "add", f"{addresses[name]}/{whole}", "dev", "lo")
            for namespace, gateway in (("pod", "peer"), ("vm", "gate"), ("peer", "pod")):
                self.run(namespace, "ip", version, "route", "add", "default", "via", addresses[gateway])
        switches = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        self.run("pod", "sh", "-c", "; ".join(f"echo 1 > /proc/sys/net/{switch}" for switch in switches))

    def _join(self, namespace: str, interface: str, address: str) -> None:
        for family, (network, _) in BITS.items():
            words = ["ip", "addr", "add", f"{ADDRESSES[family][address]}/{network}", "dev", interface]
            self.run(namespace, *words, *(["nodad"] if family == "IPv6" else []))
        self.run(namespace, "ip", "link", "set", interface, "up")
