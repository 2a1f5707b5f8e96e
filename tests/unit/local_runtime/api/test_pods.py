"""Logs, commands and the proxy of pods."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from lateen.config.objects import ObjectRef
from lateen.local_runtime.api.exec_protocol import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT

Json = dict[str, Any]
POD = "/api/v1/namespaces/default/pods/web"
REF = ObjectRef("", "Pod", "default", "web")


@pytest.fixture(autouse=True)
def _a_pod(web_pod: Json) -> None:
    """Every test has one."""


def running(restarts: int = 0) -> Json:
    return {"containerStatuses": [{"name": "app", "restartCount": restarts, "state": {"running": {}}}]}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "one\ntwo\nthree\n"),
        ("tailLines=2", "two\nthree\n"),
        ("tailLines=0", ""),
        ("tailLines=9", "one\ntwo\nthree\n"),
        ("container=app&sinceSeconds=3600", "one\ntwo\nthree\n"),
        ("previous=true", "before\n"),
        ("container=setup", "no newline at the end"),
        ("container=setup&tailLines=1", "no newline at the end"),
    ],
)
async def test_logs(session: aiohttp.ClientSession, tmp_path: Path, query: str, text: str) -> None:
    (tmp_path / "web.app").write_text("one\ntwo\nthree\n")
    (tmp_path / "web.app.previous").write_text("before\n")
    (tmp_path / "web.setup").write_text("no newline at the end")
    async with session.get(f"{POD}/log?{query}") as answer:
        assert (answer.status, await answer.text()) == (200, text)


async def test_the_tail_of_a_long_log(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    lines = [f"{number} {'x' * 50}" for number in range(5000)]
    (tmp_path / "web.app").write_text("\n".join(lines) + "\n")
    async with session.get(f"{POD}/log?tailLines=3000") as answer:
        assert (await answer.text()).splitlines() == lines[-3000:]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"{POD}/log?container=nobody", 400, "it has app, never, setup"),
        (f"{POD}/log?container=never", 400, "has not started"),
        (f"{POD}/log?tailLines=-1", 400, "tailLines must be a number"),
        (f"{POD}/log", 400, "has not written a log"),
        ("/api/v1/namespaces/default/pods/other/log", 404, 'pods "other" not found'),
        (f"{POD}/exec", 400, "a command must be given"),
        (f"{POD}/exec?command=ls", 400, "WebSocket"),
    ],
)
async def test_what_cannot_be_had_is_said(session: aiohttp.ClientSession, path: str, code: int, message: str) -> None:
    async with session.get(path) as answer:
        assert answer.status == code
        assert message in (await answer.json())["message"]


async def test_a_log_is_followed_until_the_run_ends(
    served: Any, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    log = tmp_path / "web.app"
    log.write_text("one\n")
    served.store.put_status(REF, running())
    async with session.get(f"{POD}/log?follow=true") as answer:
        assert await answer.content.readline() == b"one\n"
        with log.open("a") as more:
            more.write("two\n")
        assert await asyncio.wait_for(answer.content.readline(), 5) == b"two\n"
        log.write_text("")  # cut short, as it had grown too large
        await asyncio.sleep(0.25)
        with log.open("a") as more:
            more.write("anew\n")
        assert await asyncio.wait_for(answer.content.readline(), 5) == b"anew\n"
        served.store.put_status(REF, running(restarts=1))
        assert await asyncio.wait_for(answer.content.read(), 5) == b""


class Command:
    """One command over the WebSocket; what it wrote by channel."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.output = {STDOUT: b"", STDERR: b""}

    async def until_written(self, text: bytes) -> None:
        async with asyncio.timeout(5):
            while text not in self.output[STDOUT]:
                await self._next()

    async def ends(self) -> Json:
        """The Status on the error channel."""
        async with asyncio.timeout(5):
            while (status := await self._next()) is None:
                pass
            assert (await self.ws.receive()).type is aiohttp.WSMsgType.CLOSE
        return status

    async def _next(self) -> Json | None:
        data = (await self.ws.receive()).data
        assert isinstance(data, bytes), data
        if data[0] == ERROR:
            status: Json = json.loads(data[1:])
            return status
        self.output[data[0]] += data[1:]
        return None


