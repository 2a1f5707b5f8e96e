"""Container logs as files: `<pod's directory>/<container>/<restart>.log`, the current run's and the one before.

Containers write to the file itself, so nothing of ours stands between a program and its log.
"""

import os
import shutil
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 20 * 1024 * 1024
"""A log that has grown beyond this is copied to `<restart>.log.1` and begun anew."""

_KEPT_RUNS: Final = 2
_TAIL_BYTES: Final = 2048
_TAIL_LINES: Final = 80


class ContainerLogs:
    """The logs of one pod's containers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, container: str, restart: int, uid: int, gid: int) -> int:
        """A descriptor to append to the log of this run; the runs before the last are removed.

        The file is the container's user's, which lets a program open /dev/stdout again.
        """
        path = self.path(container, restart)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        os.fchown(descriptor, uid, gid)
        old = self.path(container, restart - _KEPT_RUNS)
        for stale in (old, _older(old)):
            stale.unlink(missing_ok=True)
        return descriptor

    def path(self, container: str, restart: int) -> Path:
        return self._directory / container / f"{restart}.log"

    def tail(self, container: str, restart: int) -> str:
        """The last lines of a run, as Kubernetes takes them for the message of a failed container."""
        try:
            with self.path(container, restart).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-_TAIL_LINES:])

    def bound(self, container: str, restart: int) -> None:
        """Begin a log anew that has grown too large. Lines written while it is copied may be lost."""
        path = self.path(container, restart)
        try:
            if path.stat().st_size > MAX_BYTES:
                shutil.copyfile(path, _older(path))
                os.truncate(path, 0)
        except FileNotFoundError:
            return


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")
