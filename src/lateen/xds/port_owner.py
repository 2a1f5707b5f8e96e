"""Who listens on a TCP port of this machine, for the message to whoever finds it taken."""

import contextlib
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"


def by_whom(port: int) -> str:
    """ " by nginx (pid 71)", or nothing where it cannot be seen."""
    inodes = {inode for name in ("tcp", "tcp6") for inode in _listening_inodes(Path("/proc/net") / name, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and wanted and _has_open(process, wanted):
            with contextlib.suppress(OSError):
                return f" by {(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _listening_inodes(table: Path, port: int) -> set[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port}


def _has_open(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in wanted for entry in (process / "fd").iterdir())
    except OSError:
        return False
