"""Looks at a mesh through its API and tells what goes wrong, each problem once; `lateen up` decides what follows."""

from typing import Any, Final

from lateen.cli.output import Colour, coloured
from lateen.cli.startup import Outcome, Progress, progress
from lateen.cli.startup_display import Display, failure_text
from lateen.local_runtime.api.client import ApiClient, ApiFailure, NotRunning, object_path

Json = dict[str, Any]

_LOG_LINES: Final = 15


_WORKLOADS: Final = ("deployments", "statefulsets", "daemonsets", "replicasets")
_TITLES: Final = {
    "refused": coloured("Error:", Colour.RED),
    "problems": coloured("Warning:", Colour.YELLOW),
    "notices": "Note:",
}


class Watcher:
    """What was seen last, and what was told already."""

    def __init__(self, client: ApiClient, shown: Display) -> None:
        self._client = client
        self._shown = shown
        self._failed: set[tuple[str, str, str]] = set()
        self._told: set[str] = set()
        self.info: Json = {}
        self.progress = Progress((), ())

    def look(self, quiet: bool = False) -> Outcome:
        """One look; `quiet` shows only what went wrong."""
        try:
            self.info = self._client.get("/lateen/v1/info")
            pods = self._client.get("/api/v1/pods")["items"]
            workloads = [each for kind in _WORKLOADS for each in self._client.get(f"/apis/apps/v1/{kind}")["items"]]
        except (NotRunning, ApiFailure):
            return Outcome.STARTING
        self.progress = progress(pods, workloads)
        if not quiet:
            self._shown.show(self.progress)
        for kind, title in _TITLES.items():
            for text in self.info.get(kind) or []:
                if text not in self._told:
                    self._told.add(text)
                    self._shown.tell(f"{title} {text}")
        self._tell_failures()
        return self.progress.outcome

    def _tell_failures(self) -> None:
        for pod in self.progress.pods:
            if pod.trouble is None or (key := (pod.namespace, pod.name, pod.trouble.container)) in self._failed:
                continue
            self._failed.add(key)
            log = self._last_lines(pod.namespace, pod.name, pod.trouble.container)
            self._shown.tell(failure_text(pod, log))

    def _last_lines(self, namespace: str, name: str, container: str) -> list[str]:
        """The end of the container's log: of this run, or of the one before if this one has written nothing."""
        for previous in (False, True):
            query: dict[str, str | int | bool] = {"tailLines": _LOG_LINES, "previous": previous}
            if container:
                query["container"] = container
            try:
                text = b"".join(self._client.stream(object_path("v1", "pods", namespace, name, "log"), query))
            except (NotRunning, ApiFailure):
                continue
            if text.strip():
                return text.decode(errors="replace").splitlines()
        return []
