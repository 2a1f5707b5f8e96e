"""The agent's own log: a line an event on standard error, as text or JSON.

The standard library's `logging` is not used because it is not needed: Envoy is started before an event loop is loaded.
"""

import json
import sys
import time
from typing import NamedTuple

LEVELS = ("debug", "info", "warn", "error", "none")


class Log(NamedTuple):
    """Writes events of at least `level`."""

    level: str = "info"
    as_json: bool = False

    def debug(self, message: str) -> None:
        self._write("debug", message)

    def info(self, message: str) -> None:
        self._write("info", message)

    def warn(self, message: str) -> None:
        self._write("warn", message)

    def error(self, message: str) -> None:
        self._write("error", message)

    def _write(self, level: str, message: str) -> None:
        if LEVELS.index(level) < LEVELS.index(self.level):
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        if self.as_json:
            line = json.dumps({"time": stamp, "level": level, "msg": message})
        else:
            line = f"{stamp}\t{level}\t{message}"
        print(line, file=sys.stderr, flush=True)


def level_of(output_level: str) -> str:
    """The level that `--log_output_level` asks for, such as `default:info` or `default:info,xds:debug`.

    The agent has one scope, `default`; a level without a scope is that one's. Raises `ValueError` for an unknown level.
    """
    level = "info"
    for part in output_level.split(","):
        scope, separator, named = part.strip().rpartition(":")
        if separator and scope not in ("default", "all"):
            continue
        level = {"warning": "warn", "fatal": "error"}.get(named, named)
    if level not in LEVELS:
        raise ValueError(f"unknown log level {level!r}: one of {', '.join(LEVELS)}")
    return level
