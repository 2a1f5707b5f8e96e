"""What a controller does next for one workload."""

import msgspec


class Step(msgspec.Struct, frozen=True):
    """Names of pods to make and of pods to end, and after how many seconds to look again if nothing else happens."""

    create: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    again: float | None = None
