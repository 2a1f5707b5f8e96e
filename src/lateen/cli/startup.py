"""How far a mesh has come since it was started: what is up, what it waits for, what failed. Pure."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import msgspec

from lateen.cli.pod_summary import PodSummary, summarise

Json = dict[str, Any]


class Outcome(Enum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    """Nothing is left to wait for: what is not ready fails."""


class Missing(msgspec.Struct, frozen=True):
    """A Deployment or its like with fewer pods than it wants, and why where it says so."""

    name: str
    namespace: str
    wanted: int
    there: int
    reason: str


class Progress(msgspec.Struct, frozen=True):
    """The mesh at one moment."""

    pods: tuple[PodSummary, ...]
    missing: tuple[Missing, ...]

    @property
    def outcome(self) -> Outcome:
        if any(not pod.is_up and pod.trouble is None for pod in self.pods):
            return Outcome.STARTING
        if any(not each.reason for each in self.missing):
            return Outcome.STARTING
        return Outcome.FAILED if self.missing or any(pod.trouble for pod in self.pods) else Outcome.READY


def progress(pods: Sequence[Json], deployments: Sequence[Json]) -> Progress:
    """What the API's lists of pods and of the workloads that keep a number of them say."""
    return Progress(tuple(summarise(pod) for pod in pods), tuple(_missing(pods, deployments)))


def _missing(pods: Sequence[Json], deployments: Sequence[Json]) -> Iterator[Missing]:
    for deployment in deployments:
        spec, metadata = deployment.get("spec") or {}, deployment["metadata"]
        labels = ((spec.get("selector") or {}).get("matchLabels") or {}).items()
        there = sum(
            1
            for pod in pods
            if pod["metadata"].get("namespace") == metadata["namespace"]
            and labels <= (pod["metadata"].get("labels") or {}).items()
        )
        wanted = spec.get("replicas", 1)
        if there < wanted:
            yield Missing(metadata["name"], metadata["namespace"], wanted, there, _reason(deployment))


def _reason(deployment: Json) -> str:
    for condition in (deployment.get("status") or {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return str(condition.get("message") or condition.get("reason") or "its pods cannot be made")
    return ""
