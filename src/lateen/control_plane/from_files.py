"""A watched directory as the control plane's source: read once at the start, then every difference as it is written."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from lateen.config.objects import ObjectRef, Origin
from lateen.config.problems import Notice, Rejected
from lateen.control_plane.app import ControlPlane
from lateen.control_plane.errors import CannotStart
from lateen.sources.documents import Document
from lateen.sources.files import WatchedFiles, load, watch

_log = logging.getLogger(__name__)


class FromFiles:
    """Feeds a control plane. What is wrong is told, with file and line, and its last good version stays in force."""

    def __init__(self, directory: Path, control_plane: ControlPlane) -> None:
        self._directory = directory
        self._control_plane = control_plane
        self._files: WatchedFiles | None = None

    async def read(self) -> None:
        """Hand over everything there is. Raises `CannotStart` where there is no such directory."""
        if not self._directory.is_dir():
            wrong = (
                "is a file; name the directory it is in" if self._directory.exists() else "there is no such directory"
            )
            raise CannotStart(f"--configDir {self._directory}: {wrong}")
        loaded = load((self._directory,))
        self._files = loaded.files
        self._tell(loaded.rejected, loaded.notices)
        self._apply(loaded.documents, ())

    async def follow(self) -> None:
        """Hand over what changes, until cancelled; each batch as one change."""
        assert self._files is not None, "read before"
        async for update in watch(self._files):
            self._tell(update.rejected, update.notices)
            try:
                if update.changed or update.deleted:
                    self._apply(update.changed, update.deleted)
            except Exception:  # a bug must not take down what runs
                _log.exception("an edit is not in force because of a bug in lateen")

    def origin(self, ref: ObjectRef) -> Origin | None:
        """Where the object in force is written; None for one that the files do not have."""
        return self._files.origin(ref) if self._files is not None else None

    def _apply(self, changed: Iterable[Document], deleted: Sequence[ObjectRef]) -> None:
        objects = [document.object for document in changed if document.object is not None]
        self._control_plane.apply(objects, deleted)
        _log.info("%s: %d objects written, %d deleted", self._directory, len(objects), len(deleted))

    def _tell(self, rejected: Sequence[Rejected], notices: Iterable[Notice]) -> None:
        self._control_plane.rejected(len(rejected))
        for problem in rejected:
            _log.error("%s", problem)
        for notice in notices:
            _log.warning("%s", notice)
