"""Meshes that end-to-end tests share: starting one is what takes the time."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import lab
from support.local_mesh import LocalMesh, write_manifest

BOOKINFO = Path(__file__).parents[2] / "examples" / "bookinfo"


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Our bookinfo with its gateway, and the lab; `manifests` in its directory is what it watches."""
    directory = tmp_path_factory.mktemp("mesh")
    manifests = shutil.copytree(BOOKINFO / "manifests", directory / "manifests")
    write_manifest(manifests / "lab.yaml", *lab.manifests())
    running = LocalMesh(directory, manifests, images=[BOOKINFO / "images.yaml"])
    try:
        running.await_start()
        yield running
    finally:
        running.stop()
