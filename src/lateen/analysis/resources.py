"""Objects as analyzers see them: as written, typed where the mesh has a type, each with its place in a file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from lateen.config.decode import Invalid, UnknownKind, Untyped
from lateen.config.objects import ConfigObject, ObjectRef, Origin
from lateen.config.problems import LineOf, Path, Problem
from lateen.sources.documents import Written

JsonMap = Mapping[str, Any]
_NOTHING: Final[JsonMap] = {}


def at(raw: Any, *path: str) -> Any:
    """The value at a path of keys; None where anything on the way is missing or no mapping."""
    for key in path:
        if not isinstance(raw, Mapping):
            return None
        raw = raw.get(key)
    return raw


def mapping(raw: Any, *path: str) -> JsonMap:
    """The mapping at a path; an empty one where there is none."""
    found = at(raw, *path)
    return found if isinstance(found, Mapping) else _NOTHING


def texts(raw: Any, *path: str) -> Mapping[str, str]:
    """The texts of the mapping at a path, such as labels."""
    return {key: value for key, value in mapping(raw, *path).items() if isinstance(value, str)}


def items(raw: Any, *path: str) -> Sequence[Any]:
    """The list at a path; an empty one where there is none."""
    found = at(raw, *path)
    return found if isinstance(found, list | tuple) else ()


def each(raw: Any, *path: str) -> Iterator[tuple[Path, JsonMap]]:
    """The mappings in the list at a path, each with its own path from `raw`."""
    for position, item in enumerate(items(raw, *path)):
        if isinstance(item, Mapping):
            yield (*path, position), item


def selector(raw: Any, *path: str) -> JsonMap:
    """The label selector at a path, without what no selector can have."""
    return {
        "matchLabels": texts(raw, *path, "matchLabels"),
        "matchExpressions": [
            {**expression, "values": [value for value in items(expression, "values") if isinstance(value, str)]}
            for _, expression in each(raw, *path, "matchExpressions")
        ],
    }


class Resource(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One object. `raw` may be anything that was written; `object` is None for kinds without a type and for an object
    that is refused, and then `problems` say why.

    `origin` is None for what was not read from a file; `line_of` where the lines of fields are not known.
    """

    ref: ObjectRef
    raw: JsonMap
    object: ConfigObject | None = None
    problems: tuple[Problem, ...] = ()
    origin: Origin | None = None
    line_of: LineOf | None = None

    @property
    def name(self) -> str:
        return self.ref.name

    @property
    def namespace(self) -> str:
        return self.ref.namespace

    @property
    def labels(self) -> Mapping[str, str]:
        return texts(self.raw, "metadata", "labels")

    @property
    def annotations(self) -> Mapping[str, str]:
        return texts(self.raw, "metadata", "annotations")

    @property
    def spec(self) -> JsonMap:
        return mapping(self.raw, "spec")

    def each(self, *path: str) -> Iterator[tuple[Path, JsonMap]]:
        """The mappings in the list at a path, each with its path."""
        return each(self.raw, *path)

    def place(self, path: Path) -> Origin | None:
        """Where a field is written; the object's own place where no more is known."""
        if self.origin is None or self.line_of is None:
            return self.origin
        return Origin(self.origin.file, self.line_of(path))


def of_files(
    documents: Iterable[Written], default_namespace: str, is_namespaced: Callable[[ObjectRef], bool]
) -> Iterator[Resource]:
    """The objects of files; a document that does not even say what it is is left out.

    Objects of kinds that nobody reads get the default namespace here; the others already have it.
    """
    for document in documents:
        problems: tuple[Problem, ...] = ()
        match document.decoded:
            case ConfigObject(ref=ref) | Untyped(ref):
                pass
            case UnknownKind(ref):
                if not ref.namespace and is_namespaced(ref):
                    ref = msgspec.structs.replace(ref, namespace=default_namespace)
            case Invalid(ref, problems):
                if ref is None:
                    continue
        found = document.decoded if isinstance(document.decoded, ConfigObject) else None
        yield Resource(
            ref=ref,
            raw=document.raw,
            object=found,
            problems=problems,
            origin=document.origin,
            line_of=document.line_of,
        )
