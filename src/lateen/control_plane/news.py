"""What is wrong with objects in force, and what proxies refuse: told once, with where it is written."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from lateen.config.objects import ObjectRef, Origin
from lateen.control_plane.app import ControlPlane
from lateen.model.mesh import Diagnostic

_log = logging.getLogger(__name__)

_QUIET_S: Final = 0.5
"""Looked at when nothing has changed for so long: looking walks everything that is watched."""


class News:
    """Tells of one control plane; `origin` knows where an object is written."""

    def __init__(self, control_plane: ControlPlane, origin: Callable[[ObjectRef], Origin | None]) -> None:
        self._control_plane = control_plane
        self._origin = origin
        self._told: Collection[Diagnostic] = ()

    async def run(self) -> None:
        """Look for as long as the program runs."""
        looked_at, before = None, None
        while True:
            await asyncio.sleep(_QUIET_S)
            now = self._control_plane.stamp
            if now == before != looked_at:
                looked_at = now
                try:
                    self._look()
                except Exception:  # proxies are served without it
                    _log.exception("cannot tell what is wrong with objects in force")
            before = now

    def _look(self) -> None:
        found = dict.fromkeys((*self._control_plane.diagnostics(), *self._control_plane.refused()))
        for diagnostic in found:
            if diagnostic not in self._told:
                _log.warning("%s", self._placed(diagnostic))
        self._told = found

    def _placed(self, diagnostic: Diagnostic) -> str:
        origin = self._origin(diagnostic.ref)
        return f"{origin}: {diagnostic}" if origin is not None else str(diagnostic)
