"""Where connections land under each kind of plan: both tools, both inbound modes, both families, with packets.

A row of `PLANS` is one plan with the packets that show it; each says which socket takes its connection. Addresses are
those of `support/packet_lab.py`: `pod` is the pod itself, `peer`, `vip` and `elsewhere` are outside it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import pytest
from support.packet_lab import Landing, Packet, PacketLab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root"),
]

BOTH = ("IPv4", "IPv6")
PROXY = "uid=1337 gid=1337"


@dataclass(frozen=True)
class To:
    """A landing that depends on the mode; `None` where the packet means nothing in it."""

    redirect: str | None
    tproxy: str | None

    def by(self, mode: str) -> str | None:
        return self.redirect if mode == "REDIRECT" else self.tproxy


@dataclass(frozen=True)
class Plan:
    """Flags beside `-p 15001 -z 15006 -u 1337 --dual-stack`, variables, and landings by packet."""

    name: str
    flags: str
    landings: Mapping[str, str | To]
    environ: tuple[tuple[str, str], ...] = ()
    families: tuple[str, ...] = BOTH


DEFAULT = "-i * -x= -b * -d 15090,15021,15020"

PLANS = (
    Plan(
        "everything",
        DEFAULT,
        {
            "out tcp {vip}:80": "proxy:15001",
            "out tcp {peer}:80": "proxy:15001",
            "out tcp {elsewhere}:81": "proxy:15001",
            "out tcp {vip}:80 uid=0 gid=0": "proxy:15001",
            f"out tcp {{vip}}:80 {PROXY}": "peer:80",
            "out tcp {vip}:80 uid=1337": "peer:80",
            "out tcp {vip}:80 gid=1337": "peer:80",
            "out udp {vip}:80": "peer:80",
            "out udp {dns}:53": "peer:53",
            "in tcp {pod}:8080": "proxy:15006",
            "in tcp {pod}:9999": "proxy:15006",
            "in tcp {pod}:15020": "proxy:15020",
            "in udp {pod}:8080": "app:8080",
            # The exception for the tunnel port stands in the nat table, which TPROXY does not ask for what arrives.
            "in tcp {pod}:15008": To("proxy:15008", "proxy:15006"),
            "in tcp {pod2}:8080 via eth1": "proxy:15006",
            "out tcp {peer2}:80 via eth1": "proxy:15001",
        },
    ),
    Plan(
        "calls-to-itself",
        DEFAULT,
        {
            "out tcp {localhost}:8080": "app:8080",
            f"out tcp {{localhost}}:8080 {PROXY}": "app:8080",
            "out tcp {pod}:8080": "app:8080",
            "out tcp {pod2}:8080": "app:8080",
            # By its own VIP a pod leaves as to any other; then its proxy calls the pod's own address.
            f"out tcp {{pod}}:8080 {PROXY}": "proxy:15006",
            "out tcp {pod}:8080 uid=1337": "proxy:15006",
            "out tcp {pod}:8080 gid=1337": To("app:8080", "proxy:15006"),
            f"out tcp {{pod}}:15008 {PROXY}": To("proxy:15008", "proxy:15006"),
            f"out tcp {{pod}}:8080 from {{passthrough}} {PROXY}": "app:8080",
            # With TPROXY Envoy is root of group 1337, and delivers from the client's address, marked.
            "out tcp {pod}:8080 uid=0 gid=1337": To("app:8080", "proxy:15006"),
            "out tcp {pod}:8080 from {peer} mark=1337 uid=0 gid=1337": To(None, "app:8080"),
        },
    ),
    Plan("loopback-range", "-i 127.1.2.3/32", {"out tcp 127.1.2.3:8080": "proxy:15001"}, families=("IPv4",)),
    Plan(
        "nothing",
        "-b=",
        {
            "out tcp {vip}:80": "peer:80",
            "in tcp {pod}:8080": "app:8080",
            "in tcp {pod}:15008": "proxy:15008",
        },
    ),
    Plan(
        "excluded-destinations",
        f"{DEFAULT} -x 198.18.0.0/24,2001:db8::/64",
        {"out tcp {peer}:80": "peer:80", "out tcp {vip}:80": "proxy:15001"},
    ),
    Plan(
        "included-destinations",
        "-i 198.19.0.0/24,2001:db8:19::/64 -b *",
        {"out tcp {vip}:80": "proxy:15001", "out tcp {peer}:80": "peer:80", "in tcp {pod}:15020": "proxy:15006"},
    ),
    Plan(
        "included-but-for-one",
        "-i 198.19.0.0/24,2001:db8:19::/64 -x 198.19.0.53/32,2001:db8:19::53/128",
        {"out tcp {vip}:80": "proxy:15001", "out tcp {dns}:53": "peer:53"},
    ),
    Plan(
        "destinations-of-one-family",
        "-i 198.19.0.0/24",
        {"out tcp {vip}:80": "peer:80"},
        families=("IPv6",),
    ),
    Plan(
        "included-outbound-ports",
        "-q 25,440:450",
        {"out tcp {vip}:25": "proxy:15001", "out tcp {vip}:443": "proxy:15001", "out tcp {vip}:80": "peer:80"},
    ),
    Plan(
        "excluded-outbound-ports",
        f"{DEFAULT} -o 443,80",
        {"out tcp {vip}:443": "peer:443", "out tcp {vip}:25": "proxy:15001"},
    ),
    Plan(
        "included-inbound-ports",
        "-b 8080,9000:9999",
        {
            "in tcp {pod}:8080": "proxy:15006",
            "in tcp {pod}:9500": "proxy:15006",
            "in tcp {pod}:8081": "app:8081",
            "in tcp {pod}:15020": "proxy:15020",
        },
    ),
    Plan(
        "excluded-inbound-ports-mean-nothing-without-all",
        "-b 8080 -d 8080",
        {"in tcp {pod}:8080": "proxy:15006"},
    ),
    Plan(
        "several-proxy-owners",
        f"{DEFAULT} -u 1337,2000 -g 1337,3000",
        {
            "out tcp {vip}:80 uid=2000": "peer:80",
            "out tcp {vip}:80 gid=3000": "peer:80",
            "out tcp {vip}:80 uid=2001 gid=3001": "proxy:15001",
        },
    ),
    Plan(
        "owner-groups-included",
        DEFAULT,
        {
            "out tcp {vip}:80 gid=4000": "proxy:15001",
            "out tcp {vip}:80 gid=4001": "proxy:15001",
            "out tcp {vip}:80 gid=4002": "peer:80",
        },
        environ=(("ISTIO_OUTBOUND_OWNER_GROUPS", "4000,4001"),),
    ),
    Plan(
        "owner-groups-none",
        DEFAULT,
        {"out tcp {vip}:80": "peer:80", "in tcp {pod}:8080": "proxy:15006"},
        environ=(("ISTIO_OUTBOUND_OWNER_GROUPS", ""),),
    ),
    Plan(
        "owner-groups-excluded",
        DEFAULT,
        {"out tcp {vip}:80 gid=4000": "peer:80", "out tcp {vip}:80 gid=4002": "proxy:15001"},
        environ=(("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "4000,4001"),),
    ),
    Plan(
        "excluded-interface",
        f"{DEFAULT} -c eth1",
        {
            "out tcp {peer2}:80 via eth1": "peer:80",
            "in tcp {pod2}:8080 via eth1": "app:8080",
            "out tcp {peer}:80": "proxy:15001",
            "in tcp {pod}:8080": "proxy:15006",
        },
    ),
    Plan(
        "virtual-machine",
        "-k vm0 -i * -b 8080",
        {
            "in tcp {vip}:80 via vm0": "proxy:15001",
            "in tcp {pod}:8081 via vm0": "proxy:15001",
            "in tcp {vip}:8080 via vm0": To("proxy:15001", "proxy:15006"),
            "in tcp {pod}:8080": "proxy:15006",
        },
    ),
    Plan(
        "virtual-machine-of-which-some-is-captured",
        "-k vm0 -i 198.19.0.0/24,2001:db8:19::/64 -b 8080",
        {"in tcp {vip}:80 via vm0": "proxy:15001", "in tcp {elsewhere}:80 via vm0": "peer:80"},
    ),
    Plan(
        "virtual-machine-of-which-all-is-inbound",
        "-k vm0 -i * -b *",
        # TPROXY takes in the mangle table, which has no exception for the interface.
        {"in tcp {vip}:80 via vm0": To("proxy:15001", "proxy:15006")},
    ),
    Plan(
        "dns-of-the-name-servers",
        f"{DEFAULT} --redirect-dns",
        {
            "out udp {dns}:53": "proxy:15053",
            "out tcp {dns}:53": "proxy:15053",
            "out udp {elsewhere}:53": "peer:53",
            "out tcp {elsewhere}:53": "proxy:15001",
            f"out udp {{dns}}:53 {PROXY}": "peer:53",
            f"out tcp {{dns}}:53 {PROXY}": "peer:53",
            f"out tcp {{pod}}:8080 {PROXY}": "proxy:15006",
            "out tcp {pod}:8080": "app:8080",
        },
    ),
    Plan(
        "all-dns",
        f"{DEFAULT} --redirect-dns --capture-all-dns",
        {
            "out udp {dns}:53": "proxy:15053",
            "out udp {elsewhere}:53": "proxy:15053",
            "out tcp {elsewhere}:53": "proxy:15053",
            "out udp {localhost}:53": "proxy:15053",
            "out tcp {localhost}:53": "proxy:15053",
            f"out udp {{elsewhere}}:53 {PROXY}": "peer:53",
        },
    ),
    Plan(
        "dns-left-alone",
        f"{DEFAULT} --redirect-dns -o 53",
        {"out udp {dns}:53": "peer:53", "out tcp {dns}:53": "peer:53"},
    ),
    Plan(
        "invalid-packets-dropped",
        f"{DEFAULT} --drop-invalid",
        {"in tcp {pod}:8080": "proxy:15006", "out tcp {vip}:80": "proxy:15001"},
    ),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacketLab]:
    running = PacketLab(tmp_path_factory.mktemp("packets"))
    try:
        running.start()
        yield running
    finally:
        running.end()


def _flags(plan: Plan, tool: str, mode: str) -> list[str]:
    native = ["--native-nftables"] if tool == "nft" else []
    return ["-p", "15001", "-z", "15006", "-u", "1337", "-m", mode, "--dual-stack", *native, *plan.flags.split()]


def _cells() -> Iterator[object]:
    """By tool, then mode, then plan, since a change of any of them is a change of rules."""
    for tool, mode, plan in product(("iptables", "nft"), ("REDIRECT", "TPROXY"), PLANS):
        for family, (text, landing) in product(plan.families, plan.landings.items()):
            expected = landing.by(mode) if isinstance(landing, To) else landing
            if expected is not None:
                name = f"{tool}-{mode}-{plan.name}-{family}-{text.replace(' ', '-')}"
                yield pytest.param(tool, mode, plan, family, text, expected, id=name)


@pytest.mark.parametrize(("tool", "mode", "plan", "family", "text", "expected"), [*_cells()])
def test_where_it_lands_and_that_it_was_predicted(
    lab: PacketLab, tool: str, mode: str, plan: Plan, family: str, text: str, expected: str
) -> None:
    if lab.in_force != (tool, mode, plan.name):
        lab.reset()
        code, said = lab.program(*_flags(plan, tool, mode), **dict(plan.environ))
        assert code == 0, said
        lab.in_force = (tool, mode, plan.name)
    packet = Packet.parse(text, family)
    transparent = mode == "TPROXY" and packet.direction == "in" and packet.interface != "vm0"
    landed = lab.landing(packet)

    assert landed.at == expected, (str(packet), landed)
    assert landed.source == packet.seen_from
    assert landed.asked == ((packet.address, packet.port) if packet.transport == "tcp" else None)
    assert not transparent or landed.here == landed.asked
    verdict = _verdict(landed)
    flags, environ = _flags(plan, tool, mode), dict(plan.environ)
    assert lab.why(packet, *flags, **environ) == verdict
    assert lab.why(packet, "--live", *flags, **environ) == verdict


def _verdict(landed: Landing) -> str:
    """What `--why` is to say of a connection that landed there; a transparent socket keeps the packet's address."""
    port = landed.at.removeprefix("proxy:")
    if port not in ("15001", "15006", "15053"):
        return "left alone"
    if landed.here is None or str(landed.here[1]) == port:
        return f"redirected to port {port} of this host"
    handed_over = f"handed to the transparent socket on port {port} of this host"
    if landed.here == landed.asked:
        return handed_over
    return f"{handed_over}, its destination rewritten to port {landed.here[1]}"
