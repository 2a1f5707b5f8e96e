"""Shows a mesh while it starts: a live table of pods on a terminal, a line for each change elsewhere."""

import sys
from typing import Protocol

from lateen.cli.output import Colour, coloured, note, say
from lateen.cli.pod_summary import PodSummary
from lateen.cli.startup import Progress


class Display(Protocol):
    def show(self, progress: Progress) -> None:
        """Bring the display up to date."""
        ...

    def tell(self, text: str) -> None:
        """Write lines that stay, above what changes."""
        ...

    def close(self) -> None:
        """Leave the last state on the screen."""
        ...


def display() -> Display:
    """The display that fits standard output."""
    return LiveTable() if sys.stdout.isatty() else Lines()


class Lines:
    """One line whenever a pod's line changes."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], str] = {}

    def show(self, progress: Progress) -> None:
        for pod in progress.pods:
            text = f"{pod.namespace}/{pod.name}  {pod.ready}/{pod.containers}  {describe(pod)}"
            if self._said.get((pod.namespace, pod.name)) != text:
                self._said[pod.namespace, pod.name] = text
                say(text)

    def tell(self, text: str) -> None:
        note(text)

    def close(self) -> None:
        pass


class LiveTable:
    """A table that is drawn anew in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False)
        self._live = Live(console=self._console, refresh_per_second=10)
        self._live.start()

    def show(self, progress: Progress) -> None:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in ("", "NAMESPACE", "POD", "READY", "STATUS"):
            table.add_column(title, header_style="dim", no_wrap=title != "STATUS")
        for pod in progress.pods:
            mark = Spinner("dots") if not pod.is_up and pod.trouble is None else Text(*_mark(pod))
            table.add_row(
                mark, pod.namespace, pod.name, f"{pod.ready}/{pod.containers}", Text(describe(pod), style=_mark(pod)[1])
            )
        self._live.update(table)

    def tell(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()


def _mark(pod: PodSummary) -> tuple[str, str]:
    if pod.trouble is not None:
        return "✗", "red"
    return ("✓", "green") if pod.is_up else ("·", "yellow")


def describe(pod: PodSummary) -> str:
    """A pod's state in one line: its status, and what it waits for or why it fails."""
    if pod.trouble is not None:
        where = f" ({pod.trouble.container})" if pod.trouble.container else ""
        return f"{pod.status}{where}"
    if pod.is_up:
        return "ready" if pod.status == "Running" else pod.status
    return f"{pod.status}, waits for {pod.waits_for}"


def failure_text(pod: PodSummary, log: list[str]) -> str:
    """Why a pod fails, with the last lines of its log."""
    trouble = pod.trouble
    assert trouble is not None
    where = f", container {trouble.container}" if trouble.container else ""
    head = f"{pod.namespace}/{pod.name}{where}: {trouble.reason}"
    head = coloured(head + (f": {trouble.message}" if trouble.message else ""), Colour.RED)
    return "\n".join([head, *(f"  | {line}" for line in log)])
