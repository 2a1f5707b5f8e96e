"""What a probe puts on the wire, and what it makes of the answers."""

import asyncio

import pytest

from lateen.local_runtime.pods.asking import ask, request_bytes, status_code
from lateen.local_runtime.pods.probes import Execute, HttpGet, TcpConnect


def test_the_request_is_http_with_the_probes_own_headers():
    text = request_bytes(HttpGet(80, "ready", headers=(("Host", "x"), ("A", "b"))), "198.18.1.1").decode()
    lines = text.split("\r\n")
    assert lines[0] == "GET /ready HTTP/1.1"
    assert "Host: x" in lines
    assert "A: b" in lines
    assert sum(line.lower().startswith("host:") for line in lines) == 1
    assert text.endswith("\r\n\r\n")


@pytest.mark.parametrize(("received", "code"), [(b"HTTP/1.1 200 OK\r\n", 200), (b"HTTP/1.0 503\r\n\r\n", 503)])
def test_status_lines(received, code):
    assert status_code(received) == code


@pytest.mark.parametrize("received", [b"", b"SSH-2.0-x 200\r\n", b"HTTP/1.1 abc\r\n"])
def test_what_is_not_http(received):
    with pytest.raises(ValueError, match=r".+"):
        status_code(received)


async def told(action, execute=None, seconds=1.0):
    class Nobody:
        async def connect(self, _host, _port):
            raise ConnectionRefusedError(111, "Connection refused")

    return await ask(action, seconds, "198.18.1.1", Nobody(), execute)


async def test_what_is_wrong_is_said():
    async def fails(_command):
        return 7

    async def hangs(_command):
        await asyncio.Event().wait()

    async def works(_command):
        return 0

    assert await told(TcpConnect(1)) == "Connection refused"
    assert await told(Execute(("x",)), fails) == "exit code 7"
    assert await told(Execute(("x",)), works) is None
    assert await told(Execute(("x",)), hangs, 0.001) == "no answer within 0.001 s"
