"""A source fed by hand, for tests: the same updates as files give, without files."""

import asyncio
from collections.abc import AsyncIterator

from lateen.config.decode import DEFAULT_NAMESPACE
from lateen.sources.documents import Document, Update
from lateen.sources.file_state import FileState


class MemorySource:
    """Named texts in place of files. Each `write` or `remove` is one batch."""

    def __init__(self, default_namespace: str = DEFAULT_NAMESPACE) -> None:
        self._state = FileState(default_namespace)
        self._names: dict[str, None] = {}
        self._updates: asyncio.Queue[Update] = asyncio.Queue()

    @property
    def documents(self) -> tuple[Document, ...]:
        """Every object in force."""
        return self._state.documents

    def write(self, **texts: str) -> Update:
        """Give texts, by name, their new content."""
        self._names |= dict.fromkeys(texts)
        return self._push(self._state.update(list(self._names), texts))

    def remove(self, *names: str) -> Update:
        """Take texts away."""
        self._names = {name: None for name in self._names if name not in names}
        return self._push(self._state.update(list(self._names), {}))

    async def watch(self) -> AsyncIterator[Update]:
        """The batches in order, as they are given."""
        while True:
            yield await self._updates.get()

    def _push(self, update: Update) -> Update:
        if not update.is_empty:
            self._updates.put_nowait(update)
        return update
