"""Who may see debug pages: callers on this machine who ask for this machine."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from lateen.control_plane.app import ControlPlane
from lateen.control_plane.http_server import HttpServer, may_debug
from lateen.xds.listening import TcpAddress


class FromPeer:
    """A transport whose other end is somewhere."""

    def __init__(self, peer: object) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._peer if name == "peername" else default


@pytest.mark.parametrize(
    ("peer", "host", "local"),
    [
        (("127.0.0.1", 1), "127.0.0.1:8080", True),
        (("127.0.0.1", 1), "localhost:8080", True),
        (("::1", 1, 0, 0), "[::1]:8080", True),
        (("::ffff:127.0.0.1", 1, 0, 0), "localhost", True),
        ("", "mesh", True),  # a unix socket
        (("198.18.0.7", 1), "127.0.0.1:8080", False),
        (("127.0.0.6", 1), "127.0.0.1:8080", False),
        (("127.0.0.1", 1), "evil.example:8080", False),
    ],
)
def test_local_is_who_comes_from_this_machine_and_asks_for_it(peer: object, host: str, local: bool) -> None:
    request = make_mocked_request("GET", "/debug/configz", headers={"Host": host}, transport=FromPeer(peer))
    assert may_debug(request) is local


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = HttpServer(ControlPlane())
    listener = await server.listen(TcpAddress("127.0.0.1", 0))
    yield f"http://{listener.address}"
    await server.close()


async def test_others_get_metrics_but_no_debug_pages(url: str) -> None:
    by_name = {"Host": "evil.example"}
    async with aiohttp.ClientSession(url) as session:
        for path, expected in (("/debug", 401), ("/debug/configz", 401), ("/metrics", 200), ("/version", 200)):
            async with session.get(path, headers=by_name) as answer:
                assert answer.status == expected, path
        async with session.get("/debug/configz") as answer:
            assert (answer.status, await answer.json()) == (200, [])


async def test_it_is_not_ready_before_the_configuration_is_known(url: str) -> None:
    async with aiohttp.ClientSession(url) as session, session.get("/ready") as answer:
        assert answer.status == 503
