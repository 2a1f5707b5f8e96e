"""The launcher: a small single-threaded process that forks everything that runs in a pod.

It is started by the supervisor (`launcher.py`) with `python -I -S`, lives in the mesh's network namespace, and dies
with the supervisor, whichever way that ends; every pod dies with it. It serves one request after the other, and what
takes time happens in the processes it forks. It imports as little as it can: each fork copies its pages.
"""

# pathlib is an import that the launcher does without
# ruff: noqa: PTH116, PTH123, PTH208

import contextlib
import gc
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Final, NoReturn

from lateen.local_runtime.network.address_plan import (
    DNS_ADDRESS,
    GATEWAY,
    PREFIX,
    TWIN_PREFIX,
    VIP_NETWORK,
    VIP_NETWORK_IPV6,
    has_ipv6,
    ipv6_twin,
)
from lateen.local_runtime.network.netlink import Netlink, mac_of
from lateen.local_runtime.sandbox import container_entry, pod_holder, syscalls
from lateen.local_runtime.sandbox.launcher_messages import (
    CreatePod,
    Ended,
    Execute,
    Failed,
    Message,
    Process,
    RunTool,
    Signal,
    StartContainer,
    Started,
    descriptors_of,
    encode,
    receive,
)

_BRIDGE: Final = "mesh"
_KILL_ROUNDS: Final = 100
_KILL_PAUSE: Final = 0.001  # seconds; a process that was killed takes a moment to end
_SETTINGS: Final = (
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
)
_IPV6_SETTINGS: Final = (
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/forwarding", "1"),
)
_BRIDGED_TO_IPTABLES: Final = "bridge/bridge-nf-call-iptables"


class _Child:
    """A process that was forked: until `status` ends it is on its way to its program."""

    def __init__(self, id: int, pid: int, status: socket.socket, *, pod: bool = False) -> None:
        self.id = id
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.status: socket.socket | None = status
        self.text = b""
        self.started = False
        self.pod = pod
        self.mounts = -1  # of a container: a descriptor of its mount namespace, so that its number is not used again


