"""What the control plane counts as it goes; `metrics.py` says what it means to whoever scrapes it."""

from collections import Counter
from typing import Final

from lateen.common.histogram import Histogram
from lateen.config.kinds.endpoint_slice import EndpointSlice
from lateen.config.kinds.endpoints import Endpoints
from lateen.config.kinds.mesh_config import MeshConfig
from lateen.config.kinds.namespace import Namespace
from lateen.config.kinds.pod import Pod
from lateen.config.kinds.service import KubernetesService
from lateen.config.store import Change, ChangeSet
from lateen.inject.admission import Outcome

_DELAYS_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_INJECTION_S: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_REASONS: Final = {
    (kind.GROUP, kind.KIND): reason
    for kind, reason in (
        (KubernetesService, "service"),
        (EndpointSlice, "endpoint"),
        (Endpoints, "endpoint"),
        (Pod, "endpoint"),
        (Namespace, "namespace"),
        (MeshConfig, "global"),
    )
}
_UPDATES: Final = {"service": "svc", "endpoint": "eds", "config": "config"}


class Counts:
    """From the program's start on. Times in seconds."""

    def __init__(self) -> None:
        self.convergence = Histogram(_DELAYS_S)
        """From a change being taken until a proxy it concerns has accepted everything, once for each such proxy."""
        self.push = Histogram(_DELAYS_S)
        """How long a batch of changes took to be worked out and offered to all whom it concerns."""
        self.lag = Histogram(_DELAYS_S)
        """How late the event loop was for a timer, looked at now and then."""
        self.triggers: Counter[str] = Counter()
        """Batches of changes, by what was among them."""
        self.updates: Counter[str] = Counter()
        """Changed objects, by what they are about."""
        self.rejected = 0
        """Problems that kept an object, or a file, from being used."""

    def took(self, changes: ChangeSet) -> None:
        """Count a batch that was taken."""
        reasons = [_reason(change) for change in changes]
        self.triggers.update(set(reasons) - {""})
        self.updates.update(filter(None, map(_update, changes, reasons)))
        self.rejected += len(changes.rejected)


class InjectionCounts:
    """What the webhook was asked for, from the program's start on."""

    def __init__(self) -> None:
        self.requests = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.seconds = Histogram(_INJECTION_S)
        """From a request's body being there until its answer is, waiting included."""
        self.turned_away = 0
        """Requests that were not looked at, because too many were under way."""

    def answered(self, outcome: Outcome, seconds: float | None = None) -> None:
        """Count a request; no seconds for one that had no body to work on."""
        self.requests += 1
        self.outcomes[outcome] += 1
        if seconds is not None:
            self.seconds.observe(seconds)


def _reason(change: Change) -> str:
    if change.ref.group.endswith(".istio.io") and change.ref.kind != MeshConfig.KIND:
        return "config"
    return _REASONS.get((change.ref.group, change.ref.kind), "")


def _update(change: Change, reason: str) -> str:
    return "svcdelete" if reason == "service" and change.new is None else _UPDATES.get(reason, "")
