"""A served store and a client on its socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from support import api_server
from support.api_server import Json, Served


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path)
    await made.server.serve(made.path)
    yield made
    await made.server.close()


@pytest.fixture
async def session(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with served.session() as opened:
        yield opened


@pytest.fixture
def web_pod(served: Served) -> Json:
    return served.put(api_server.web_pod())
