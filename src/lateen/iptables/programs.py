"""Running the programs that change the network, or only writing down what would be run."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from lateen.iptables.errors import ApplyError

_PACKAGES = {"nft": "nftables", "ip": "iproute2"}
_FORBIDDEN = ("operation not permitted", "permission denied", "must be root")


class Programs(Protocol):
    """What the backends need of the outside."""

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        """The program's output; raises `ApplyError` when it is missing or fails. `lines` are its input."""

    def has(self, program: str) -> bool:
        """Whether the program is installed."""


class RealPrograms:
    """Runs them, in this process's network namespace.

    `place` is whose files they are, for the advice where one is missing; `variables` are added to the environment.
    """

    def __init__(self, place: str = "the image of the sidecar", variables: Mapping[str, str] | None = None) -> None:
        self._place, self._environ = place, {**os.environ, **(variables or {})}

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        text = "".join(f"{line}\n" for line in lines)
        try:
            done = subprocess.run(
                argv, input=text, capture_output=True, text=True, errors="replace", check=False, env=self._environ
            )
        except FileNotFoundError:
            package = _PACKAGES.get(argv[0], "iptables")
            raise ApplyError(f"{argv[0]} is not installed: {self._place} must have {package}") from None
        except OSError as error:
            raise ApplyError(f"{argv[0]} cannot be started: {error.strerror}") from None
        if done.returncode:
            raise ApplyError(_failure(argv, done.returncode, done.stderr.strip()))
        return done.stdout

    def has(self, program: str) -> bool:
        places = os.environ.get("PATH", os.defpath).split(os.pathsep)
        return any(os.access(os.path.join(place, program), os.X_OK) for place in places)  # noqa: PTH118 (start-up time)


class RecordedPrograms:
    """Runs nothing: keeps one line per command, or the input lines of a command that has some."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run(self, argv: Sequence[str], lines: Sequence[str] = ()) -> str:
        self.lines += lines or [" ".join(argv)]
        return ""

    def has(self, program: str) -> bool:  # noqa: ARG002 (the interface's name)
        return False


_XTABLES_FAILURES = {1: "other problem", 2: "parameter problem", 3: "version problem", 4: "resource problem"}


def _failure(argv: Sequence[str], code: int, stderr: str) -> str:
    command = " ".join(argv)
    kind = f" ({_XTABLES_FAILURES[code]})" if "tables" in argv[0] and code in _XTABLES_FAILURES else ""
    message = f"{command} failed with exit code {code}{kind}: {stderr or 'no message'}"
    if "holding the xtables lock" in stderr:
        message += "; nothing was changed: run again when the other program is done"
    elif any(phrase in stderr.lower() for phrase in _FORBIDDEN):
        message += "; this needs NET_ADMIN in the network namespace: run as root, or grant the capability"
    return message
