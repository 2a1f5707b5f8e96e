"""What a pod waits for before its application may start: its interception rules, with nft and with iptables.

Needs root. Runs in a network namespace of its own.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from lateen.iptables.namespaces import enter_network
from lateen.iptables.nft import transaction
from lateen.iptables.options import parse
from lateen.iptables.plan import plan
from lateen.iptables.planner import Host
from lateen.iptables.restore import restore_lines
from lateen.iptables.rules import Family

Json = dict[str, Any]

RUNS = 20
COMMAND = ("-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*")
COMMAND += ("-d", "15090,15021,15020", "--log_output_level=default:info")
AGENT = (sys.executable, "-P", "-m", "lateen.cli", "agent")


def run() -> Json:
    """Milliseconds, medians; every run begins without rules."""
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        holder.stdout.read(1)
        enter_network(f"/proc/{holder.pid}/ns/net")
    finally:
        holder.communicate()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "198.18.0.5/32", "dev", "lo"], check=True)
    return {"tools": {"nft": _figures(native=True), "iptables": _figures(native=False)}}


def _figures(native: bool) -> Json:
    flags = (*COMMAND, "--native-nftables") if native else COMMAND
    rules = plan(parse(flags, {}), Host())
    load = ["nft", "-f", "-"] if native else ["iptables-restore", "--noflush"]
    lines: Sequence[str] = restore_lines(rules, Family.IPV4)
    if native:
        lines = transaction(rules)
    return {
        "rules": len(rules),
        "load_ms": _median_ms(load, "".join(f"{line}\n" for line in lines)),
        "init_ms": _median_ms([*AGENT, "istio-iptables", *flags]),
        "again_ms": _median_ms([*AGENT, "istio-iptables", *flags], clean=False),
        "agent_ms": _median_ms([*AGENT, "version"]),
    }


def _median_ms(argv: Sequence[str], text: str = "", clean: bool = True) -> float:
    taken: list[float] = []
    for _ in range(RUNS):
        if clean:
            subprocess.run(["nft", "flush", "ruleset"], check=True)
        begun = time.perf_counter()
        subprocess.run(argv, input=text, text=True, check=True, capture_output=True)
        taken.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(taken), 1)
