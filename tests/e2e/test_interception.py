"""The init program's life in a pod: twice, over another plan, beside foreign rules, refused, and taken away again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.packet_lab import Packet, PacketLab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

COMMAND = ("-p", "15001", "-z", "15006", "-u", "1337", "-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020")
MODES = ("REDIRECT", "TPROXY")

# A TCP packet with no flag at all, which connection tracking calls invalid and a closed port answers with a reset.
STRAY = """
import socket, struct, sys
peer, pod = sys.argv[1:]
family = socket.AF_INET6 if ":" in pod else socket.AF_INET
packet = struct.pack("!HHIIBBHHH", 40000, 9, 1, 1, 5 << 4, 0, 1024, 0, 0)
pseudo = b"".join(socket.inet_pton(family, address) for address in (peer, pod)) + struct.pack("!HH", 6, len(packet))
total = sum(struct.unpack(f"!{len(pseudo + packet) // 2}H", pseudo + packet))
total = (total & 0xFFFF) + (total >> 16)
packet = packet[:16] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + packet[18:]
with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
    raw.settimeout(float(0.3))
    raw.sendto(packet, (pod, 0))
    try:
        while True:
            answer = raw.recv(200)
            answer = answer[20:] if family == socket.AF_INET else answer
            if answer[:4] == packet[2:4] + packet[:2]:
                print("reset" if answer[13] & 4 else "answer")
                break
    except TimeoutError:
        print("nothing")
"""
SELF_TEST = """
import os, sys
from lateen.iptables import self_test
from lateen.iptables.options import parse
from lateen.iptables.errors import NotReadyError
os.setgid(1337); os.setuid(1337)
try:
    options = parse(["-p", "16001", "-z", sys.argv[1], "--probe-timeout", "300ms"], {})
    self_test.check(options, ipv6=sys.argv[2] == "IPv6")
    print("ready")
except NotReadyError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacketLab]:
    running = PacketLab(tmp_path_factory.mktemp("packets"))
    try:
        running.start()
        yield running
    finally:
        running.end()


@pytest.fixture
def lab(shared: PacketLab) -> PacketLab:
    shared.reset(legacy=True)
    return shared


