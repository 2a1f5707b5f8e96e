"""However the supervisor ends, nothing of the mesh is left on the machine."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.leftovers import descendants, host_network, namespaces, namespaces_of, wait_until_gone

pytestmark = pytest.mark.e2e

SUPERVISOR = """
import asyncio, os, sys
from ipaddress import IPv4Address
from pathlib import Path
from lateen.local_runtime.sandbox.sandbox import ProcessSpec, Sandboxes
from lateen.local_runtime.network.service_rules import Backend, ServiceRule

async def main():
    sandboxes = Sandboxes(Path(sys.argv[1]))
    await sandboxes.start()
    address = IPv4Address("198.18.0.1")
    await sandboxes.network.apply_services([ServiceRule(IPv4Address("198.19.1.1"), "tcp", 80, (Backend(address, 80),))])
    null = os.open("/dev/null", os.O_WRONLY)
    for n in range(5):
        pod = await sandboxes.create_pod(f"p{n}", "default", f"p{n}", f"198.18.0.{n + 10}")
        script = "trap '' TERM INT HUP; setsid sleep 300 & sleep 300 & while :; do sleep 1; done"
        await pod.start(ProcessSpec(argv=("sh", "-c", script), env={"PATH": "/bin"}), null)
        await pod.start(ProcessSpec(argv=("sleep", "300"), env={"PATH": "/bin"}, uid=1337), null)
    print("launcher", sandboxes.launcher.pid, flush=True)
    if sys.argv[2] == "busy":
        while True:
            await asyncio.gather(*(sandboxes.create_pod("x", "d", "x", f"198.18.1.{n + 1}") for n in range(8)))
    if sys.argv[2] == "lost":
        await sandboxes.lost()
        print("lost", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def said(supervisor: subprocess.Popen[bytes]) -> bytes:
    assert supervisor.stdout is not None
    ready, _, _ = select.select([supervisor.stdout], [], [], 20)
    assert ready, "the supervisor said nothing"
    return supervisor.stdout.readline()


@contextmanager
def supervisor(state: Path, what: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    started = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(state), what], stdout=subprocess.PIPE)
    try:
        yield started, int(said(started).split()[1])
    finally:
        started.kill()
        started.wait()
        assert started.stdout is not None
        started.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_supervisor_that_is_killed_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    before, network = namespaces(), host_network()
    with supervisor(tmp_path, "idle") as (process, _):
        pids = descendants(process.pid)
        own = {entry for pid in pids for entry in namespaces_of(pid)} - before
        assert len(pids) >= 1 + 1 + 5 + 5 * 4
        assert len([kind for kind, _ in own if kind == "net"]) == 6
        assert host_network() == network
        process.send_signal(number)
        process.wait()
        assert wait_until_gone(pids, own) == (set(), set())
    assert host_network() == network


def test_killed_while_pods_are_being_made(tmp_path: Path) -> None:
    for attempt in range(4):
        with supervisor(tmp_path, "busy") as (process, launcher):
            time.sleep(0.005 * attempt)
            os.kill(process.pid, signal.SIGSTOP)  # so that the list is whole
            pids = descendants(launcher)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert wait_until_gone(pids, set()) == (set(), set())
    leftover = [path.parent.name for path in Path("/proc").glob("[0-9]*/comm") if is_of_lateen(path, tmp_path)]
    assert leftover == []


def is_of_lateen(comm: Path, state: Path) -> bool:
    try:
        return comm.read_text().startswith("lateen-") and str(state).encode() in (comm.parent / "cmdline").read_bytes()
    except OSError:
        return False


def test_a_launcher_that_is_killed_takes_the_pods_and_tells(tmp_path: Path) -> None:
    with supervisor(tmp_path, "lost") as (process, launcher):
        pids = descendants(launcher)
        os.kill(launcher, signal.SIGKILL)
        assert said(process) == b"lost\n"
        assert wait_until_gone(pids - {launcher}, set()) == (set(), set())
