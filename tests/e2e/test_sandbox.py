"""Containers in real namespaces: what a process sees, who it is, how it ends."""

import asyncio
import fcntl
import os
import pty
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lateen.local_runtime.errors import StartError
from lateen.local_runtime.sandbox.sandbox import ContainerProcess, Mount, PodSandbox, ProcessSpec, Sandboxes

# Files here are small and local.
# ruff: noqa: ASYNC240

pytestmark = pytest.mark.e2e

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture
async def sandboxes(tmp_path: Path) -> AsyncIterator[Sandboxes]:
    made = Sandboxes(tmp_path / "state")
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def pod(sandboxes: Sandboxes) -> PodSandbox:
    return await sandboxes.create_pod("reviews-0", "shop", "reviews-0", "198.18.0.7")


class Output:
    """A file that a process writes to."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("output")
        fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)

    def text(self) -> str:
        size = os.fstat(self.fd).st_size
        return os.pread(self.fd, size, 0).decode()


@pytest.fixture
def output() -> Output:
    return Output()


def sh(script: str, **fields: object) -> ProcessSpec:
    return ProcessSpec(argv=("sh", "-c", script), env=PATH, **fields)  # type: ignore[arg-type]  # named by the tests


async def run(pod: PodSandbox, spec: ProcessSpec) -> tuple[int, str]:
    output = Output()
    process = await pod.start(spec, output.fd)
    return await process.wait(), output.text()


async def lines(pod: PodSandbox, script: str, **fields: object) -> list[str]:
    code, text = await run(pod, sh(script, **fields))
    assert code == 0, text
    return text.splitlines()


async def until(condition: str, output: Output) -> None:
    async with asyncio.timeout(5):
        while condition not in output.text():  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.005)


async def test_identity_of_an_ordinary_container(pod: PodSandbox) -> None:
    text = await lines(pod, "id -u; id -G; hostname; umask; pwd; grep -E 'Cap|NoNewPrivs' /proc/self/status")
    assert text[:5] == ["1000", "1000", "reviews-0", "0022", "/"]
    assert all(line.split()[1] == "0" * 16 for line in text if line.startswith("Cap"))
    assert text[-1].split() == ["NoNewPrivs:", "1"]


async def test_environment_is_exactly_what_is_given(pod: PodSandbox) -> None:
    code, text = await run(pod, ProcessSpec(argv=("/usr/bin/env",), env={"A": "1", "B": "two words", "C": ""}))
    assert (code, text) == (0, "A=1\nB=two words\nC=\n")


async def test_capabilities_reach_root_and_others_and_no_more(pod: PodSandbox) -> None:
    wanted = frozenset({"NET_ADMIN", "CAP_NET_RAW"})
    for uid in (0, 1337):
        text = await lines(
            pod, "grep -E 'Cap(Eff|Bnd|Amb)' /proc/self/status; ip link add x type bridge", uid=uid, capabilities=wanted
        )
        assert {line.split()[1] for line in text} == {"0000000000003000"}
        await lines(pod, "ip link del x", uid=uid, capabilities=wanted)


async def test_an_unknown_capability_is_named(pod: PodSandbox, output: Output) -> None:
    with pytest.raises(StartError, match="unknown capability 'NET_ADMINN'"):
        await pod.start(sh("true", capabilities=frozenset({"NET_ADMINN"})), output.fd)


async def test_the_system_cannot_be_written_and_the_rest_is_private(pod: PodSandbox) -> None:
    failing = (
        "for f in /usr/x /etc/ssl/x /opt/x /sys/x /proc/sys/kernel/hostname; do echo 1 > $f && echo wrote $f; done"
    )
    for uid in (0, 1000):
        assert [line for line in await lines(pod, f"({failing}) 2>&1; true", uid=uid) if "wrote" in line] == (
            ["wrote /opt/x"] if uid == 0 else []
        )
    assert not Path("/opt/x").exists()
    mine, *others = await lines(pod, "echo mine > /tmp/a; cat /tmp/a; find /tmp -maxdepth 1 -type f")
    assert (mine, others) == ("mine", ["/tmp/a"])  # a folder there is the way to a clone of this repository below /tmp


async def test_root_without_capabilities_reaches_nothing_of_the_host(pod: PodSandbox) -> None:
    script = (
        "ls /proc/1/root/ && echo reached; cat /proc/1/environ && echo read; echo h > /proc/sysrq-trigger && echo asked"
    )
    text = await lines(pod, f"({script}) 2>&1; true", uid=0, gid=0)
    assert not {"reached", "read", "asked"} & set(text)


async def test_a_read_only_root(pod: PodSandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    script = "touch /x || echo refused; touch /tmp/x || echo refused; touch /data/x && echo kept; echo ok > /dev/null"
    text = await lines(
        pod,
        f"({script}) 2>/dev/null",
        uid=0,
        read_only_root=True,
        mounts=(Mount(source=tmp_path, target="/data"),),
    )
    assert text == ["refused", "refused", "kept"]
    assert (tmp_path / "x").exists()


async def test_devices(pod: PodSandbox) -> None:
    script = "head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo x > /dev/null; "
    code, text = await run(
        pod, sh("echo out >> /dev/stdout; " + script + "test -c /dev/ptmx; touch /dev/shm/x; ls /dev/fd/")
    )
    assert code == 0
    assert text.split()[:3] == ["out", "3", "3"]


async def test_only_the_pods_own_processes_and_links_are_seen(pod: PodSandbox) -> None:
    assert len(await lines(pod, "ls /proc | grep -E '^[0-9]+$'")) <= 4
    assert sorted(await lines(pod, "ls /sys/class/net")) == ["eth0", "lo"]
    assert await lines(pod, "ls -l /proc/self/fd | wc -l") == ["5"]  # a heading, three, and the directory itself


async def test_default_files_and_their_replacement(pod: PodSandbox) -> None:
    text = await lines(pod, "cat /etc/resolv.conf; cat /etc/hostname; grep reviews-0 /etc/hosts")
    assert text[0] == "nameserver 198.19.0.10"
    assert text[1].split() == ["search", "shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    assert text[3:] == ["reviews-0", "198.18.0.7\treviews-0"]
    assert await lines(pod, "cat /etc/hosts", files={"/etc/hosts": b"mine\n"}) == ["mine"]


async def test_volumes_are_shared_between_the_containers_of_a_pod(pod: PodSandbox, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    target = "/opt/ibm/wlp/output"
    await lines(pod, f"echo hello > {target}/file", mounts=(Mount(source=tmp_path, target=target),))
    seen = Mount(source=tmp_path, target="/usr/share/seen", read_only=True)
    script = "cd /usr/share/seen; cat file; touch x 2>/dev/null || echo refused; test -d /usr/share/doc && echo whole"
    assert await lines(pod, script, mounts=(seen,)) == ["hello", "refused", "whole"]


async def test_single_files_and_sockets_are_mounted(pod: PodSandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content\n")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        (tmp_path / "socket").chmod(0o666)
        code = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/lateen/xds.sock'); print('connected')"
        mounts = (
            Mount(source=tmp_path / "file", target="/etc/config/only", read_only=True),
            Mount(source=tmp_path / "socket", target="/run/lateen/xds.sock"),
        )
        text = await lines(pod, f'cat /etc/config/only; {sys.executable} -c "{code}"', mounts=mounts)
    assert text == ["content", "connected"]


async def test_this_interpreter_runs_for_other_users(pod: PodSandbox) -> None:
    code = "import sys, lateen, msgspec; print(sys.prefix)"
    for uid in (1000, 1337):
        spec = ProcessSpec(argv=(sys.executable, "-c", code), env={}, uid=uid)
        assert await run(pod, spec) == (0, f"{sys.prefix}\n")


async def test_an_executable_below_a_private_directory(pod: PodSandbox, tmp_path: Path) -> None:
    program = tmp_path / "private" / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho ran as $(id -u)\n")
    program.chmod(0o755)
    program.parent.parent.chmod(0o700)
    spec = ProcessSpec(argv=(str(program),), env=PATH, visible=(program.parent,))
    assert await run(pod, spec) == (0, "ran as 1000\n")


async def test_the_working_directory_is_made(pod: PodSandbox) -> None:
    assert await lines(pod, "pwd", cwd="/srv/app/data") == ["/srv/app/data"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("nonesuch", 'exec: "nonesuch": executable file not found in $PATH'),
        ("/none/such", 'exec: "/none/such": stat /none/such: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
        ("/usr", 'exec: "/usr": is a directory'),
        ("/scripts/orphan", 'exec: "/scripts/orphan": no such file or directory (the interpreter that its first line'),
        ("/scripts/noise", 'exec: "/scripts/noise": exec format error'),
    ],
)
async def test_why_a_program_does_not_start(
    pod: PodSandbox, output: Output, tmp_path: Path, command: str, reason: str
) -> None:
    for name, content in (("orphan", "#!/none/such\n"), ("noise", "\0\1\2")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    tmp_path.chmod(0o755)
    mounts = (Mount(source=tmp_path, target="/scripts", read_only=True),)
    with pytest.raises(StartError) as caught:
        await pod.start(ProcessSpec(argv=(command,), env=PATH, mounts=mounts), output.fd)
    assert str(caught.value).startswith(reason)
    assert await lines(pod, "echo on") == ["on"]


async def test_exit_codes_and_signals(pod: PodSandbox, output: Output) -> None:
    assert (await run(pod, sh("exit 3")))[0] == 3
    assert (await run(pod, sh("kill -SEGV $$")))[0] == 139
    process = await pod.start(sh("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done"), output.fd)
    await until("up", output)
    assert process.exit_code is None
    process.signal(signal.SIGTERM)
    assert await process.wait() == 7
    assert process.exit_code == 7
    assert output.text() == "up\nbye\n"
    process.signal(signal.SIGTERM)  # too late, and nobody is hurt


async def test_ordinary_signals_end_a_program_without_handlers(pod: PodSandbox, output: Output) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        process = await pod.start(ProcessSpec(argv=("sleep", "60"), env=PATH), output.fd)
        process.signal(number)
        assert await process.wait() == 128 + number


async def test_what_a_container_leaves_behind_ends_with_it(pod: PodSandbox, output: Output) -> None:
    other = await pod.start(ProcessSpec(argv=("sleep", "61"), env=PATH), output.fd)
    code, _ = await run(pod, sh("setsid sleep 60 & setsid sh -c 'sleep 60 & sleep 60' & sleep 0.05"))
    assert code == 0
    async with asyncio.timeout(2):
        while "sleep 60" in await everything(pod):  # noqa: ASYNC110  the kernel tells nobody
            await asyncio.sleep(0.01)
    assert "sleep 61" in await everything(pod)
    assert other.exit_code is None


async def everything(pod: PodSandbox) -> str:
    return "\n".join(await lines(pod, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done"))


async def test_execute_joins_the_container(pod: PodSandbox, output: Output) -> None:
    container = await sleeping(pod, output)
    process = await pod.execute(container, ("sh", "-c", "id -u; cat /tmp/mark; echo $WHO"), stdout_fd=output.fd)
    assert await process.wait() == 0
    assert output.text().split() == ["up", "1000", "marked", "me"]
    with pytest.raises(StartError, match="not found in"):
        await pod.execute(container, ("nonesuch",), stdout_fd=output.fd)


async def sleeping(pod: PodSandbox, output: Output) -> ContainerProcess:
    spec = ProcessSpec(argv=("sh", "-c", "echo marked > /tmp/mark; echo up; exec sleep 60"), env={**PATH, "WHO": "me"})
    container = await pod.start(spec, output.fd)
    await until("up", output)
    return container


async def test_execute_reads_standard_input(pod: PodSandbox, output: Output) -> None:
    container = await sleeping(pod, output)
    reading, writing = os.pipe()
    process = await pod.execute(container, ("wc", "-c"), stdin_fd=reading, stdout_fd=output.fd)
    os.close(reading)
    os.write(writing, b"12345")
    os.close(writing)
    assert await process.wait() == 0
    assert output.text().split()[-1] == "5"


async def test_execute_with_a_terminal(pod: PodSandbox, output: Output) -> None:
    container = await sleeping(pod, output)
    outer, inner = pty.openpty()
    script = ("sh", "-c", "test -t 0 && test -t 1 && exec cat > /dev/tty")
    process = await pod.execute(container, script, stdin_fd=inner, stdout_fd=inner, stderr_fd=inner, terminal=True)
    os.close(inner)
    os.write(outer, b"hello\n")
    seen = b""
    while seen.count(b"hello") < 2:  # what the terminal echoes, and what cat says
        seen += os.read(outer, 100)
    os.write(outer, b"\x03")  # what Ctrl-C sends
    assert await process.wait() == 128 + signal.SIGINT
    os.close(outer)


async def test_execute_in_a_container_that_has_ended(pod: PodSandbox, output: Output) -> None:
    container = await pod.start(sh("true"), output.fd)
    await container.wait()
    with pytest.raises(StartError, match="container is not running"):
        await pod.execute(container, ("true",), stdout_fd=output.fd)


async def test_closing_a_pod_ends_everything_in_it(sandboxes: Sandboxes, pod: PodSandbox, output: Output) -> None:
    container = await sleeping(pod, output)
    await pod.close()
    assert await container.wait() == 137
    assert not Path(f"/proc/{container.pid}").exists()
    with pytest.raises(StartError, match="the pod is not running"):
        await pod.start(sh("true"), output.fd)
    again = await sandboxes.create_pod("reviews-0", "shop", "reviews-0", "198.18.0.7")
    assert await lines(again, "hostname") == ["reviews-0"]


async def test_orphans_are_reaped(pod: PodSandbox, output: Output) -> None:
    await sleeping(pod, output)
    await lines(pod, "sh -c 'sleep 0.01 &'; sleep 0.05")
    assert await lines(pod, "grep -l 'State:.Z' /proc/[0-9]*/status; true") == []


async def test_standard_output_can_be_reopened_by_another_user(pod: PodSandbox, tmp_path: Path) -> None:
    log = tmp_path / "log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchown(descriptor, 1337, 1337)
    process = await pod.start(sh("echo one > /dev/stdout; echo two >> /dev/stderr; echo three", uid=1337), descriptor)
    assert await process.wait() == 0
    os.close(descriptor)
    assert log.read_text() == "one\ntwo\nthree\n"


async def test_large_requests_arrive(pod: PodSandbox) -> None:
    env = {**PATH, **{f"V{number}": "x" * 10_000 for number in range(30)}}
    code, text = await run(pod, ProcessSpec(argv=("sh", "-c", "env | wc -c"), env=env))
    assert code == 0
    assert int(text) > 300_000


async def test_many_at_once(sandboxes: Sandboxes) -> None:
    pods = await asyncio.gather(
        *(sandboxes.create_pod(f"p{n}", "default", f"p{n}", f"198.18.3.{n + 1}") for n in range(10))
    )
    answers = await asyncio.gather(*(lines(pod, "hostname") for pod in pods for _ in range(3)))
    assert [answer[0] for answer in answers] == [f"p{n}" for n in range(10) for _ in range(3)]
