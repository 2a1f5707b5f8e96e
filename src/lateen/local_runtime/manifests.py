"""Watched files as a source of the object store: read once at the start, then every difference as it is written."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lateen.config.objects import ObjectRef
from lateen.local_runtime.errors import LocalRuntimeError
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.deletion import delete
from lateen.local_runtime.objects.reading import decode
from lateen.local_runtime.objects.store import DEFAULT_NAMESPACE, InvalidObject, ObjectStore
from lateen.sources.documents import Document, Update
from lateen.sources.files import WatchedFiles, load, watch

_log = logging.getLogger(__name__)
_SUBJECT = "manifests"


class NoSuchManifests(LocalRuntimeError):
    """A path that was given is not there."""


class Manifests:
    """The files that `lateen up` was given. They and `lateen apply` write the same objects; the later write wins."""

    def __init__(self, paths: Sequence[Path], store: ObjectStore, refused: Notices, remarks: Notices) -> None:
        self._paths = paths
        self._store = store
        self._refused = refused
        self._remarks = remarks
        self._files: WatchedFiles | None = None

    def read(self) -> None:
        """Write all objects of the files to the store, as one batch."""
        loaded = load(self._paths, decode=decode)
        self._files = loaded.files
        self._apply(Update(changed=loaded.documents))
        self._tell(loaded.files)

    async def watch(self) -> None:
        """Write what changes, until cancelled; each batch as a whole."""
        if self._files is None:
            return
        async for update in watch(self._files):
            try:
                self._apply(update)
            except Exception as error:  # a bug must not take down what runs
                _log.exception("an edit of the watched files is not in force")
                self._refused.add("edit", f"an edit is not in force because of a bug in lateen: {error!r}; see the log")
            self._tell(self._files)

    def _apply(self, update: Update) -> None:
        with self._store.batch():
            for document in update.changed:
                self._put(document)
            for document in update.moved:
                stored = self._store.get(self._here(document.ref))
                # Moving the text of an object that `apply` has changed since must not undo that change.
                if stored is not None and stored.origin.file == document.origin.file:
                    self._put(document)
            for ref in update.deleted:
                delete(self._store, self._here(ref), datetime.now(UTC))

    def _put(self, document: Document) -> None:
        try:
            self._store.put(document.raw, origin=document.origin, namespace=document.ref.namespace)
            self._refused.clear(document.ref)
        except InvalidObject as error:
            self._refused.add(document.ref, f"{document.origin}: {error}")

    def _tell(self, files: WatchedFiles) -> None:
        self._refused.replace(_SUBJECT, map(str, files.rejected))
        self._remarks.replace(_SUBJECT, map(str, files.notices))

    def _here(self, ref: ObjectRef) -> ObjectRef:
        """The reference with the namespace that the store gives an object which names none."""
        kind = self._store.types.of_kind(ref.group, ref.kind)
        if ref.namespace or (kind is not None and not kind.namespaced):
            return ref
        return ObjectRef(ref.group, ref.kind, DEFAULT_NAMESPACE, ref.name)


def check_paths(paths: Sequence[Path]) -> None:
    """Raise `NoSuchManifests`, naming every path that is not there."""
    missing = [f"{path}: no such file or directory" for path in paths if not path.exists()]
    if missing:
        raise NoSuchManifests("\n".join(missing))
