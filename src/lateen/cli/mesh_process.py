"""The process that runs the mesh, as `lateen up` starts it and hears from it. Its other half is `supervise`."""

import json
import os
import subprocess
import sys
from typing import Any, Final

from lateen.cli.output import Failure, note
from lateen.local_runtime import preflight
from lateen.local_runtime.api.client import ApiClient
from lateen.local_runtime.errors import LocalRuntimeError, PreflightError
from lateen.local_runtime.state_directory import AlreadyRunning, StateDirectory

Json = dict[str, Any]

_LOG_LINES: Final = 15


class MeshProcess:
    """The process that runs the mesh, from here."""

    def __init__(self, state: StateDirectory, orders: Json, detach: bool) -> None:
        self.state = state
        self.client = ApiClient(state.api_socket)
        try:
            preflight.check_system()
        except PreflightError as error:
            raise Failure(str(error)) from None
        if pid := state.holder():
            raise Failure(str(AlreadyRunning(state.root, pid)))
        try:
            state.make()
            log = state.log.open("wb")
        except LocalRuntimeError as error:
            raise Failure(str(error)) from None
        except OSError as error:
            raise Failure(
                f"cannot use {state.root} as state directory ({error.strerror}); name another with --state-dir"
            ) from error
        hears, reports = os.pipe()
        holds, self._life_line = os.pipe()
        orders = {**orders, "report": reports, "life_line": None if detach else holds}
        # Of the current directory nothing is imported (-P), whatever files it has.
        argv = [sys.executable, "-P", "-m", "lateen.cli", "supervise", json.dumps(orders)]
        with log:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(reports,) if detach else (reports, holds),
                cwd="/",
            )
        os.close(reports)
        os.close(holds)
        self._report = hears

    def await_start(self) -> None:
        """Return once the API answers. Raises `Failure` with the reason if the mesh could not start."""
        said = b""
        while not said.endswith(b"\n") and (piece := os.read(self._report, 65536)):
            said += piece
        os.close(self._report)
        if not said:
            code = self.process.wait()
            raise Failure(f"the mesh ended while it started (exit code {code}):\n{self.last_words()}")
        answer = json.loads(said)
        if "error" in answer:
            self.process.wait()
            raise Failure(answer["error"] + (f"\n{self.last_words()}" if answer.get("bug") else ""))

    def last_words(self) -> str:
        lines = self.state.log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(f"  | {line}" for line in lines) + f"\n  the whole log: {self.state.log}"

    def take_down(self) -> None:
        """Ask it to end, wait, and on a second Ctrl-C wait no longer: the kernel then clears what it held."""
        note("\ntaking the mesh down …")
        os.close(self._life_line)
        try:
            self.process.wait()
        except KeyboardInterrupt:
            self.process.kill()
            self.process.wait()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, at most so long; whether it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
