"""What a set of files says, as a pure state machine: texts in, the difference out.

A file that cannot be read or parsed keeps all its objects; a document that is wrong keeps the last good version of its
object. Where it does not even say which object it is, the file keeps all that it has not given a new version. Chunks
whose text did not change are not parsed again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from lateen.config.decode import DEFAULT_NAMESPACE, Decoded, Decoder, Invalid, UnknownKind, Untyped, decode
from lateen.config.documents import Chunk, Malformed, YamlDocument, line_of, parse, split
from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.config.problems import LineOf, Notice, Problem, Rejected
from lateen.sources.documents import Document, Update, Written


class Unreadable(msgspec.Struct, frozen=True):
    """A file whose text could not be had, and why."""

    reason: str


_Reading = tuple[tuple[YamlDocument, Decoded], ...]


class _File(msgspec.Struct, frozen=True):
    """What one file says now: its documents in order, those refused being stood in for by their last good version."""

    documents: tuple[Document, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    notices: tuple[Notice, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    readings: dict[str, _Reading] = {}


class FileState:
    """The objects of a set of files, and where each is written."""

    def __init__(self, default_namespace: str = DEFAULT_NAMESPACE, decode: Decoder = decode) -> None:
        self._default_namespace = default_namespace
        self._decoder = decode
        self._files: dict[str, _File] = {}
        self._in_force: dict[ObjectRef, Document] = {}
        self._notices: dict[Notice, None] = {}

    @property
    def documents(self) -> tuple[Document, ...]:
        """Every object in force, in the order of the files."""
        return tuple(self._in_force.values())

    def written(self) -> Iterator[Written]:
        """Every document of the files that can be parsed, in the order of the files, refused ones too."""
        for name, file in self._files.items():
            for chunk in file.chunks:
                for yaml, decoded in file.readings[chunk.text]:
                    origin = Origin(name, chunk.above + yaml.line)
                    yield Written(yaml.raw, decoded, origin, _line_finder(chunk, yaml))

    def origin(self, ref: ObjectRef) -> Origin | None:
        """Where the object in force is written."""
        found = self._in_force.get(ref)
        return found.origin if found is not None else None

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Everything that is wrong in the files now."""
        return tuple(rejected for file in self._files.values() for rejected in file.rejected)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is to be said of the files as they are now."""
        return tuple(self._notices)

    def update(self, present: Sequence[str], texts: Mapping[str, str | Unreadable]) -> Update:
        """Take new texts. `present` names every file there is, in order: of two equal objects the later one wins."""
        read = {name: self._read(name, text) for name, text in texts.items()}
        self._files = {name: read.get(name) or self._files.get(name) or _File() for name in present}
        before, self._in_force = self._in_force, {}
        notices = dict.fromkeys(self._merge())
        new_notices = tuple(notice for notice in notices if notice not in self._notices)
        self._notices = notices
        changed, moved = [], []
        for ref, document in self._in_force.items():
            old = before.get(ref)
            if old is None or (old.raw is not document.raw and old.raw != document.raw):
                changed.append(document)
            elif old.origin != document.origin:
                moved.append(document)
        return Update(
            changed=tuple(changed),
            deleted=tuple(sorted(ref for ref in before if ref not in self._in_force)),
            moved=tuple(moved),
            rejected=tuple(problem for name in texts if name in self._files for problem in self._files[name].rejected),
            notices=new_notices,
        )

    def _merge(self) -> Iterator[Notice]:
        """Fills what is in force from all files, in order; yields what is to be said about them."""
        for file in self._files.values():
            yield from file.notices
            for document in file.documents:
                other = self._in_force.pop(document.ref, None)
                if other is not None and other.origin != document.origin:
                    message = f"is also defined at {other.origin}; the definition here is in force"
                    yield Notice(document.ref, document.origin, message)
                self._in_force[document.ref] = document

    def _read(self, name: str, text: str | Unreadable) -> _File:
        last = self._files.get(name, _File())
        if isinstance(text, Unreadable):
            return self._kept(last, Rejected(None, Origin(name), "", text.reason))
        readings: dict[str, _Reading] = {}
        builder = _FileBuilder(name, self._in_force)
        chunks = split(text)
        for chunk in chunks:
            reading = readings.get(chunk.text) or last.readings.get(chunk.text) or self._parse(chunk.text)
            if isinstance(reading, Malformed):
                place = Origin(name, chunk.above + reading.line)
                message = f"column {reading.column}: {reading.message}"
                return self._kept(last, Rejected(None, place, "", message))
            readings[chunk.text] = reading
            builder.add(chunk, reading)
        builder.close(last.documents)
        return _File(tuple(builder.documents), tuple(builder.rejected), tuple(builder.notices), chunks, readings)

    def _parse(self, text: str) -> _Reading | Malformed:
        documents = parse(text)
        if isinstance(documents, Malformed):
            return documents
        return tuple((document, self._decode(document)) for document in documents)

    def _decode(self, document: YamlDocument) -> Decoded:
        """A bug that one object brings to light must not cost the others, nor what runs."""
        try:
            return self._decoder(document.raw, self._default_namespace)
        except Exception as error:
            message = f"cannot be read because of a bug in lateen: {type(error).__name__}: {error}"
            return Invalid(None, (Problem((), message),))

    @staticmethod
    def _kept(last: _File, rejected: Rejected) -> _File:
        return msgspec.structs.replace(last, rejected=(rejected,))


class _FileBuilder:
    """Collects what one file says."""

    def __init__(self, name: str, in_force: Mapping[ObjectRef, Document]) -> None:
        self._name = name
        self._in_force = in_force
        self.documents: list[Document] = []
        self.rejected: list[Rejected] = []
        self.notices: list[Notice] = []
        self._unnamed = False

    def add(self, chunk: Chunk, reading: Iterable[tuple[YamlDocument, Decoded]]) -> None:
        for yaml, decoded in reading:
            origin = Origin(self._name, chunk.above + yaml.line)
            match decoded:
                case ConfigObject():
                    self.documents.append(Document(decoded.ref, yaml.raw, decoded, origin))
                case Untyped(ref):
                    self.documents.append(Document(ref, yaml.raw, None, origin))
                case UnknownKind(ref):
                    self.documents.append(Document(ref, yaml.raw, None, origin))
                    self.notices.append(Notice(ref, origin, _unknown(decoded)))
                case Invalid(ref):
                    self._refuse(chunk, yaml, decoded, origin)
                    self._unnamed |= ref is None
                    if ref is not None and ref in self._in_force:
                        self.documents.append(self._in_force[ref])

    def close(self, before: Iterable[Document]) -> None:
        """All documents were added. Any of those `before` may be what a refused one that names no object stands for."""
        if self._unnamed:
            written = {document.ref for document in self.documents}
            self.documents += (document for document in before if document.ref not in written)

    def _refuse(self, chunk: Chunk, yaml: YamlDocument, invalid: Invalid, origin: Origin) -> None:
        self.rejected += invalid.rejections(origin, _line_finder(chunk, yaml))


def _line_finder(chunk: Chunk, yaml: YamlDocument) -> LineOf:
    return lambda path: chunk.above + line_of(chunk.text, yaml, path)


def _unknown(unknown: UnknownKind) -> str:
    return f"`{unknown.ref.kind}` of `{unknown.api_version}` is not a kind the mesh reads; it has no effect"
