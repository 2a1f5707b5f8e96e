"""Whether the proxy can take traffic: asked of Envoy until it once could, then remembered until shutdown begins."""

import asyncio
from collections.abc import Callable

from lateen.envoy.admin import Admin, StartupState
from lateen.envoy.errors import AdminError

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class Readiness:
    """The answer to `/healthz/ready`."""

    def __init__(self, admin: Admin, became_ready: Callable[[], None]) -> None:
        self._admin = admin
        self._became_ready = became_ready
        self._lock = asyncio.Lock()
        self._was_ready = False
        self._draining = False

    def drain(self) -> None:
        """From now on the proxy is not ready."""
        self._draining = True

    @property
    def was_ready(self) -> bool:
        """Whether the proxy ever took traffic."""
        return self._was_ready

    async def problem(self) -> str | None:
        """What the proxy is still waiting for; None when it is ready. Callers at the same time share one look."""
        async with self._lock:
            if self._draining:
                return "the proxy is shutting down"
            if self._was_ready:
                return None
            try:
                found = missing(await self._admin.startup_state())
            except AdminError as error:
                return str(error)
            if found is None and not self._was_ready:
                self._was_ready = True
                self._became_ready()
            return found

    async def wait(self) -> None:
        """Returns when the proxy is ready: looked at often at first, so a start is seen at once, then each second."""
        pause = _FIRST_PAUSE
        while await self.problem() is not None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.25, _LONGEST_PAUSE)


def missing(state: StartupState) -> str | None:
    """The first thing that keeps Envoy from taking traffic."""
    for name, updates in (("CDS", state.clusters), ("LDS", state.listeners)):
        if updates.accepted == 0:
            refused = f"; {updates.rejected} refused by Envoy" if updates.rejected else ""
            return f"no {name} update from the control plane has been accepted yet{refused}"
    if not state.live:
        return "Envoy is not live"
    if not state.workers_started:
        return "Envoy's workers have not started"
    return None
