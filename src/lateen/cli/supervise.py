"""The background half of `lateen up`: the process that is the mesh. Its parent hears whether it started.

One argument, JSON of `Orders`. The report is one line of JSON on a descriptor: `{}` once the API answers, or
`{"error": "…"}`, with `"bug": true` where nobody foresaw it. When the other descriptor, the life line, ends, so does
the mesh.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from lateen.local_runtime.users import Users


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What to bring up, and how to reach the parent. Without a life line the mesh outlives its parent."""

    paths: list[str]
    images: list[str] = []
    publish: list[str] = []
    state_dir: str
    report: int
    life_line: int | None = None


def main(argv: Sequence[str]) -> int:
    """Run the mesh until it is told to stop; 0 after an orderly end, 1 if it could not start or broke."""
    orders = msgspec.json.decode(argv[0], type=Orders)
    for descriptor in (orders.report, orders.life_line):
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    report = _Report(orders.report)
    try:
        from lateen.local_runtime import user_namespace

        users = user_namespace.enter()  # before there is a second thread
        import uvloop

        uvloop.run(_run(orders, users, report))
    except Exception as error:
        report.failed(error)
        traceback.print_exc()
        return 1
    return 0


class _Report:
    """One line to the parent, the first that is known."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def started(self) -> None:
        self._say({})

    def failed(self, error: Exception) -> None:
        from lateen.local_runtime.errors import LocalRuntimeError
        from lateen.local_runtime.pods.images import InvalidCatalogue

        expected = isinstance(error, LocalRuntimeError | InvalidCatalogue | ValueError)
        self._say({"error": str(error)} if expected else {"error": f"{type(error).__name__}: {error}", "bug": True})

    def _say(self, line: dict[str, Any]) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")
        except BrokenPipeError:
            pass  # the parent has left; the life line, if there is one, tells the rest
        os.close(self._descriptor)
        self._descriptor = None


async def _run(orders: Orders, users: "Users", report: _Report) -> None:
    from lateen.local_runtime.plan.published import DEFAULT, parse_publish
    from lateen.local_runtime.state_directory import StateDirectory
    from lateen.local_runtime.supervisor import Supervisor, SupervisorSettings

    settings = SupervisorSettings(
        paths=tuple(Path(path) for path in orders.paths),
        images=tuple(Path(path) for path in orders.images),
        publish=tuple(parse_publish(text) for text in orders.publish) or DEFAULT,
        state=StateDirectory(Path(orders.state_dir)),
        users=users,
    )
    supervisor = Supervisor(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _log_tasks)
    if orders.life_line is not None:
        loop = asyncio.get_running_loop()
        life_line = orders.life_line

        def ended() -> None:
            loop.remove_reader(life_line)
            supervisor.shut_down()

        loop.add_reader(life_line, ended)
    await supervisor.run(report.started)


def _log_tasks() -> None:
    """What every task waits for, to the log: the answer to "why does nothing happen?"."""
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()
