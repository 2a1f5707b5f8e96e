"""An ordinary user of this machine, made for a test, and an interpreter that it can run."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lateen
from lateen.local_runtime.subordinate_ids import ENOUGH, Grants

SYSTEM_PYTHON = "/usr/bin/python3"
IDS = (Path("/etc/subuid"), Path("/etc/subgid"))
PACKAGE = Path(lateen.__file__).parent


class OrdinaryUser:
    """A user with a directory of its own. `program` runs the `lateen` of this checkout as the user."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.python = self._python()
        # The signal is asked for after the change of user, which would clear it.
        become = ("setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", "--pdeathsig", "KILL")
        self.program = (*become, self.python, "-P", "-m", "lateen.cli")

    def run(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program as the user. Raises `PermissionError` for one that only others may run."""
        return subprocess.run(
            argv,
            user=self.name,
            group=self.name,
            extra_groups=(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd="/",
            env={**os.environ, **environment},
        )

    def room(self, name: str) -> Path:
        """A new directory that is the user's."""
        made = self.directory / name
        made.mkdir()
        shutil.chown(made, self.name, self.name)
        return made

    def _python(self) -> str:
        """One that has what lateen needs: ours, unless it is where only root may go; then the system's, with a copy.

        Skips the test where that is another version.
        """
        if self._imports(sys.executable):
            return sys.executable
        copy = self.directory / "runtime"
        subprocess.run((SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(copy)), check=True)
        for path in map(Path, sys.path):
            if path.name == "site-packages":
                packages = copy / path.relative_to(sys.prefix)
                shutil.rmtree(packages, ignore_errors=True)
                shutil.copytree(path, packages, copy_function=_link, ignore=shutil.ignore_patterns("_lateen.pth"))
                shutil.copytree(PACKAGE, packages / "lateen", ignore=shutil.ignore_patterns("__pycache__"))
        python = str(copy / "bin" / "python")
        if not self._imports(python):
            pytest.skip(f"only root may run {sys.executable}, and {SYSTEM_PYTHON} is of another version")
        return python

    def _imports(self, python: str) -> bool:
        try:
            return self.run(python, "-P", "-c", "import lateen.cli.__main__, envoy, msgspec").returncode == 0
        except PermissionError:
            return False


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def ordinary_user(name: str, *, subordinate: bool) -> Iterator[OrdinaryUser]:
    """A user with or without subordinate ids; it, its processes and its files are gone afterwards."""
    # Users of the system are given none unless asked.
    subprocess.run(("useradd", "--system", "--user-group", "--no-create-home", name), check=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        directory.chmod(0o755)
        if subordinate:
            first = max(Grants(file.read_text()).end for file in IDS)
            ids = f"{first}-{first + ENOUGH - 1}"
            subprocess.run(("usermod", "--add-subuids", ids, "--add-subgids", ids, name), check=True)
        yield OrdinaryUser(name, directory)
    finally:
        shutil.rmtree(directory)
        subprocess.run(("userdel", name), check=True, capture_output=True)