async def execute(session: aiohttp.ClientSession, *argv: str, protocol: str = "v5", **flags: str) -> Command:
    query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "true"), *flags.items()]
    return Command(await session.ws_connect(f"{POD}/exec", params=query, protocols=[f"{protocol}.channel.k8s.io"]))


@pytest.mark.parametrize("protocol", ["v4", "v5"])
async def test_a_command_writes_and_fails_with_its_code(session: aiohttp.ClientSession, protocol: str) -> None:
    command = await execute(session, "sh", "-c", "echo out; echo err >&2; exit 3", protocol=protocol)
    assert command.ws.protocol == f"{protocol}.channel.k8s.io"
    status = await command.ends()
    assert command.output == {STDOUT: b"out\n", STDERR: b"err\n"}
    assert (status["reason"], status["details"]["causes"]) == (
        "NonZeroExitCode",
        [{"reason": "ExitCode", "message": "3"}],
    )


async def test_input_reaches_the_command_and_ends(session: aiohttp.ClientSession) -> None:
    command = await execute(session, "cat", stdin="true")
    big = b"x" * 300_000
    for start in range(0, len(big), 30_000):
        await command.ws.send_bytes(bytes([STDIN]) + big[start : start + 30_000])
    await command.ws.send_bytes(bytes([CLOSE, STDIN]))
    assert (await command.ends())["status"] == "Success"
    assert command.output[STDOUT] == big


async def test_without_input_a_command_reads_nothing(session: aiohttp.ClientSession) -> None:
    assert (await (await execute(session, "cat")).ends())["status"] == "Success"


async def test_a_terminal_has_a_size_and_a_job(session: aiohttp.ClientSession) -> None:
    command = await execute(session, "sh", "-c", "read x; stty size; tty -s && echo terminal", stdin="true", tty="true")
    await command.ws.send_bytes(bytes([RESIZE]) + b'{"Width": 91, "Height": 33}')
    await command.ws.send_bytes(bytes([STDIN]) + b"go\n")
    assert (await command.ends())["status"] == "Success"
    assert b"33 91\r\nterminal\r\n" in command.output[STDOUT]


async def test_a_command_dies_with_its_client(served: Any, session: aiohttp.ClientSession) -> None:
    command = await execute(session, "sh", "-c", "echo ready; exec sleep 60")
    await command.until_written(b"ready\n")
    await command.ws.close()
    async with asyncio.timeout(5):
        assert await served.pods.children[0].wait() == -9


async def test_a_process_left_behind_does_not_hold_the_command_up(session: aiohttp.ClientSession) -> None:
    command = await execute(session, "sh", "-c", "sleep 60 & echo $!")
    assert (await command.ends())["status"] == "Success"
    os.kill(int(command.output[STDOUT]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("argv", "container", "message"),
    [(["/no/such/program"], "app", "cannot run /no/such/program: No such file"), (["ls"], "never", "is not running")],
)
async def test_a_command_that_cannot_be_run(
    session: aiohttp.ClientSession, argv: list[str], container: str, message: str
) -> None:
    status = await (await execute(session, *argv, container=container)).ends()
    assert status["status"] == "Failure"
    assert message in status["message"]


@pytest.fixture
async def upstream() -> Any:
    async def answer(request: web.Request) -> web.Response:
        body = await request.text()
        told = {"path": request.raw_path, "method": request.method, "body": body, "x": request.headers.get("x-test")}
        return web.json_response(told, status=202, headers={"x-answer": "yes"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_the_proxy_passes_a_request_on(session: aiohttp.ClientSession, upstream: int) -> None:
    options: Json = {"data": "hello", "headers": {"x-test": "1"}}
    async with session.post(f"{POD}:{upstream}/proxy/a%20b/?q=1&r", **options) as answer:
        assert (answer.status, answer.headers["x-answer"]) == (202, "yes")
        assert await answer.json() == {"path": "/a%20b/?q=1&r", "method": "POST", "body": "hello", "x": "1"}


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [("web:1", 503, "error trying to reach pod web on port 1"), ("web:http", 400, "not NAME:PORT"), ("x:1", 404, "")],
)
async def test_the_proxy_says_what_fails(session: aiohttp.ClientSession, name: str, code: int, message: str) -> None:
    async with session.get(f"/api/v1/namespaces/default/pods/{name}/proxy/") as answer:
        assert answer.status == code
        assert message in (await answer.json())["message"]