@pytest.fixture(params=["iptables-nft", "iptables-legacy", "nft"])
def tool(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The flags that choose what programs the rules."""
    _, _, variant = request.param.partition("-")
    return ("--dual-stack", "--force-iptables-binary", variant) if variant else ("--dual-stack", "--native-nftables")


def landings(lab: PacketLab, *packets: str) -> list[str]:
    return [lab.landing(Packet.parse(text, family)).at for text in packets for family in ("IPv4", "IPv6")]


CAPTURED = ("out tcp {vip}:80", "in tcp {pod}:8080")


def captured(lab: PacketLab) -> bool:
    """Whether all is captured, or nothing; anything between is an error."""
    found = landings(lab, *CAPTURED)
    assert found in ([*["proxy:15001"] * 2, *["proxy:15006"] * 2], [*["peer:80"] * 2, *["app:8080"] * 2])
    return found[0] == "proxy:15001"


def refused(lab: PacketLab, *argv: str, **environ: str) -> str:
    code, said = lab.program(*argv, **environ)
    assert code == 1, said
    return said


@pytest.mark.parametrize("mode", MODES)
def test_twice_is_once_and_cleanup_leaves_no_trace(lab: PacketLab, tool: tuple[str, ...], mode: str) -> None:
    flags = (*COMMAND, *tool, "-m", mode, "--redirect-dns", "--drop-invalid")
    assert lab.program(*flags, "--cleanup-only")[0] == 0
    before = lab.traces()
    assert lab.program(*flags)[0] == 0
    first = lab.traces()
    code, said = lab.program(*flags)

    assert code == 0, said
    assert lab.traces() == first != before
    assert captured(lab)
    assert lab.program(*flags, "--cleanup-only")[0] == 0
    assert lab.traces() == before
    assert not captured(lab)


def test_another_plan_replaces_with_reconcile_and_is_refused_without(lab: PacketLab, tool: tuple[str, ...]) -> None:
    assert lab.program(*COMMAND, *tool, "-m", "TPROXY", "-c", "eth1")[0] == 0
    other = ("-p", "15001", "-z", "15006", "-u", "1337", "-i", "198.19.0.53/32", "-b", "8081", *tool)
    if "--native-nftables" not in tool:
        rules = lab.traces()
        assert "--reconcile" in refused(lab, *other)
        assert lab.traces() == rules
        assert captured(lab)
        other = (*other, "--reconcile")
    code, said = lab.program(*other)

    assert code == 0, said
    expected = ["peer:80", "peer:80", "app:8080", "app:8080", "proxy:15006", "proxy:15006"]
    assert landings(lab, *CAPTURED, "in tcp {pod}:8081") == expected


def test_half_of_a_plan_is_completed_by_reconcile(lab: PacketLab, tool: tuple[str, ...]) -> None:
    if "--native-nftables" in tool:
        lab.run("pod", "nft", "add table inet istio-proxy-nat; add chain inet istio-proxy-nat istio-output")
    else:
        lab.run("pod", f"iptables-{tool[-1]}", "-t", "nat", "-N", "ISTIO_OUTPUT")
        lab.run("pod", f"iptables-{tool[-1]}", "-t", "nat", "-A", "OUTPUT", "-j", "ISTIO_OUTPUT")
        assert "ISTIO_OUTPUT in nat" in refused(lab, *COMMAND, *tool)
        assert not captured(lab)
    assert lab.program(*COMMAND, *tool, "--reconcile")[0] == 0
    assert captured(lab)


def test_foreign_rules_stay_and_act(lab: PacketLab, tool: tuple[str, ...]) -> None:
    variant = tool[-1] if tool[-1] in ("nft", "legacy") else "nft"
    foreign = "OUTPUT -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 8080"
    lab.run("pod", f"iptables-{variant}", "-t", "nat", "-A", *foreign.split())
    code, said = lab.program(*COMMAND, *tool, "-o", "81")

    assert code == 0, said
    assert captured(lab)
    assert lab.landing(Packet.parse("out tcp {vip}:81", "IPv4")).at == "app:8080"
    assert lab.program(*COMMAND, *tool, "-o", "81", "--cleanup-only")[0] == 0
    assert foreign in lab.run("pod", f"iptables-{variant}-save", "-t", "nat")
    lab.run("pod", f"iptables-{variant}", "-t", "nat", "-D", *foreign.split())


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("-g", "no-such-group"), "-g (--proxy-gid): there is no group 'no-such-group'"),
        (("-b", "80x"), "'80x' for -b (--istio-inbound-ports)"),
        (("-c", "an-interface-too-long"), "-c (--istio-exclude-interfaces)"),
        (("-m", "TPROXY", "-r", "99999999999"), "99999999999"),
    ],
)
def test_what_is_refused_leaves_nothing_in_force(
    lab: PacketLab, tool: tuple[str, ...], flags: tuple[str, ...], told: str
) -> None:
    assert told in refused(lab, *COMMAND, *tool, *flags)
    assert not captured(lab)
    assert "istio" not in lab.run("pod", "nft", "list", "tables")


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_an_invalid_packet_is_dropped_only_where_asked(lab: PacketLab, tool: tuple[str, ...], family: str) -> None:
    stray = Packet.parse("in tcp {pod}:9", family)
    words = (sys.executable, "-c", STRAY, stray.seen_from, stray.address)
    assert lab.program(*COMMAND, *tool)[0] == 0
    assert lab.run("peer", *words).strip() == "reset"
    assert lab.program(*COMMAND, *tool, "--drop-invalid", "--reconcile")[0] == 0
    assert lab.run("peer", *words).strip() == "nothing"
    assert lab.program(*COMMAND, *tool, "--drop-invalid", "--cleanup-only")[0] == 0


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_the_self_test_knows_whether_rules_are_in_force(lab: PacketLab, tool: tuple[str, ...], family: str) -> None:
    code, said = lab.program("--run-validation", "--probe-timeout=300ms", "--skip-rule-apply", "-p1", "-z2")
    assert code == 126, said
    assert "not ready" in said

    assert lab.program(*COMMAND, *tool, "-z", "16006")[0] == 0
    assert lab.run("pod", sys.executable, "-c", SELF_TEST, "16006", family).strip() == "ready"
    assert "15002" in lab.run("pod", sys.executable, "-c", SELF_TEST, "16007", family)


def test_without_the_privilege_the_error_says_what_is_needed(lab: PacketLab, tool: tuple[str, ...]) -> None:
    unprivileged = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    argv = lab.command("pod", *unprivileged, sys.executable, "-m", "lateen.iptables", *COMMAND, *tool)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "NET_ADMIN" in done.stderr
    assert not captured(lab)


def test_a_missing_program_is_named_with_whose_files_it_is_missing_from(lab: PacketLab, tmp_path: Path) -> None:
    for flags, told in (
        (("--native-nftables",), "nft is not installed: the image of the sidecar must have nftables"),
        ((), "iptables is not installed"),
        (("--native-nftables", "--cni-mode"), "nft is not installed: the host's file system must have nftables"),
    ):
        argv = lab.command("pod", sys.executable, "-m", "lateen.iptables", *COMMAND, *flags)
        path = f"{tmp_path}:{os.environ['PATH']}" if not flags else str(tmp_path)
        program = [argv[0], argv[1], "env", f"PATH={tmp_path}" if path else "", *argv[2:]]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert (done.returncode, told in done.stderr) == (1, True), done.stderr


def test_a_held_lock_is_waited_for(lab: PacketLab, tmp_path: Path) -> None:
    lock = tmp_path / "xtables.lock"
    lock.touch()
    holder = subprocess.Popen(["flock", str(lock), "sh", "-c", "echo held; read _"], stdin=-1, stdout=-1, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    legacy = (sys.executable, "-m", "lateen.iptables", *COMMAND, "--dual-stack", "--force-iptables-binary", "legacy")
    program = subprocess.Popen(
        lab.command("pod", *legacy), env={**os.environ, "XTABLES_LOCKFILE": str(lock)}, stderr=-1, text=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.5)
    assert not captured(lab)
    holder.communicate("\n")
    _, said = program.communicate()

    assert program.returncode == 0, said
    assert captured(lab)


def test_a_cni_plugin_programs_the_pod_from_outside_with_a_lock_of_its_own(
    lab: PacketLab, tool: tuple[str, ...]
) -> None:
    namespace = lab.command("pod")[1].removeprefix("--net=")
    argv = [sys.executable, "-m", "lateen.iptables", *COMMAND, *tool, "--cni-mode", "--network-namespace", namespace]
    host_lock = subprocess.Popen(["flock", "/run/xtables.lock", "sh", "-c", "echo held; read _"], stdin=-1, stdout=-1)
    assert host_lock.stdout is not None
    assert host_lock.stdout.readline() == b"held\n"
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    finally:
        host_lock.communicate(b"\n")

    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert captured(lab)
    assert Path("/etc/nsswitch.conf").read_bytes()
