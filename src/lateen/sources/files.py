"""Configuration from files and directories: read once, or watched.

A directory stands for every `*.yaml`, `*.yml` and `*.json` below it, in the order of their paths, hidden ones left out.
Events of the file system only wake the watcher; what changed is found by looking at the files, so that none is missed
however an editor saves them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from watchfiles import awatch

from lateen.config.decode import DEFAULT_NAMESPACE, Decoder, decode
from lateen.config.objects import ObjectRef, Origin
from lateen.config.problems import Notice, Rejected
from lateen.sources.documents import Document, Update, Written
from lateen.sources.file_state import FileState, Unreadable

SUFFIXES = (".yaml", ".yml", ".json")
QUIET_MS = 30
"""A burst of events is over when nothing happened for so long."""
LONGEST_BURST_MS = 100
CONFIRM_S = 0.06
"""A file that is gone or empty is looked at again after this time: it may be in the middle of being saved."""
LOOK_ANYWAY_MS = 5000
"""Files are looked at this often without any event, as some file systems send none."""


class Loaded(msgspec.Struct, frozen=True):
    """What a set of files says. `files` goes on from here when handed to `watch`."""

    documents: tuple[Document, ...]
    rejected: tuple[Rejected, ...]
    notices: tuple[Notice, ...]
    files: "WatchedFiles"


class _Stamp(msgspec.Struct, frozen=True):
    """Tells whether a file was written or replaced."""

    inode: int
    size: int
    modified_ns: int


class WatchedFiles:
    """Some paths, and what was last read from them."""

    def __init__(
        self, paths: Sequence[Path], default_namespace: str = DEFAULT_NAMESPACE, decode: Decoder = decode
    ) -> None:
        self.paths = tuple(paths)
        self._directories = tuple(path for path in paths if path.is_dir())
        self._gone: tuple[Path, ...] = ()
        self._state = FileState(default_namespace, decode)
        self._stamps: dict[str, _Stamp] = {}

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Everything that is wrong in the files now."""
        message = "is gone; what it said stays in force until it is back"
        gone = tuple(Rejected(None, Origin(str(path)), "", message) for path in self._gone)
        return gone + self._state.rejected

    def origin(self, ref: ObjectRef) -> Origin | None:
        """Where the object in force is written; None for one that the files do not have."""
        return self._state.origin(ref)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is to be said of the files as they are now."""
        return self._state.notices

    def written(self) -> Iterator[Written]:
        """Every document of the files as it is written now, refused ones too."""
        return self._state.written()

    def refresh(self) -> Update:
        """Read what was written since the last time. A watched directory that is gone says what it last said."""
        found = dict(_stamped(_files(self.paths)))
        self._gone = tuple(path for path in self._directories if not path.is_dir())
        for name, stamp in self._stamps.items():
            if any(Path(name).is_relative_to(directory) for directory in self._gone):
                found.setdefault(name, stamp)
        written = [name for name, stamp in found.items() if self._stamps.get(name) != stamp]
        self._stamps = found
        return self._state.update(list(found), {name: _read(Path(name)) for name in written})

    def mid_save(self) -> bool:
        """Whether a file that had content is gone or empty at this moment."""
        found = dict(_stamped(_files(self.paths)))
        return any(stamp.size and not (found.get(name) and found[name].size) for name, stamp in self._stamps.items())


def load(paths: Sequence[Path], default_namespace: str = DEFAULT_NAMESPACE, decode: Decoder = decode) -> Loaded:
    """Read files and directories once. A path that is not there is a rejection, a directory without files a notice."""
    files = WatchedFiles(paths, default_namespace, decode)
    update = files.refresh()
    missing = tuple(
        Rejected(None, Origin(str(path)), "", "no such file or directory") for path in paths if not path.exists()
    )
    empty = tuple(
        Notice(None, Origin(str(path)), f"no {', '.join(f'*{suffix}' for suffix in SUFFIXES)} file in this directory")
        for path in paths
        if path.is_dir() and not any(_files([path]))
    )
    return Loaded(update.changed, missing + update.rejected, empty + update.notices, files)


async def watch(files: WatchedFiles) -> AsyncIterator[Update]:
    """Every difference from what was last read, as it is written; ends only by being closed or cancelled.

    An update without objects tells that only `files.rejected` or `files.notices` have changed.
    """
    wake = asyncio.Event()
    wake.set()
    watchers = [asyncio.create_task(_wake_on_events(wake, files.paths, *group)) for group in _groups(files.paths)]
    await asyncio.sleep(0)  # the watchers are now set up, so nothing written from here on is missed
    told = (files.rejected, files.notices)
    try:
        while True:
            await wake.wait()
            wake.clear()
            for watcher in watchers:
                if watcher.done():
                    watcher.result()
            if await asyncio.to_thread(files.mid_save):
                await asyncio.sleep(CONFIRM_S)
            update = await asyncio.to_thread(files.refresh)
            now = (files.rejected, files.notices)
            if not update.is_empty or now != told:
                told = now
                yield update
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _wake_on_events(wake: asyncio.Event, wanted: Iterable[Path], paths: Sequence[Path], recursive: bool) -> None:
    """Wakes at events of configuration files, directories (names without a suffix), and what is wanted by name."""
    named = {str(path.absolute()) for path in wanted}
    try:
        async for _ in awatch(
            *paths,
            watch_filter=lambda _change, path: Path(path).suffix in (*SUFFIXES, "") or path in named,
            debounce=LONGEST_BURST_MS,
            step=QUIET_MS,
            rust_timeout=LOOK_ANYWAY_MS,
            yield_on_timeout=True,
            recursive=recursive,
        ):
            wake.set()
    finally:
        wake.set()


def _groups(paths: Iterable[Path]) -> Iterator[tuple[list[Path], bool]]:
    """What to watch: directories with all below; for a single file its directory, as saving may replace the file."""
    paths = list(paths)
    directories = [path for path in paths if path.is_dir()]
    parents = sorted({path.absolute().parent for path in paths if not path.is_dir()})
    if directories:
        yield directories, True
    if parents:
        yield parents, False


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        with contextlib.suppress(OSError):
            below = sorted(path.iterdir())
            visible = [entry for entry in below if not entry.name.startswith(".")]
            yield from (entry for entry in visible if entry.suffix in SUFFIXES and entry.is_file())
            yield from _files(entry for entry in visible if entry.is_dir() and not entry.is_symlink())


def _stamped(paths: Iterable[Path]) -> Iterator[tuple[str, _Stamp]]:
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            yield str(path), _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def _read(path: Path) -> str | Unreadable:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        return Unreadable(f"is not UTF-8 text (byte {error.start})")
    except OSError as error:
        return Unreadable(f"cannot be read: {error.strerror}")
