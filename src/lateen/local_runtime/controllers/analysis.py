"""Tells what analysis finds in what people wrote: warnings and errors, each kind of message once, in a line.

Asked of what workloads are, not of what runs: a pod that has not started yet is no mistake. Whenever something written
changes, all of it is analyzed again: some ten milliseconds for 1,000 objects (`benchmarks/analysis.py`).
"""

from collections.abc import Iterable, Iterator
from typing import Final

from lateen.analysis.analyzer import Message, analyze
from lateen.analysis.catalogue import Level, MessageType
from lateen.analysis.registry import DEFAULT
from lateen.analysis.resources import Resource
from lateen.analysis.view import View
from lateen.analysis.workloads import is_owned
from lateen.config.objects import Origin
from lateen.local_runtime.notices import Notices
from lateen.local_runtime.objects.store import Event, EventType, ObjectStore, StoredObject
from lateen.local_runtime.plan.gateway import is_ours
from lateen.local_runtime.plan.workloads import Json
from lateen.local_runtime.surroundings import SURROUNDINGS

_SUBJECT: Final = "analysis"
_NAMED: Final = 3
"""Objects that are named besides the one a message is about; `lateen analyze` has them all."""
_OF_THE_RUNTIME: Final = ("EndpointSlice", "Endpoints", "Event", "Lease", "Node")


class AnalysisController:
    """Keeps among the notices what analysis says of the objects that people wrote."""

    def __init__(self, store: ObjectStore, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self._due = False

    def hear(self, event: Event) -> None:
        if event.ref.kind not in _OF_THE_RUNTIME and not is_owned(event.raw) and _says_something_else(event):
            self._due = True

    def reconcile(self) -> None:
        if not self._due:
            return
        self._due = False
        written = [_resource(each) for each in self._store if not is_ours(each.raw)]
        view = View((each for each in written if not is_owned(each.raw)), SURROUNDINGS)
        found = (message for message in analyze(view, DEFAULT) if message.type.level <= Level.WARNING)
        self._notices.replace(_SUBJECT, in_short(found))


def in_short(messages: Iterable[Message]) -> Iterator[str]:
    """A line for each type of message: the first of them, and which other objects it is about."""
    by_type: dict[MessageType, list[Message]] = {}
    for message in messages:
        by_type.setdefault(message.type, []).append(message)
    for first, *others in by_type.values():
        text = first.told_at(first.origin or Origin(""))
        names = list(dict.fromkeys(message.about for message in others if message.about != first.about))
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            text += f"; also {', '.join(names[:_NAMED])}{more}: see `lateen analyze`"
        yield text


def _resource(stored: StoredObject) -> Resource:
    return Resource(ref=stored.ref, raw=stored.raw, object=stored.object, origin=stored.origin)


def _says_something_else(event: Event) -> bool:
    """Not merely another status."""
    if event.type is not EventType.MODIFIED or event.old is None:
        return True
    return _written(event.raw) != _written(event.old)


def _written(raw: Json) -> Json:
    metadata = raw["metadata"]
    named = {key: metadata.get(key) for key in ("labels", "annotations")}
    return {**{key: value for key, value in raw.items() if key not in ("metadata", "status")}, "metadata": named}
