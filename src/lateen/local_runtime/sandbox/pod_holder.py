"""The first process of a pod: it makes the pod's namespaces and network, then only reaps what is orphaned in them.

Forked by the launcher into a new PID namespace, where it is process 1: when it ends, the kernel ends everything in the
pod. It dies with the launcher. Standard library only.
"""

import os
import signal
import socket
from typing import Final, NoReturn

from lateen.local_runtime.network.address_plan import GATEWAY, PREFIX, TWIN_PREFIX, has_ipv6, ipv6_twin
from lateen.local_runtime.network.netlink import Netlink, mac_of
from lateen.local_runtime.sandbox import syscalls
from lateen.local_runtime.sandbox.launcher_messages import CreatePod

READY: Final = b"ready"
_KEPT: Final = 3  # standard input, output and error


def hold(request: CreatePod, launcher: int, bridge: int, empty_root: str, status: int) -> NoReturn:
    """Make the pod, say READY (or what went wrong) on `status`, and hold it until killed.

    `launcher` is the parent's pid as /proc shows it, `bridge` the index of the mesh's bridge, `empty_root` a directory
    with nothing in it, which becomes this process's root so that nobody in the pod reaches the host's through it.
    """
    try:
        _die_with(launcher)
        syscalls.set_process_name("lateen-pod")
        _make_network(request, bridge)
        os.chroot(empty_root)
        os.chdir("/")
        syscalls.forbid_inspection()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        os.write(status, READY)
    except OSError as error:
        os.write(status, syscalls.explain(error).encode())
        os._exit(1)
    os.closerange(_KEPT, 1 << 20)
    _reap_forever()


def _die_with(launcher: int) -> None:
    syscalls.die_with_parent()
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123  pathlib is an import that the launcher does without
        parent = int(file.read().rpartition(b")")[2].split()[1])  # getppid() is 0 for process 1 of a namespace
    if parent != launcher:
        os._exit(1)


def _make_network(request: CreatePod, bridge: int) -> None:
    mesh = Netlink()
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
    socket.sethostname(request.hostname)
    # Any user of a pod may listen on any port, as container runtimes have it.
    syscalls.set_network("ipv4/ip_unprivileged_port_start", "0")
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    mac = mac_of(request.address)
    mesh.add_veth(f"pod{request.id}", bridge, "eth0", mac, namespace)
    pod = Netlink()
    pod.set_up("lo")
    pod.add_address("eth0", request.address, PREFIX)
    pod.set_up("eth0")
    pod.add_default_route(GATEWAY)
    if has_ipv6():
        syscalls.set_network("ipv6/conf/all/disable_ipv6", "0")
        pod.add_address("eth0", ipv6_twin(request.address), TWIN_PREFIX)
        pod.add_default_route(ipv6_twin(GATEWAY))


def _reap_forever() -> NoReturn:
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