class _Launcher:
    def __init__(self, connection: socket.socket, staging: str, bridge: int) -> None:
        self._connection = connection
        self._staging = staging
        self._bridge = bridge
        self._pid = os.getpid()
        self._poll = select.epoll()
        self._children: dict[int, _Child] = {}  # by id
        self._by_descriptor: dict[int, _Child] = {}

    def serve(self) -> None:
        """Until the supervisor closes its end."""
        self._poll.register(self._connection, select.EPOLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._connection.fileno():
                    received = receive(self._connection)
                    if received is None:
                        return
                    self._handle(*received)
                elif child := self._by_descriptor.get(descriptor):
                    self._follow(child, descriptor)

    def _handle(self, request: Message, descriptors: tuple[int, ...]) -> None:
        try:
            match request:
                case CreatePod():
                    self._create_pod(request)
                case StartContainer():
                    self._start(request, descriptors)
                case Execute():
                    self._execute(request, descriptors)
                case RunTool(id, argv):
                    self._fork(id, lambda status: container_entry.run_tool(argv, descriptors, status))
                case Signal(id, number):
                    if id in self._children:
                        signal.pidfd_send_signal(self._children[id].pidfd, number)
                case _:
                    raise AssertionError(request)
        except OSError as error:
            if not isinstance(request, Signal):
                self._say(Failed(request.id, syscalls.explain(error)))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _create_pod(self, request: CreatePod) -> None:
        self._fork(
            request.id,
            lambda status: pod_holder.hold(request, self._pid, self._bridge, self._staging, status),
            into=lambda: syscalls.unshare(syscalls.CLONE_NEWPID),
            pod=True,
        )

    def _start(self, request: StartContainer, descriptors: tuple[int, ...]) -> None:
        pod = self._pod(request.pod)
        self._fork(
            request.id,
            lambda status: container_entry.start(request, pod, self._staging, descriptors, status),
            into=lambda: syscalls.setns(pod, syscalls.CLONE_NEWPID),
        )

    def _execute(self, request: Execute, descriptors: tuple[int, ...]) -> None:
        container = self._children.get(request.container)
        if container is None:
            self._say(Failed(request.id, "container is not running"))
            return
        process, target, pod = Process(*request.process), container.pidfd, self._pod(request.pod)
        self._fork(
            request.id,
            lambda status: container_entry.join(process, target, descriptors, status),
            into=lambda: syscalls.setns(pod, syscalls.CLONE_NEWPID),
        )

    def _pod(self, id: int) -> int:
        """A pidfd of a pod's first process."""
        pod = self._children.get(id)
        if pod is None:
            raise OSError("the pod is not running")
        return pod.pidfd

    def _fork(
        self, id: int, enter: Callable[[int], NoReturn], *, into: Callable[[], None] | None = None, pod: bool = False
    ) -> None:
        """A child that will `enter`; `into` chooses its PID namespace, else it has ours."""
        reading, writing = socket.socketpair()
        with writing:
            if into is not None:
                pid = _fork_into(into, lambda: _never_return(enter, writing.fileno()))
            elif (pid := os.fork()) == 0:
                _never_return(enter, writing.fileno())
        child = _Child(id, pid, reading, pod=pod)
        self._children[id] = child
        for descriptor in (reading.fileno(), child.pidfd):
            self._by_descriptor[descriptor] = child
            self._poll.register(descriptor, select.EPOLLIN)

    def _follow(self, child: _Child, descriptor: int) -> None:
        if child.status is not None and descriptor == child.status.fileno():
            self._read_status(child)
        elif child.pidfd == descriptor:
            self._reap(child)

    def _read_status(self, child: _Child) -> None:
        assert child.status is not None
        text, ancillary, _, _ = child.status.recvmsg(4096, socket.CMSG_SPACE(4))
        for descriptor in descriptors_of(ancillary):
            child.mounts = descriptor
            os.set_inheritable(descriptor, False)
        child.text += text.removeprefix(container_entry.MOUNTS)
        if text and not child.pod:
            return  # the end of file follows
        self._let_go(child.status.fileno())
        child.status.close()
        child.status = None
        if child.text == (pod_holder.READY if child.pod else b""):
            child.started = True
            self._say(Started(child.id, child.pid))

    def _reap(self, child: _Child) -> None:
        pid, status = os.waitpid(child.pid, os.WNOHANG)
        if pid == 0:
            return  # news of a descriptor that had this number before
        while child.status is not None:
            self._read_status(child)
        self._let_go(child.pidfd)
        os.close(child.pidfd)
        del self._children[child.id]
        if child.mounts >= 0:
            _kill_all_in(os.fstat(child.mounts).st_ino)
            os.close(child.mounts)
        if child.started:
            code = os.waitstatus_to_exitcode(status)
            self._say(Ended(child.id, code if code >= 0 else 128 - code))
        else:
            self._say(Failed(child.id, child.text.decode(errors="replace") or "it was killed before it started"))

    def _let_go(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._by_descriptor[descriptor]

    def _say(self, message: Message) -> None:
        header, body = encode(message)
        self._connection.sendall(header + body)


def _never_return(enter: Callable[[int], NoReturn], status: int) -> NoReturn:
    try:
        enter(status)
    except BaseException as error:  # a bug: the child must not run on as a second launcher
        os.write(status, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(127)


def _fork_into(choose: Callable[[], None], become: Callable[[], NoReturn]) -> int:
    """Fork a child into the PID namespace that `choose` sets for children; its pid here.

    A process in between chooses and forks it as its sibling: a choice cannot be taken back, since the way back into
    the host's namespace needs privilege over the host.
    """
    told, tell = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _fork_there(choose, become, tell)
        os.waitpid(between, 0)
        os.set_blocking(told, False)  # one that was killed has told nothing
        answer = os.read(told, 4096).decode(errors="replace")
    finally:
        os.close(told)
        os.close(tell)
    if not answer.isdecimal():
        raise OSError(answer)
    return int(answer)


def _fork_there(choose: Callable[[], None], become: Callable[[], NoReturn], tell: int) -> NoReturn:
    try:
        choose()
        if (pid := syscalls.fork_sibling()) == 0:
            become()
        os.write(tell, f"{pid}".encode())
    except OSError as error:
        os.write(tell, syscalls.explain(error).encode())
    finally:
        os._exit(0)


def _mount_namespace(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino
    except OSError:
        return 0


def _kill_all_in(mount_namespace: int) -> None:
    """End what a container's main process left behind; repeated, since they may fork meanwhile."""
    for _ in range(_KILL_ROUNDS):
        found = False
        for name in os.listdir("/proc"):
            if name.isdigit() and _mount_namespace(int(name)) == mount_namespace and not _is_zombie(name):
                found = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(name), signal.SIGKILL)
        if not found:
            return
        time.sleep(_KILL_PAUSE)


def _is_zombie(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def _make_mesh() -> int:
    """The mesh's network namespace, with this process in it; the bridge's index."""
    syscalls.unshare(syscalls.CLONE_NEWNET)
    ipv6 = has_ipv6()
    for name, value in (*_SETTINGS, *(_IPV6_SETTINGS if ipv6 else ())):
        syscalls.set_network(name, value)
    # Where a host has br_netfilter, the bridge itself would translate, and then drop what a pod sends to itself by VIP.
    if os.access(f"/proc/sys/net/{_BRIDGED_TO_IPTABLES}", os.W_OK):
        syscalls.set_network(_BRIDGED_TO_IPTABLES, "0")
    links = Netlink()
    links.set_up("lo")
    links.add_bridge(_BRIDGE, mac_of(GATEWAY))
    links.add_address(_BRIDGE, GATEWAY, PREFIX)
    links.add_local_network(VIP_NETWORK.partition("/")[0], PREFIX)
    links.add_address("lo", DNS_ADDRESS, 32)
    if ipv6:
        links.add_address(_BRIDGE, ipv6_twin(GATEWAY), TWIN_PREFIX)
        links.add_local_network(VIP_NETWORK_IPV6.partition("/")[0], TWIN_PREFIX)
    links.close()
    return socket.if_nametoindex(_BRIDGE)


def main(descriptor: int, supervisor: int, staging: str) -> None:
    """Serve the supervisor (its pid) on the connection with that descriptor; `staging` is an empty directory."""
    syscalls.die_with_parent()
    if os.getppid() != supervisor:
        return
    syscalls.set_process_name("lateen-launcher")
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    gc.disable()
    gc.freeze()
    try:
        bridge = _make_mesh()
        header, body = encode(Started(0, os.getpid()))
    except OSError as error:
        header, body = encode(Failed(0, syscalls.explain(error)))
        connection.sendall(header + body)
        return
    connection.sendall(header + body)
    _Launcher(connection, staging, bridge).serve()
