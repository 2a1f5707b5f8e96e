"""Edits of routes, weights, subsets and replicas under load lose no request."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edits import EDITS_PER_S, measured
from support.local_mesh import LocalMesh

pytestmark = pytest.mark.e2e

BOOKINFO = Path(__file__).parents[2] / "examples" / "bookinfo"
SECONDS = 6


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LocalMesh]:
    running = LocalMesh(tmp_path, BOOKINFO / "manifests", images=[BOOKINFO / "images.yaml"])
    try:
        running.await_start()
        yield running
    finally:
        running.stop()


def loss(found: dict[str, object]) -> dict[str, object]:
    return {kind: found[kind] for kind in ("socket_errors", "timeouts", "not_2xx")}


NOTHING = {"socket_errors": 0, "timeouts": 0, "not_2xx": 0}


def test_nothing_is_lost_while_the_configuration_changes(mesh: LocalMesh) -> None:
    found = measured(mesh.port, mesh.api.path, SECONDS)
    assert found["requests"] > 0
    assert found["edits"] > EDITS_PER_S  # routes and replicas both; how many more depends on the machine
    assert loss(found) == NOTHING, found


def test_nothing_is_lost_while_the_control_plane_is_killed_too(mesh: LocalMesh) -> None:
    found = measured(mesh.port, mesh.api.path, SECONDS, kills=2)
    assert mesh.api.get("/lateen/v1/info")["controlPlane"]["restarts"] == 2
    assert found["requests"] > 0
    assert loss(found) == NOTHING, found
