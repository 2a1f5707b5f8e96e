"""Whether and when a container that has ended is started again. Pure; the numbers are the kubelet's."""

from enum import Enum
from typing import Final

import msgspec

from lateen.local_runtime.pods.status import Terminated

_FIRST: Final = 10.0
_LONGEST: Final = 300.0
_FORGOTTEN_AFTER: Final = 600.0


class Role(Enum):
    """What a container is in its pod."""

    INIT = "init"
    SIDECAR = "sidecar"
    """An init container that goes on running beside the others."""
    MAIN = "main"


def restarts(policy: str, outcome: Terminated, role: Role) -> bool:
    """Whether a pod with this restartPolicy starts the container again.

    A sidecar is always started again; an init container that succeeded is done.
    """
    if role is Role.SIDECAR:
        return True
    if policy == "Never":
        return False
    return outcome.exit_code != 0 or (policy == "Always" and role is Role.MAIN)


class BackOff(msgspec.Struct, frozen=True):
    """How often a container has ended in a row; one that ran for 10 minutes starts afresh."""

    ends: int = 0

    def after(self, outcome: Terminated) -> "BackOff":
        ran = (outcome.until - outcome.since).total_seconds()
        return BackOff(1 if ran >= _FORGOTTEN_AFTER else self.ends + 1)

    @property
    def delay(self) -> float:
        """Seconds to wait: none the first time, then 10, doubling up to 5 minutes."""
        return 0.0 if self.ends <= 1 else min(_LONGEST, _FIRST * 2 ** min(self.ends - 2, 10))
